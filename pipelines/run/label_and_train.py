"""The main recipe: private records in, a student out.

    data -> partition -> features -> queries -> teachers -> votes -> labels -> student -> evaluation -> report

Each stage is a function of its own name, in a file of its own name, and runs once; an interrupted run resumes where it
stopped, and nothing is released twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from pate.data import Partition, Study
from pate.errors import InputError, expected
from pate.files import write_atomically
from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.cluster import session
from pipelines.cluster.safety import require_safe_ray
from pipelines.config.data import ImagesData
from pipelines.config.experiment import Config
from pipelines.config.own_parts import require_importable
from pipelines.data.public_checks import require_benchmark, require_declared, require_public
from pipelines.data.sources import deal, load_study
from pipelines.outcome.summary import Summary
from pipelines.outcome.summary import load as load_summary
from pipelines.progress import Progress
from pipelines.run.account import account, noise_of
from pipelines.run.benchmark import benchmark
from pipelines.run.context import Run, record_configuration, require_same_records
from pipelines.run.evaluation import evaluation
from pipelines.run.features import features
from pipelines.run.labels import labels
from pipelines.run.partition import partition
from pipelines.run.queries import queries
from pipelines.run.rehearsal import rehearse
from pipelines.run.report import report
from pipelines.run.student import student
from pipelines.run.teachers import teachers
from pipelines.run.votes import votes
from pipelines.storage.home import Home
from pipelines.storage.incidents import write_shared_units, write_unknown_values
from pipelines.storage.run_folder import RunFolder
from pipelines.teachers.given_votes import GivenVotes, missing
from pipelines.teachers.holders import Holder
from pipelines.tracking.delivery import BackgroundDelivery
from pipelines.tracking.destination import Destination, destination, preflight
from pipelines.tracking.tracker import Tracker


def label_and_train(
    config: Config, *, base: Path, progress: Progress, votes_TM: npt.NDArray[np.generic] | None = None
) -> Summary:
    """Run an experiment to its end, or resume one that was interrupted.

    Args:
        config: the experiment.
        base: ``PATE_HOME``.
        progress: receives finished stages.
        votes_TM: votes that were made elsewhere, one for each teacher and input of the pool; with
            ``teachers.model.kind: votes`` alone. Shape ``[T, M]``.

    Raises:
        InputError, Unavailable: found before anything is written or released.
        BudgetExceeded: the remaining budget of the data is too small.
    """
    folder = RunFolder(base, config.run_id)
    finished = load_summary(folder)
    if finished is not None:
        progress.line("run", f"{config.run_id} finished before")
        return finished

    inputs = _checked(config, base, progress, votes_TM)
    with ExitStack() as stack:
        with _begun(config, base, inputs, progress, stack) as run:
            delivery = _all_stages(
                run, inputs.parts, lambda: stack.enter_context(BackgroundDelivery(folder.public, inputs.where))
            )
        outcome = delivery.finish()
    if outcome.note is not None:
        progress.warn(outcome.note)
    if outcome.pending:
        progress.warn(
            f"{outcome.pending} tracking events are kept here ({outcome.reason}); "
            f"`pate sync {config.run_id}` delivers them"
        )
    mlflow_run = outcome.runs.get("campaign")
    if mlflow_run is not None:
        folder.mlflow_run_file.write_text(mlflow_run)
    result = load_summary(folder)
    if result is None:
        raise InputError(f"Expected the summary of run {config.run_id}, got none; run again")
    return result


def votes_before_charge(config: Config, *, base: Path, progress: Progress) -> VoteMatrix:
    """The same run up to its private votes: nothing is charged, drawn or released.

    Args:
        config: the experiment.
        base: ``PATE_HOME``.
        progress: receives finished stages.

    Raises:
        InputError, Unavailable, BudgetExceeded: as ``label_and_train``.
    """
    inputs = _checked(config, base, progress)
    with (
        ExitStack() as stack,
        _begun(config, base, inputs, progress, stack) as run,
        _ray(run) as ray,
    ):
        return _as_far_as_votes(run, inputs.parts, ray).votes


@final
@dataclass(frozen=True, slots=True)
class _Inputs:
    """The study, the partition of records held here, and the destination of the run's record."""

    study: Study
    parts: Partition | GivenVotes | None
    where: Destination


def _checked(
    config: Config, base: Path, progress: Progress, votes_TM: npt.NDArray[np.generic] | None = None
) -> _Inputs:
    """The run's inputs; checks precede all writes."""
    if votes_TM is not None and not config.votes_are_given:
        raise expected(
            "teachers.model: {kind: votes} where votes are given",
            "declare it, or run the experiment with `pate run`",
            kind=config.teachers.model.kind,
        )
    if votes_TM is None and config.votes_are_given and not _kept_votes(RunFolder(base, config.run_id)):
        raise missing()
    require_importable(config)
    where = destination(config.tracking.uri, home=base, experiment=config.tracking.experiment)
    preflight(where)
    session.preflight(config.ray.address)
    require_safe_ray(config.ray.address, os.environ)
    require_declared(config)
    with progress.bar("records", 100) if isinstance(config.data, ImagesData) else nullcontext() as on_done:
        study = load_study(config, on_done)
    require_benchmark(config, benchmark=study.benchmark is not None)
    require_public(config, study)
    parts = _parts(config, study, votes_TM)
    noise_of(config, study)
    return _Inputs(study, parts, where)


def _parts(config: Config, study: Study, votes_TM: npt.NDArray[np.generic] | None) -> Partition | GivenVotes | None:
    if config.votes_are_given:
        return GivenVotes(config, votes_TM)
    return None if config.sites is not None else deal(config, study)


def _kept_votes(folder: RunFolder) -> bool:
    return folder.exists() and folder.stages.was_finished("votes")


@contextmanager
def _begun(config: Config, base: Path, inputs: _Inputs, progress: Progress, stack: ExitStack) -> Iterator[Run]:
    """The run, its folders made and its record open; it is this process's until the stack ends."""
    folder = RunFolder(base, config.run_id)
    folder.create()
    _tell_operator(folder, inputs.study)
    write_atomically(folder.tracking_settings_file, config.tracking.model_dump_json())
    insecure = config.labelling.insecure_seeded_noise is not None
    stack.enter_context(folder.locked())
    with Tracker.open(folder.public, run_id=config.run_id, insecure=insecure) as tracker:
        yield Run(
            config=config,
            home=Home(base),
            folder=folder,
            study=inputs.study,
            tracker=tracker,
            progress=progress,
            where=inputs.where,
        )


def _tell_operator(folder: RunFolder, study: Study) -> None:
    """Write what this process found in its private records, whether there is anything to tell or not."""
    origin = None if study.private is None else study.private.origin
    if origin is None:
        return
    if study.public_units:
        write_shared_units(folder.private, folder.run_id, origin.left_out)
    if study.encoding:
        write_unknown_values(folder.private, folder.run_id, origin.unknown)


def _all_stages(
    run: Run, parts: Partition | GivenVotes | None, start_delivery: Callable[[], BackgroundDelivery]
) -> BackgroundDelivery:
    """All stages in order; tracking is delivered in the background once the teachers are done."""
    with _ray(run) as ray:
        run, holder, asked, matrix = _as_far_as_votes(run, parts, ray)
        delivery = start_delivery()
        campaign = labels(run, matrix, asked)  # the only stage that draws noise
        delivery.nudge()
        model = student(run, campaign)
        metrics = evaluation(run, model)
        benchmark(run, holder, matrix, campaign, ray)
    report(run, campaign, metrics)
    return delivery


def _ray(run: Run) -> AbstractContextManager[session.OnDemand]:
    settings = run.config.ray
    return session.on_demand(settings.address, settings.num_cpus, partial(run.progress.line, "ray"))


@final
class _Voted(NamedTuple):
    """A run whose teachers have voted."""

    run: Run
    holder: Holder
    asked: Released[list[int]]
    votes: VoteMatrix


def _as_far_as_votes(run: Run, parts: Partition | GivenVotes | None, ray: session.OnDemand) -> _Voted:
    """The stages before the charge."""
    require_same_records(run)
    record_configuration(run)
    holder = partition(run, parts, ray)
    run = features(run)
    asked = queries(run)
    rehearse(run)
    account(run, asked, holder)
    teachers(run, holder, ray)
    return _Voted(run=run, holder=holder, asked=asked, votes=votes(run, holder, asked, ray))

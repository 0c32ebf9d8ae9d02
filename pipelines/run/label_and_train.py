"""The main recipe: private records in, a student out.

    data -> partition -> queries -> teachers -> votes -> labels -> student -> evaluation -> report

Each stage runs once; a run that was interrupted goes on where it stopped, and nothing is released twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, final

from pate.data import Partition, Study
from pate.errors import InputError, expected
from pate.files import write_atomically
from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.cluster import session as ray_runtime
from pipelines.cluster.safety import require_safe_ray
from pipelines.config.experiment import Config
from pipelines.data.sources import deal, load_study
from pipelines.run import labels as campaign
from pipelines.run import steps, summary
from pipelines.run.progress import Progress
from pipelines.run.rehearsal import rehearse
from pipelines.run.report import publish
from pipelines.storage.run_folder import RunStore
from pipelines.teachers.holders import Holder
from pipelines.tracking.delivery import BackgroundDelivery
from pipelines.tracking.destination import Destination, destination, preflight
from pipelines.tracking.tracker import Tracker


def label_and_train(config: Config, *, base: Path, progress: Progress) -> summary.Summary:
    """Run an experiment to its end, or go on with one that was interrupted.

    Args:
        config: the experiment.
        base: ``PATE_HOME``.
        progress: told of finished stages.

    Raises:
        InputError, Unavailable: found before anything is written or released.
        BudgetExceeded: the data's account has too little left.
    """
    store = RunStore(base, config.run_id)
    finished = summary.load(store)
    if finished is not None:
        progress.line("run", f"{config.run_id} finished before")
        return finished

    study, parts, where = _checked(config, base)
    with ExitStack() as stack:
        with _begun(config, base, store, study, where, progress, stack) as run:
            delivery = _all_stages(run, parts, lambda: stack.enter_context(BackgroundDelivery(store.public, where)))
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
        (store.public / "tracking" / "mlflow_run_id").write_text(mlflow_run)
    result = summary.load(store)
    if result is None:
        raise InputError(f"Expected the summary of run {config.run_id}, got none; run again")
    return result


def votes_before_charge(config: Config, *, base: Path, progress: Progress) -> VoteMatrix:
    """The same run as far as its private votes: nothing is charged, drawn or released.

    Args:
        config: the experiment.
        base: ``PATE_HOME``.
        progress: told of finished stages.

    Raises:
        InputError, Unavailable, BudgetExceeded: as ``label_and_train``.
    """
    study, parts, where = _checked(config, base)
    store = RunStore(base, config.run_id)
    with (
        ExitStack() as stack,
        _begun(config, base, store, study, where, progress, stack) as run,
        ray_runtime.on_demand(config.ray.address, config.ray.num_cpus) as ray,
    ):
        return _as_far_as_votes(run, parts, ray).votes


def _checked(config: Config, base: Path) -> tuple[Study, Partition | None, Destination]:
    """The study, its partition and where the record goes; what can be refused is refused before a file is written."""
    where = destination(config.tracking.uri, home=base, experiment=config.tracking.experiment)
    preflight(where)
    ray_runtime.preflight(config.ray.address)
    require_safe_ray(config.ray.address, os.environ)
    study = load_study(config)
    parts = None if config.sites is not None else deal(config, study)
    campaign.noise_of(config, study)
    if config.labelling.max_asked > len(study.pool):
        raise expected(
            f"labelling.max_asked <= {len(study.pool)}, the size of the public pool",
            "ask fewer or bring more",
            max_asked=config.labelling.max_asked,
        )
    return study, parts, where


@contextmanager
def _begun(
    config: Config,
    base: Path,
    store: RunStore,
    study: Study,
    where: Destination,
    progress: Progress,
    stack: ExitStack,
) -> Iterator[steps.Run]:
    """The run, its folders made and its record open; it is this process's until the stack ends."""
    store.create()
    write_atomically(store.private / "tracking.json", config.tracking.model_dump_json())
    insecure = config.labelling.insecure_seeded_noise is not None
    stack.enter_context(store.locked())
    with Tracker.open(store.public, run_id=config.run_id, insecure=insecure) as tracker:
        yield steps.Run(
            config=config, base=base, store=store, study=study, tracker=tracker, progress=progress, where=where
        )


def _all_stages(
    run: steps.Run, parts: Partition | None, start_delivery: Callable[[], BackgroundDelivery]
) -> BackgroundDelivery:
    """All stages in order; tracking is delivered in the background once the teachers need no more cores."""
    with ray_runtime.on_demand(run.config.ray.address, run.config.ray.num_cpus) as ray:
        run, holder, queries, votes = _as_far_as_votes(run, parts, ray)
        delivery = start_delivery()
        answers = steps.label(run, votes, queries)  # the door: the one place where noise is drawn
        delivery.nudge()
        student = steps.teach(run, answers)
        figures = steps.evaluate(run, student)
        steps.compare_with_truth(run, holder, votes, ray)
    publish(run, answers, figures)
    return delivery


@final
class _Voted(NamedTuple):
    """A run whose teachers have voted."""

    run: steps.Run
    holder: Holder
    queries: Released[list[int]]
    votes: VoteMatrix


def _as_far_as_votes(run: steps.Run, parts: Partition | None, ray: ray_runtime.OnDemand) -> _Voted:
    """The stages before the charge."""
    steps.require_same_records(run)
    steps.record_configuration(run)
    holder = steps.enrol(run, parts, ray)
    run = steps.represent(run)
    queries = steps.fix_queries(run)
    rehearse(run)
    steps.open_account(run, queries, holder)
    steps.train(run, holder, ray)
    return _Voted(run=run, holder=holder, queries=queries, votes=steps.vote(run, holder, queries, ray))

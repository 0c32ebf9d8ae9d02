"""The main recipe: private records in, a student out.

    data -> partition -> queries -> teachers -> votes -> labels -> student -> evaluation -> report

Each stage runs once; a run that was interrupted goes on where it stopped, and nothing is released twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pate.data import Partition
from pate.errors import InputError, expected
from pipelines import campaign, ray_runtime, steps, summary
from pipelines.config import Config
from pipelines.delivery import BackgroundDelivery
from pipelines.destination import destination, preflight
from pipelines.doctor import require_safe_ray
from pipelines.progress import Progress
from pipelines.publication import publish
from pipelines.sources import deal, load_study
from pipelines.store import RunStore, write_atomically
from pipelines.tracking import Tracker


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

    # Everything that can be refused is refused here, before the first file is written.
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

    store.create()
    write_atomically(store.private / "tracking.json", config.tracking.model_dump_json())
    insecure = config.labelling.insecure_seeded_noise is not None
    with store.locked(), ExitStack() as stack:
        with Tracker.open(store.public, run_id=config.run_id, insecure=insecure) as tracker:
            run = steps.Run(
                config=config, base=base, store=store, study=study, tracker=tracker, progress=progress, where=where
            )
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


def _all_stages(
    run: steps.Run, parts: Partition | None, start_delivery: Callable[[], BackgroundDelivery]
) -> BackgroundDelivery:
    """All stages in order; tracking is delivered in the background once the teachers need no more cores."""
    steps.require_same_records(run)
    steps.record_configuration(run)
    with ray_runtime.on_demand(run.config.ray.address, run.config.ray.num_cpus) as ray:
        holder = steps.enrol(run, parts, ray)
        run = steps.represent(run)
        queries = steps.fix_queries(run)
        steps.open_account(run, queries, holder)
        steps.train(run, holder, ray)
        votes = steps.vote(run, holder, queries, ray)
        delivery = start_delivery()
        answers = steps.label(run, votes, queries)  # the door: the one place where noise is drawn
        delivery.nudge()
        student = steps.teach(run, answers)
        figures = steps.evaluate(run, student)
        steps.compare_with_truth(run, holder, votes, ray)
    publish(run, answers, figures)
    return delivery

"""Training of the ensemble: the plan is fixed, each bundle is trained at its records, the roster is frozen."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from pate.data.partition import RULE
from pate.errors import expected
from pate.features import PackedEncoder
from pate.models.dense_stack import best_strategy
from pate.teachers import BundleWeights
from pipelines.cluster.session import RaySession
from pipelines.config.experiment import Config
from pipelines.teachers.bundles import train_and_keep
from pipelines.teachers.ensemble import PLAN, ROSTER, BundleTask, Ensemble, run_bundles
from pipelines.teachers.holders import Holder
from pipelines.teachers.roster import Plan, Roster, make_bundles, require_quorum


def make_plan(config: Config, holder: Holder, session: RaySession) -> Plan:
    """Choose bundles, strategy, threads and device from the configuration and the machine."""
    device = "cuda" if config.teachers.num_gpus > 0 and session.gpus > 0 else "cpu"
    strategy = config.teachers.strategy
    if strategy == "auto":
        strategy = best_strategy(config.teachers.model.kind, device)
    slots = max(1, int(session.cpus / config.teachers.num_cpus))
    bundles, sites = make_bundles(holder.sites(), size=config.teachers.bundle_size, slots=slots)
    threads = max(1, int(config.teachers.num_cpus))
    return Plan(bundles=bundles, sites=sites, strategy=strategy, threads=threads, device=device, rule=RULE)


def train_teachers(ensemble: Ensemble, session: RaySession, encoder: PackedEncoder | None = None) -> Roster:
    """Train the bundles that are not finished yet, and freeze the roster.

    Raises:
        QuorumLost: the infrastructure lost more teachers or sites than declared; finished bundles are kept.
        InputError: some teachers were trained by a version with another assignment rule.
    """
    path = ensemble.folder / PLAN
    if not path.exists():
        make_plan(ensemble.config, ensemble.holder, session).save(path)
    plan = ensemble.plan
    if plan.rule != RULE:
        raise expected(
            "teachers whose records were all assigned by the same rule",
            "this run was started by another version of pate; start it again with --fresh",
            rule=plan.rule,
        )
    shared = None if encoder is None else session.share(encoder)
    task = BundleTask(
        name="train",
        function=train_and_keep,
        arguments=partial(_arguments, ensemble, plan, shared),
        is_done=ensemble.is_trained,
        keep=partial(_keep, ensemble),
    )
    trained = run_bundles(ensemble, task, range(len(plan.bundles)), session)
    require_quorum(ensemble.config.faults, plan, trained, doing="trained")
    lost = set(range(len(plan.bundles))) - set(trained)
    roster = Roster(
        enrolled=plan.teachers, lost=tuple(sorted(teacher for number in lost for teacher in plan.bundles[number]))
    )
    roster.save(ensemble.folder / ROSTER)
    return roster


def training_files(ensemble: Ensemble, roster: Roster) -> list[Path]:
    """List the files that a finished training leaves in this process's folder."""
    plan, lost = ensemble.plan, set(roster.lost)
    kept = [ensemble.here(number).path for number, bundle in enumerate(plan.bundles) if not lost & set(bundle)]
    hashes = [file.with_suffix(".sha256") for file in kept]
    return [*(kept if ensemble.config.sites is None else []), *hashes, ensemble.folder / PLAN, ensemble.folder / ROSTER]


def _arguments(ensemble: Ensemble, plan: Plan, encoder: Any, number: int) -> dict[str, Any]:
    """Arguments of a bundle's training: the records, or their source, of its own teachers and no others."""
    config, teachers = ensemble.config, plan.bundles[number]
    return {
        "source": ensemble.holder.source(teachers),
        "keep": ensemble.at_site(number),
        "teachers": teachers,
        "model": config.teachers.model,
        "train": config.teachers.training,
        "input_shape": ensemble.study.input_shape,
        "classes": len(ensemble.study.classes),
        "seed": config.seed,
        "device": plan.device,
        "strategy": plan.strategy,
        "encoder": encoder,
    }


def _keep(ensemble: Ensemble, number: int, result: BundleWeights | str) -> None:
    """Keep the weights of a bundle, or the hash of those that stayed at their site."""
    if isinstance(result, str):
        ensemble.here(number).record(result)
    else:
        ensemble.here(number).write(result)

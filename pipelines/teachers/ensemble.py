"""The ensemble on Ray: bundles trained where their records are, kept, and asked for votes.

The driver holds one bundle and its votes at a time. Weights of records that this process holds come back and lie in
the run's private folder; those trained at a site stay there, and the driver keeps their hashes. Votes go to disk as
they come, and into the matrix when all are there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.data import Study
from pate.data.partition import RULE
from pate.errors import expected
from pate.features import PackedEncoder
from pate.files import write_atomically
from pate.models.training import Strategy
from pate.teachers import suffix_of
from pate.votes import VoteFile
from pipelines.cluster.job import Job, Limits, Lost, Needs
from pipelines.cluster.session import RaySession
from pipelines.config.experiment import Config
from pipelines.teachers.bundles import StoredBundle, train_and_keep, votes_of
from pipelines.teachers.holders import Holder
from pipelines.teachers.roster import Plan, Roster, make_bundles, require_quorum

MLP_KINDS = ("logistic", "mlp")
PLAN, ROSTER, JOURNAL = "plan.json", "roster.json", "tasks.jsonl"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Where the teachers of a run are, and what they are.

    Attributes:
        folder: the run's private folder of teachers.
        config: the experiment.
        study: its public part is read.
        holder: of the private records.
        on_done: told how many teachers of which site are done.
    """

    folder: Path
    config: Config
    study: Study
    holder: Holder
    on_done: Callable[[int, str | None], None] = lambda teachers, place: None

    @property
    def plan(self) -> Plan:
        """The plan that was written before training."""
        return Plan(**json.loads((self.folder / PLAN).read_text()))

    def at_site(self, number: int) -> StoredBundle | None:
        """Where a bundle that is trained at a site stays there."""
        sites = self.config.sites
        if sites is None:
            return None
        return StoredBundle(path=sites.folder / f"{self.config.run_id}-{self.holder.mark}" / self._name(number))

    def here(self, number: int) -> StoredBundle:
        """Where a bundle is kept here; of one at a site, its hash alone."""
        return StoredBundle(path=self.folder / self._name(number))

    def _name(self, number: int) -> str:
        return f"bundle-{number:04d}.{suffix_of(self.config.teachers.model)}"

    def is_trained(self, number: int) -> bool:
        """Whether a bundle was finished before."""
        return self.here(number).is_whole() if self.config.sites is None else self.here(number).recorded is not None

    def needs(self, plan: Plan) -> Needs:
        """What one task takes."""
        teachers, sites = self.config.teachers, self.config.sites
        return Needs(
            num_cpus=teachers.num_cpus,
            num_gpus=teachers.num_gpus if plan.device == "cuda" else 0.0,
            threads=plan.threads,
            label="site" if sites is None else sites.label,
            incidents=None if sites is None else sites.folder,
        )

    def limits(self) -> Limits:
        """When a task is tried again and given up."""
        faults = self.config.faults
        return Limits(
            retries=faults.retries,
            seconds=faults.task_seconds,
            patience=faults.patience_seconds,
            journal=self.folder / JOURNAL,
        )


def best_strategy(kind: str, device: str) -> Strategy:
    """How a bundle of models of a kind trains fastest where the configuration does not say it.

    Measured on 2 cores: linear models and MLPs are faster fused; of a small CNN two single-threaded tasks, each with
    one model after the other, are 1.7 times as fast as two fused ones. Not measured: on a GPU everything is fused,
    since one small model keeps only a small part of it busy.
    """
    return "fused" if kind in MLP_KINDS or device == "cuda" else "sequential"


def make_plan(config: Config, holder: Holder, session: RaySession) -> Plan:
    """Choose bundles, strategy, threads and device from the configuration and the machine."""
    device = "cuda" if config.teachers.num_gpus > 0 and session.gpus > 0 else "cpu"
    strategy = config.teachers.strategy
    if strategy == "auto":
        strategy = best_strategy(config.teachers.model.kind, device)
    slots = max(1, int(session.cpus / config.teachers.num_cpus))
    bundles, places = make_bundles(holder.places(), size=config.teachers.bundle_size, slots=slots)
    threads = max(1, int(config.teachers.num_cpus))
    return Plan(bundles=bundles, places=places, strategy=strategy, threads=threads, device=device, rule=RULE)


def train_teachers(ensemble: Ensemble, session: RaySession, encoder: PackedEncoder | None = None) -> Roster:
    """Train the bundles that are not finished yet, and freeze the roster.

    Raises:
        QuorumLost: the infrastructure lost more teachers or sites than declared; finished bundles are kept.
        InputError: some teachers were trained by a version that dealt records by another rule.
    """
    path = ensemble.folder / PLAN
    if not path.exists():
        write_atomically(path, json.dumps(asdict(make_plan(ensemble.config, ensemble.holder, session))))
    plan = ensemble.plan
    if plan.rule != RULE:
        raise expected(
            "teachers that one rule dealt their records",
            "this run was begun by another version of pate; begin it anew (--fresh)",
            rule=plan.rule,
        )
    missing = [number for number in range(len(plan.bundles)) if not ensemble.is_trained(number)]
    trained = set(range(len(plan.bundles))) - set(missing)
    for number in trained:
        ensemble.on_done(len(plan.bundles[number]), plan.places[number])
    shared = None if encoder is None else session.share(encoder)
    jobs = [
        Job(
            name=_task_name("train", plan, number),
            function=train_and_keep,
            arguments=partial(_training, ensemble, plan, number, shared),
            site=plan.places[number],
            private=True,
        )
        for number in missing
    ]
    for position, result in session.try_all(jobs, ensemble.needs(plan), ensemble.limits()):
        number = missing[position]
        if isinstance(result, Lost):
            continue
        if isinstance(result, str):
            ensemble.here(number).record(result)
        else:
            ensemble.here(number).write(result)
        trained.add(number)
        ensemble.on_done(len(plan.bundles[number]), plan.places[number])
    require_quorum(ensemble.config.faults, plan, trained, doing="trained")
    lost = [teacher for number in missing if number not in trained for teacher in plan.bundles[number]]
    roster = Roster(enrolled=plan.teachers, lost=tuple(sorted(lost)))
    roster.save(ensemble.folder / ROSTER)
    return roster


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """A vote matrix on disk.

    Attributes:
        sha256: of the file.
        unreachable: teachers on the roster that no longer answered, and abstain.
    """

    sha256: str
    unreachable: int


def collect_votes(path: Path, ensemble: Ensemble, inputs: Any, session: RaySession, *, quorum: bool = True) -> Voted:
    """Write one vote of each teacher on each input, as a matrix ``[T, Q]``; who cannot be reached abstains.

    Votes lie in a folder beside the matrix as they come, so that whoever has answered is not asked again.

    Args:
        path: of the matrix.
        ensemble: who is asked.
        inputs: what they are asked about. Shape ``[Q, ...]``.
        session: where.
        quorum: whether too few are an error; not so for votes that are never released.

    Raises:
        QuorumLost: too few teachers or sites answered; nothing was released.
    """
    plan, roster, classes = ensemble.plan, Roster.load(ensemble.folder / ROSTER), len(ensemble.study.classes)
    lost = set(roster.lost)
    asked = [number for number, bundle in enumerate(plan.bundles) if not lost & set(bundle)]
    parts = path.with_name(f"{path.stem}-parts")
    parts.mkdir(exist_ok=True, mode=0o700)
    files = {number: parts / f"{number:04d}-{_recorded(ensemble, number)[:16]}.npy" for number in asked}
    waiting = [number for number in asked if not files[number].exists()]
    shared = session.share(inputs) if waiting else None
    for number in set(asked) - set(waiting):
        ensemble.on_done(len(plan.bundles[number]), plan.places[number])
    jobs = [
        Job(
            name=_task_name("vote", plan, number),
            function=votes_of,
            arguments=partial(_voting, ensemble, plan, number, shared),
            site=plan.places[number],
            private=True,
        )
        for number in waiting
    ]
    for position, votes in session.try_all(jobs, ensemble.needs(plan), ensemble.limits()):
        number = waiting[position]
        if not isinstance(votes, Lost):
            _save(files[number], votes)
            ensemble.on_done(len(plan.bundles[number]), plan.places[number])
    answered = [number for number in asked if files[number].exists()]
    if quorum:
        require_quorum(ensemble.config.faults, plan, answered, doing="voted")
    matrix = VoteFile(path, teachers=plan.teachers, queries=len(inputs), classes=classes)
    for number in answered:
        matrix.put(plan.bundles[number], np.load(files[number], allow_pickle=False))
    unreachable = plan.teachers - len(lost) - sum(len(plan.bundles[number]) for number in answered)
    return Voted(sha256=matrix.finish(), unreachable=unreachable)


def forget_parts(path: Path) -> None:
    """Remove the votes beside a matrix that is finished."""
    parts = path.with_name(f"{path.stem}-parts")
    for file in parts.iterdir() if parts.is_dir() else ():
        file.unlink()
    if parts.is_dir():
        parts.rmdir()


def outputs(ensemble: Ensemble, roster: Roster) -> list[Path]:
    """The files that a finished training leaves here."""
    plan, lost = ensemble.plan, set(roster.lost)
    kept = [ensemble.here(number).path for number, bundle in enumerate(plan.bundles) if not lost & set(bundle)]
    hashes = [file.with_suffix(".sha256") for file in kept]
    return [*(kept if ensemble.config.sites is None else []), *hashes, ensemble.folder / PLAN, ensemble.folder / ROSTER]


def places_of(ensemble: Ensemble) -> Mapping[str | None, int]:
    """How many teachers each site has."""
    places = ensemble.holder.places()
    return {place: places.count(place) for place in dict.fromkeys(places)}


def _training(ensemble: Ensemble, plan: Plan, number: int, encoder: Any) -> dict[str, Any]:
    """A task gets, or reads at its site, the records of its own teachers and no others."""
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


def _voting(ensemble: Ensemble, plan: Plan, number: int, inputs: Any) -> dict[str, Any]:
    at_site = ensemble.at_site(number)
    kept = StoredBundle(path=at_site.path, sha256=_recorded(ensemble, number)) if at_site else None
    return {
        "weights": kept or ensemble.here(number).read(),
        "inputs": inputs,
        "model": ensemble.config.teachers.model,
        "classes": len(ensemble.study.classes),
        "device": plan.device,
    }


def _recorded(ensemble: Ensemble, number: int) -> str:
    return ensemble.here(number).recorded or ""


def _save(path: Path, votes: np.ndarray[Any, Any]) -> None:
    content = BytesIO()
    np.save(content, votes, allow_pickle=False)
    write_atomically(path, content.getvalue())


def _task_name(what: str, plan: Plan, number: int) -> str:
    """``train-0007 of 40 at hospital_a``, as Ray's dashboard shows it."""
    place = plan.places[number]
    return f"{what}-{number:04d} of {len(plan.bundles)}" + ("" if place is None else f" at {place}")

"""The stages of the main recipe, one function each, in the order in which they run."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import torch

from pate.accounting import EpsilonBound
from pate.accounting.data_independent.sanitised_release import SanitisedEpsilon
from pate.accounting.events import to_dict
from pate.accounting.rounding import up
from pate.data import Partition, Study
from pate.errors import RecordsRefused, expected
from pate.features import PackedEncoder
from pate.files import write_atomically
from pate.ledger import PrivacyLedger
from pate.randomness import derive_seed
from pate.student import LabeledPool, Student
from pate.student.export import load_exported, save_exported
from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.cluster.session import OnDemand
from pipelines.cluster.tasks import Job
from pipelines.config.experiment import Config
from pipelines.data.sources import marks, place_fingerprint
from pipelines.run import benchmark, summary
from pipelines.run import features as representation
from pipelines.run import labels as campaign
from pipelines.run.evaluation import evaluate as evaluate_student
from pipelines.run.evaluation import figures_of
from pipelines.run.progress import Progress
from pipelines.run.spend_tracking import track_spend
from pipelines.run.stages import Done, run_stage
from pipelines.storage.run_folder import RunStore
from pipelines.teachers import enrolment, ensemble
from pipelines.teachers.ensemble import Ensemble
from pipelines.teachers.holders import HeldHere, Holder
from pipelines.teachers.roster import Roster
from pipelines.tracking.destination import Destination
from pipelines.tracking.process_metrics import ProcessMetrics
from pipelines.tracking.tracker import DatasetCard, Tracker

PACKAGES = ("pate", "torch", "torchvision", "ray", "mlflow", "numpy", "scipy", "opendp")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What every stage needs."""

    config: Config
    base: Path
    store: RunStore
    study: Study
    tracker: Tracker
    progress: Progress
    where: Destination
    encoder: PackedEncoder | None = None

    def stage(self, name: str, work: Callable[[], Done]) -> dict[str, Any]:
        """Do a stage once; its inputs are the configuration and the data."""
        inputs = {"config": self.config.digest(), **marks(self.study)}
        return run_stage(self.store, name, inputs, work, self.progress)

    @property
    def teachers_encoder(self) -> PackedEncoder | None:
        """Through which teachers see inputs; ``None``: they see the inputs themselves."""
        return self.encoder if self.config.teachers.see == "features" else None

    @property
    def student_encoder(self) -> PackedEncoder | None:
        """The first part of the student; ``None``: it sees the inputs themselves."""
        return self.encoder if self.config.student.see == "features" else None

    @property
    def secure(self) -> bool:
        """Whether noise comes from operating-system entropy."""
        return self.config.labelling.insecure_seeded_noise is None

    def public_marks(self) -> list[dict[str, Any]]:
        """The public sets: name, records, fingerprint."""
        found = marks(self.study)
        sizes = {"pool": len(self.study.pool), "evaluation": len(self.study.evaluation)}
        source = self.config.data.source
        return [{"name": f"{source}-{k}", "records": n, "fingerprint": found[k]} for k, n in sizes.items()]


def require_same_records(run: Run) -> None:
    """Refuse to go on with a run whose private records have changed since it began.

    Raises:
        RecordsRefused: they have; nobody is told what changed.
    """
    if run.study.private is None:
        return  # each task at a site sees to it
    mark, path = place_fingerprint(run.study.private), run.store.private / "records.txt"
    if not path.exists():
        write_atomically(path, mark)
    if path.read_text() != mark:
        raise RecordsRefused(
            f"Expected the private records of run {run.store.run_id} as when it began, got others; restore them, or "
            "start a new run under another name or seed"
        )


def record_configuration(run: Run) -> None:
    """Configuration, software and public data, for the tracker."""
    tracker = run.tracker
    settings = run.config.model_dump(mode="json", exclude={"tracking", "ray"})  # addresses are nobody else's business
    write_atomically(run.store.public / "config.json", json.dumps(settings, indent=1))
    tracker.params(Released.public(run.config.content()))
    tracker.tags(Released.public({"environment": versions()}))  # no parameter: a run may go on after an upgrade
    for row in run.public_marks():
        tracker.dataset(
            Released.public(
                DatasetCard(
                    name=row["name"],
                    fingerprint=row["fingerprint"],
                    source=run.config.data.source,
                    rows=row["records"],
                    context=row["name"].rsplit("-", 1)[-1],
                )
            )
        )


def enrol(run: Run, parts: Partition | None, ray: OnDemand) -> Holder:
    """Who holds the private records, and the private manifest: which teacher or site holds what, by hash.

    Args:
        run: the run.
        parts: the partition of records that this process holds; ``None``: the sites hold them, and are surveyed.
        ray: where the sites are.
    """
    path = run.store.private_folder("partition") / "manifest.json"

    def work() -> Done:
        if parts is None:
            ledger = PrivacyLedger(run.base / "ledger")
            try:
                journal = path.with_name(ensemble.JOURNAL)
                found = enrolment.survey_sites(run.config, run.study, ledger.key, ray.session(), journal)
            finally:
                ledger.close()
            write_atomically(path, enrolment.manifest_of(run.config, found))
        else:
            write_atomically(path, parts.manifest(run.study.held_here))
        by = run.config.partition.by
        line = f"{run.config.partition.teachers} disjoint partitions, by {by}"
        return Done(outputs=[path], note={}, line=line)

    run.stage("partition", work)
    if parts is not None:
        return HeldHere(run.study.held_here, parts)
    return enrolment.held_at_sites(run.config, run.study, path.read_text())


def represent(run: Run) -> Run:
    """The run with the encoder that its configuration asks for, made from the public pool alone."""
    mark = marks(run.study)["pool"]
    return replace(run, encoder=representation.represent(run.config, run.study, mark, run.store, run.progress))


def fix_queries(run: Run) -> Released[list[int]]:
    """The list of inputs to ask, fixed before the first vote."""

    def work() -> Done:
        path = run.store.public / "queries.json"
        queries = representation.choose_queries(run.config, run.study, run.encoder)
        write_atomically(path, json.dumps(queries.value))
        return Done(outputs=[path], note={"queries": queries.value}, line=f"{len(queries.value)} public inputs to ask")

    return Released.public(run.stage("queries", work)["queries"])


def open_account(run: Run, queries: Released[list[int]], holder: Holder) -> None:
    """Register the private data and see that the campaign is within their budget, before teachers are trained."""
    ledger = PrivacyLedger(run.base / "ledger")
    try:
        units = holder.units(ledger.key)
        account = campaign.open_account(ledger, run.config, run.study, queries.value, units)
    finally:
        ledger.close()
    run.progress.line("account", f"{account.name}: budget epsilon {account.epsilon:g} at delta {account.delta:g}")


def team(run: Run, holder: Holder) -> Ensemble:
    """The teachers of a run."""
    folder = run.store.private_folder("teachers")
    return Ensemble(folder=folder, config=run.config, study=run.study, holder=holder)


def train(run: Run, holder: Holder, ray: OnDemand) -> None:
    """Train the teachers, each on its own records, and freeze the roster."""
    teachers = team(run, holder)

    def work() -> Done:
        totals = ensemble.places_of(teachers)
        with run.tracker.phase("teachers") as tracker, run.progress.bars("teachers", totals) as on_done:
            roster = ensemble.train_teachers(
                replace(teachers, on_done=on_done), ray.session(), encoder=run.teachers_encoder
            )
            found = Released.public({"teachers_enrolled": roster.enrolled, "teachers_lost": len(roster.lost)})
            tracker.metrics(found)
            run.tracker.metrics(found)
        line = f"{roster.enrolled - len(roster.lost)} teachers trained"
        if roster.lost:
            line += f", {len(roster.lost)} lost to infrastructure: they abstain"
        return Done(outputs=ensemble.outputs(teachers, roster), note={}, line=line)

    run.stage("teachers", work)


def teachers_lost(run: Run) -> int:
    """Teachers that the infrastructure lost before the roster was frozen."""
    return len(Roster.load(run.store.private_folder("teachers") / ensemble.ROSTER).lost)


def vote(run: Run, holder: Holder, queries: Released[list[int]], ray: OnDemand) -> VoteMatrix:
    """Collect one vote of each teacher on each query; persisted before the first answer, never recomputed."""
    path = run.store.private_folder("votes") / "votes.npy"
    teachers = team(run, holder)

    def work() -> Done:
        inputs = representation.seen(run.study.pool.inputs[queries.value], run.teachers_encoder)
        with run.progress.bars("votes", ensemble.places_of(teachers)) as on_done:
            voted = ensemble.collect_votes(path, replace(teachers, on_done=on_done), inputs, ray.session())
        line = f"{run.config.partition.teachers} teachers asked about {len(inputs)} inputs"
        if voted.unreachable:
            line += f", {voted.unreachable} could no longer be reached: they abstain"
        return Done(outputs=[path], note={"sha256": voted.sha256}, line=line)

    note = run.stage("votes", work)
    ensemble.forget_parts(path)
    return VoteMatrix.load(path, len(run.study.classes), note["sha256"])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What the labelling stage made public."""

    labels: campaign.Labels
    asked: int
    answered: int
    refused: int
    event: dict[str, Any]
    charges: list[dict[str, Any]]
    spend: list[dict[str, float]]
    cost: EpsilonBound
    total: EpsilonBound
    ledger: str
    sanitised: SanitisedEpsilon | None
    left: float | None


def label(run: Run, votes: VoteMatrix, queries: Released[list[int]]) -> Released[Campaign]:
    """Charge the labels, draw noise, release labels."""
    path = run.store.public / "labels.json"

    def work() -> Done:
        ledger = PrivacyLedger(run.base / "ledger")
        try:
            answers = campaign.label(ledger, run.config, run.study, votes, queries.value, run.progress)
            name = campaign.account_of(run.config, run.study).name
            head, charged, left = ledger.head(), ledger.events(name), ledger.left(name)
        finally:
            ledger.close()
        campaign.write_labels(path, queries, answers, run.study.classes)
        track_spend(run.tracker, run.config, answers)
        content = answers.value
        note = {
            "asked": content.asked,
            "answered": content.answered,
            "refused": content.refused,
            "event": to_dict(content.event if content.event == run.config.campaign_event() else charged),
            "charges": [to_dict(event) for event in charged.events],
            "spend": campaign.spend_curve(run.config, answers).value,
            "cost": asdict(campaign.cost_of(run.config, answers).value),
            "total": asdict(content.total),
            "left": left,
            "ledger": str(head),
            "sanitised": None if content.figure is None else asdict(content.figure.epsilon(content.total.delta)),
        }
        cost = campaign.cost_of(run.config, answers).value
        line = (
            f"{content.asked} asked, {content.answered} answered, epsilon {up(cost.epsilon)} at delta {cost.delta:g} "
            f"({cost.accountant})"
        )
        return Done(outputs=[path], note=note, line=line)

    note = run.stage("labels", work)
    return Released.public(
        Campaign(
            labels=campaign.read_labels(path),
            asked=note["asked"],
            answered=note["answered"],
            refused=note["refused"],
            event=note["event"],
            charges=note["charges"],
            spend=note["spend"],
            cost=EpsilonBound(**note["cost"]) if "cost" in note else run.config.campaign_epsilon(),
            total=EpsilonBound(**note["total"]),
            ledger=note["ledger"],
            sanitised=None if note.get("sanitised") is None else SanitisedEpsilon(**note["sanitised"]),
            left=note.get("left"),
        )
    )


def teach(run: Run, released: Released[Campaign]) -> Released[Student]:
    """Train the student on the released labels and the rest of the pool."""
    folder = run.store.public_folder("student")

    def work() -> Done:
        pool = run.study.pool
        labels_M = released.value.labels.over_pool(len(pool))
        if not (labels_M >= 0).any():
            raise expected("at least one answered query", "lower the threshold or ask more queries", answered=0)
        learner, classes = run.config.student.build(), len(run.study.classes)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.set_num_threads(run.config.student.threads)
        updates = run.config.student.updates(int((labels_M >= 0).sum()))
        measured = run.config.tracking.system_metrics
        with (
            run.tracker.phase("student") as tracker,
            ProcessMetrics(tracker) if measured else nullcontext(),
            run.progress.bar("student", updates) as on_done,
        ):
            seen = 0

            def on_progress(point: Any) -> None:
                nonlocal seen
                on_done(point.step - seen)
                seen = point.step
                curve = {k: v for k, v in asdict(point).items() if k != "step" and v is not None}
                tracker.metrics(Released.public({f"student_{k}": v for k, v in curve.items()}), step=point.step)

            encoder = run.student_encoder
            student = learner.fit(
                LabeledPool.of(representation.seen(pool.inputs, encoder), labels_M, classes),
                seed=derive_seed(run.config.seed, "student"),
                device=device,
                on_progress=on_progress,
                start=run.encoder.open() if run.encoder and run.config.student.start == "features" else None,
            )
        if encoder is not None:
            student = student.behind(encoder.open(), run.study.input_shape)
        example = Released.public(pool.inputs[:8])
        save_exported(Released.public(student.network), example, folder)
        line = f"{run.config.student.learner} on {int((labels_M >= 0).sum())} labels and {len(pool)} public inputs"
        return Done(outputs=sorted(folder.iterdir()), note={}, line=line)

    run.stage("student", work)
    return Released.public(
        Student(
            network=load_exported(folder),
            classes=len(run.study.classes),
            input_shape=run.study.input_shape,
            curve=(),
        )
    )


def evaluate(run: Run, student: Released[Student]) -> Released[dict[str, float]]:
    """The student's figures on the public evaluation set, used here and nowhere else."""

    def work() -> Done:
        content = evaluate_student(student, run.study.evaluation)
        path = run.store.public / "evaluation.json"
        write_atomically(path, json.dumps(content.value, indent=1))
        figures = figures_of(content).value
        return Done(outputs=[path], note=figures, line=f"student {figures['student_accuracy']:.1%} right")

    figures: Released[dict[str, float]] = Released.public(run.stage("evaluation", work))
    run.tracker.metrics(figures)
    return figures


def compare_with_truth(run: Run, holder: Holder, votes: VoteMatrix, ray: OnDemand) -> None:
    """On a public benchmark: label, single-teacher and pooled accuracy, for the terminal and the results table."""
    truth = run.study.benchmark
    if truth is None:
        return

    def work() -> Done:
        study, config = run.study, run.config
        evaluation = study.evaluation
        inputs = representation.seen(evaluation.inputs, run.teachers_encoder)
        file = run.store.private_folder("votes") / "evaluation.npy"
        teachers = team(run, holder)
        with run.progress.bars("benchmark", ensemble.places_of(teachers)) as on_done:
            voted = ensemble.collect_votes(
                file, replace(teachers, on_done=on_done), inputs, ray.session(), quorum=False
            )
        ensemble.forget_parts(file)
        seen = VoteMatrix.load(file, len(study.classes), voted.sha256)
        pooled = Job(
            name="pooled",
            function=benchmark.train_pooled,
            arguments={
                "inputs": study.held_here.features,
                "labels": study.held_here.labels_N,
                "evaluation": evaluation,
                "config": config,
                "classes": len(study.classes),
                "encoder": run.student_encoder,
            },
        )
        ((_, alone),) = ray.session().run([pooled], num_cpus=1)
        labels = campaign.read_labels(run.store.public / "labels.json")
        figures = benchmark.measure(truth.source, config, study, labels, votes, seen, alone)
        path = summary.benchmark_file(run.store)
        benchmark.save(path, figures)
        return Done(outputs=[path], note={}, line=f"compared with the truth of {truth.source.name}")

    run.stage("benchmark", work)


def versions() -> dict[str, str]:
    """Versions of the software that the guarantee rests on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}

"""The last stage: the privacy report, the candidate student, the summary."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from pate.accounting.events import from_dict
from pate.report import PrivacyReport, to_html, to_json
from pate.values import Released
from pipelines import summary
from pipelines.stages import Done
from pipelines.steps import Campaign, Run, versions
from pipelines.store import write_atomically
from pipelines.tracking import ModelCard

TUNING = (
    "Settings were fixed in the configuration before the first vote. The evaluation set was used once, at the end; "
    "the student saw public inputs and released labels only."
)


def publish(run: Run, released: Released[Campaign], accuracy: Released[float]) -> None:
    """Write the report and the summary, and record the student as a candidate unless its noise was insecure."""
    html, plain = run.store.public / "report.html", run.store.public / "report.json"

    def work() -> Done:
        content = Released.public(_report(run, released.value, accuracy.value))
        write_atomically(html, to_html(content))
        write_atomically(plain, to_json(content))
        return Done(outputs=[html, plain], note={}, line="privacy report written")

    run.stage("report", work)
    for path in (html, plain, run.store.public / "labels.json"):
        run.tracker.artifact(Released.public(path.name))
    run.tracker.tags(Released.public(_tags(run, released.value)))
    if run.secure:
        run.tracker.model(Released.public("student"), Released.public(_model_card(run, released.value)))
    summary.save(run.store, Released.public(_facts(run, released.value, accuracy.value)))


def _report(run: Run, campaign: Campaign, accuracy: float) -> PrivacyReport:
    config, mechanism = run.config, run.config.labelling.mechanism
    spec = config.student.spec
    return PrivacyReport(
        run_id=config.run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        data_id=config.data.data_id,
        benchmark=run.study.benchmark is not None,
        secure_noise=run.secure,
        unit=config.privacy.unit,
        mechanism=mechanism.model_dump(mode="json"),
        event=from_dict(campaign.event),
        campaign=campaign.cost,
        total=campaign.total,
        budget=config.privacy.epsilon,
        teachers_enrolled=config.partition.teachers,
        teachers_lost=0,
        pool=len(run.study.pool),
        asked=campaign.asked,
        answered=campaign.answered,
        refused=campaign.refused,
        student={
            "learner": config.student.learner,
            "network": spec.model.kind,
            "accuracy on the evaluation set": f"{accuracy:.1%} of {len(run.study.evaluation)} records",
        },
        public_data=[dict(row) for row in run.public_marks()],
        tuning=TUNING,
        versions=versions(),
    )


def _tags(run: Run, campaign: Campaign) -> dict[str, object]:
    return {
        "epsilon": campaign.cost.epsilon,
        "delta": campaign.cost.delta,
        "accountant": campaign.cost.accountant,
        "privacy_unit": run.config.privacy.unit,
        "benchmark": run.study.benchmark is not None,
    }


def _model_card(run: Run, campaign: Campaign) -> ModelCard:
    config = run.config
    return ModelCard(
        name=config.tracking.registered_model or f"pate-{config.name}",
        epsilon=campaign.cost.epsilon,
        delta=campaign.cost.delta,
        privacy_unit=config.privacy.unit,
        accountant=campaign.cost.accountant,
        benchmark=None if run.study.benchmark is None else run.study.benchmark.source.name,
        insecure=not run.secure,
        ledger=campaign.ledger,
    )


def _facts(run: Run, campaign: Campaign, accuracy: float) -> dict[str, object]:
    config = run.config
    cost = asdict(campaign.cost)
    return {
        "run_id": config.run_id,
        "config": config.name,
        "seed": config.seed,
        "teachers": config.partition.teachers,
        "asked": campaign.asked,
        "answered": campaign.answered,
        "refused": campaign.refused,
        **{name: cost[name] for name in ("epsilon", "delta", "accountant")},
        "unit": config.privacy.unit,
        "budget": config.privacy.epsilon,
        "student_accuracy": accuracy,
        "evaluation_records": len(run.study.evaluation),
        "secure_noise": run.secure,
        "report": str(run.store.public / "report.html"),
        "tracking": run.where.shown,
    }

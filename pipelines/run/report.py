"""The last stage: the privacy report, the candidate student, the summary."""

from __future__ import annotations

from dataclasses import asdict

from pate.files import write_atomically
from pate.report import to_html, to_json
from pate.student.export import read_spec
from pate.values import Released
from pipelines.run import summary
from pipelines.run.evaluation import hides_a_class
from pipelines.run.model_card import CARD_FILE, card_text
from pipelines.run.report_facts import report_of
from pipelines.run.stages import Done
from pipelines.run.steps import Campaign, Run, teachers_lost
from pipelines.tracking.tracker import DESCRIPTION_TAG, Evaluation, ModelCard


def publish(run: Run, released: Released[Campaign], figures: Released[dict[str, float]]) -> None:
    """Write the report and the summary, and record the student as a candidate unless its noise was insecure."""
    html, plain = run.store.public / "report.html", run.store.public / "report.json"
    card = run.store.public / CARD_FILE

    def work() -> Done:
        content = Released.public(report_of(run, released.value))
        write_atomically(html, to_html(content))
        write_atomically(plain, to_json(content))
        write_atomically(card, _card_text(run, released.value, figures.value))
        return Done(outputs=[html, plain, card], note={}, line="privacy report and model card written")

    run.stage("report", work)
    for path in (html, plain, card, run.store.public / "labels.json"):
        run.tracker.artifact(Released.public(path.name))
    run.tracker.tags(Released.public(_tags(run, released.value)))
    run.tracker.metrics(Released.public(_sanitised_metrics(released.value)))
    description = card.read_text(encoding="utf-8")
    run.tracker.tags(Released.public({DESCRIPTION_TAG: description}))
    if run.secure:
        model_card = _model_card(run, released.value, description)
        run.tracker.model(
            Released.public("student"), Released.public(model_card), Released.public(_evaluation(run, figures.value))
        )
    summary.save(run.store, Released.public(_facts(run, released.value, figures.value)))


def _tags(run: Run, campaign: Campaign) -> dict[str, object]:
    return {
        "epsilon": campaign.cost.epsilon,
        "delta": campaign.cost.delta,
        "accountant": campaign.cost.accountant,
        "privacy_unit": run.config.privacy.unit,
        "benchmark": run.study.benchmark is not None,
        "data_id": run.config.data.data_id,
    }


def _card_text(run: Run, campaign: Campaign, figures: dict[str, float]) -> str:
    benchmark = run.study.benchmark
    return card_text(
        run.config,
        read_spec(run.store.public / "student"),
        classes=run.study.classes,
        cost=campaign.cost,
        counts={"asked": campaign.asked, "answered": campaign.answered, "refused": campaign.refused},
        figures=figures,
        evaluation_records=len(run.study.evaluation),
        public_data=run.public_marks(),
        benchmark=None if benchmark is None else benchmark.source.name,
        secure=run.secure,
    )


def _evaluation(run: Run, figures: dict[str, float]) -> Evaluation:
    """The figures with the set that they were measured on, as ``record_configuration`` named it."""
    (used,) = (row for row in run.public_marks() if row["name"].endswith("-evaluation"))
    return Evaluation(dataset=used["name"], fingerprint=used["fingerprint"], figures=figures)


def _model_card(run: Run, campaign: Campaign, description: str) -> ModelCard:
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
        description=description,
    )


def _sanitised_metrics(campaign: Campaign) -> dict[str, float]:
    shown = campaign.sanitised
    if shown is None:
        return {}
    return {
        "epsilon_sanitised": shown.epsilon,
        "epsilon_sanitised_standard_deviation": shown.standard_deviation,
        "epsilon_sanitised_upper": shown.upper,
    }


def _facts(run: Run, campaign: Campaign, figures: dict[str, float]) -> dict[str, object]:
    config = run.config
    cost = asdict(campaign.cost)
    return {
        "run_id": config.run_id,
        "config": config.name,
        "seed": config.seed,
        "teachers": config.partition.teachers,
        "teachers_lost": teachers_lost(run),
        "asked": campaign.asked,
        "answered": campaign.answered,
        "refused": campaign.refused,
        **{name: cost[name] for name in ("epsilon", "delta", "accountant")},
        "sanitised": None if campaign.sanitised is None else asdict(campaign.sanitised),
        "unit": config.privacy.unit,
        "budget": config.privacy.epsilon,
        **figures,
        "rare_class": hides_a_class(run.study.evaluation, len(run.study.classes)),
        "evaluation_records": len(run.study.evaluation),
        "secure_noise": run.secure,
        "report": str(run.store.public / "report.html"),
        "tracking": run.where.shown,
    }

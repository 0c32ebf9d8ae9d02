"""Stage ``report``: the privacy report, the model card, the candidate student and the summary."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pate.files import write_atomically
from pate.report import to_html, to_json
from pate.student.export import read_spec
from pate.values import Released
from pipelines.outcome import summary
from pipelines.outcome.campaign import Campaign
from pipelines.outcome.metrics import hides_a_class
from pipelines.outcome.model_card import card_text, registered_name
from pipelines.run.context import Run
from pipelines.run.report_facts import report_of, student_facts_of
from pipelines.run.stages import Done
from pipelines.run.teachers import teachers_lost
from pipelines.tracking.tracker import DESCRIPTION_TAG, Evaluation, ModelCard


def report(run: Run, released: Released[Campaign], metrics: Released[dict[str, float]]) -> None:
    """Write the report and the summary, and record the student as a candidate unless its noise was insecure."""
    folder, tracker, campaign = run.folder, run.tracker, released.value

    def work() -> Done:
        content = Released.public(report_of(run, campaign))
        write_atomically(folder.report_html, to_html(content))
        plain = to_json(content)
        write_atomically(folder.report_json, plain)
        write_atomically(folder.model_card, _card_text(run, campaign, metrics.value, json.loads(plain)["meaning"]))
        outputs = [folder.report_html, folder.report_json, folder.model_card]
        return Done(outputs=outputs, note={}, line="privacy report and model card written")

    run.stage("report", work)
    for path in (folder.report_html, folder.report_json, folder.model_card, folder.labels_file):
        tracker.artifact(Released.public(path.name))
    tracker.tags(Released.public(_tags(run, campaign)))
    tracker.metrics(Released.public(_sanitised_metrics(campaign)))
    description = folder.model_card.read_text(encoding="utf-8")
    tracker.tags(Released.public({DESCRIPTION_TAG: description}))
    if run.secure:
        card = Released.public(_model_card(run, campaign, description))
        tracker.model(Released.public("student"), card, Released.public(_evaluation(run, metrics.value)))
    summary.save(folder, Released.public(_facts(run, campaign, metrics.value)))


def _tags(run: Run, campaign: Campaign) -> dict[str, object]:
    return {
        "epsilon": campaign.cost.epsilon,
        "delta": campaign.cost.delta,
        "accountant": campaign.cost.accountant,
        "privacy_unit": run.config.privacy.unit,
        "benchmark": run.study.benchmark is not None,
        "data_id": run.config.data.data_id,
    }


def _card_text(run: Run, campaign: Campaign, metrics: dict[str, float], meaning: dict[str, Any]) -> str:
    benchmark = run.study.benchmark
    return card_text(
        run.config,
        read_spec(run.folder.student),
        classes=run.study.classes,
        cost=campaign.cost,
        meaning=meaning,
        counts={"asked": campaign.asked, "answered": campaign.answered, "refused": campaign.refused},
        figures=metrics,
        student=student_facts_of(run),
        evaluation_records=len(run.study.evaluation),
        public_data=run.public_sets(),
        benchmark=None if benchmark is None else benchmark.source.name,
        secure=run.secure,
    )


def _evaluation(run: Run, metrics: dict[str, float]) -> Evaluation:
    """The metrics with their evaluation set, as named by ``record_configuration``."""
    (used,) = (row for row in run.public_sets() if row["name"] == run.evaluation_set)
    return Evaluation(dataset=used["name"], fingerprint=used["fingerprint"], metrics=metrics)


def _model_card(run: Run, campaign: Campaign, description: str) -> ModelCard:
    config = run.config
    return ModelCard(
        name=registered_name(config),
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


def _facts(run: Run, campaign: Campaign, metrics: dict[str, float]) -> dict[str, object]:
    config = run.config
    cost = asdict(campaign.cost)
    return {
        "run_id": config.run_id,
        "config": config.name,
        "seed": config.seed,
        "teachers": config.partition.teachers,
        "teachers_lost": teachers_lost(run),
        **({"votes_given": True} if config.votes_are_given else {}),
        "asked": campaign.asked,
        "answered": campaign.answered,
        "refused": campaign.refused,
        **{name: cost[name] for name in ("epsilon", "delta", "accountant")},
        "sanitised": None if campaign.sanitised is None else asdict(campaign.sanitised),
        "unit": config.privacy.unit,
        "budget": config.privacy.epsilon,
        **metrics,
        **student_facts_of(run),
        "rare_class": hides_a_class(run.study.evaluation, len(run.study.classes)),
        "evaluation_records": len(run.study.evaluation),
        "secure_noise": run.secure,
        "report": str(run.folder.report_html),
        "tracking": run.where.shown,
    }

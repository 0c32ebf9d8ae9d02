"""Stage ``evaluation``: the student's metrics on the public evaluation set, used only here."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pate.data import EvaluationSet
from pate.files import write_atomically
from pate.student import Student, evaluate
from pate.student.metrics import class_metrics
from pate.values import Released, released_value
from pipelines.outcome.metrics import metrics_of
from pipelines.run.context import Run
from pipelines.run.stages import Done

SEED = 0
"""Seed of the resamples behind intervals; the same for every run, so that intervals cannot be selected by redrawing."""


def evaluation(run: Run, student: Released[Student]) -> Released[dict[str, float]]:
    """Evaluate the student, keep and track its metrics."""
    path = run.folder.evaluation_file

    def work() -> Done:
        content = measure(student, run.study.evaluation)
        write_atomically(path, json.dumps(content.value, indent=1))
        found = metrics_of(content).value
        return Done(outputs=[path], note=found, line=f"student accuracy {found['student_accuracy']:.1%}")

    metrics: Released[dict[str, float]] = Released.public(run.stage("evaluation", work))
    run.tracker.metrics(metrics)
    return metrics


def measure(student: Released[Student], evaluation: EvaluationSet) -> Released[dict[str, Any]]:
    """The content of ``evaluation.json``; intervals are over units where the set has any."""
    judged = released_value(student)
    result = evaluate(judged, evaluation.inputs, evaluation.labels_E)
    proba_EC = judged.predict_proba(evaluation.inputs)
    measured = class_metrics(proba_EC, evaluation.labels_E, seed=SEED, units_E=evaluation.units_E)
    content = {
        **asdict(result),
        "metrics": asdict(measured),
        "intervals_over": "records" if evaluation.units_E is None else "units",
    }
    return Released.public(content)

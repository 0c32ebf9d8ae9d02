"""Stage ``evaluation``: the student's metrics on the public evaluation set, used only here.

Alarms beside them come from the released labels and the public pool alone (``pate.student.check``).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from pate.data import EvaluationSet
from pate.files import write_atomically
from pate.student import LabeledPool, Student, evaluate
from pate.student.check import check_student
from pate.student.metrics import class_metrics
from pate.values import Released, released_value
from pipelines.outcome.campaign import read_labels
from pipelines.outcome.metrics import metrics_of, worst_class
from pipelines.run.context import Run
from pipelines.run.stages import Done

SEED = 0
"""Seed of the resamples behind intervals; the same for every run, so that intervals cannot be selected by redrawing."""


def evaluation(run: Run, student: Released[Student]) -> Released[dict[str, float]]:
    """Evaluate the student, keep and track its metrics."""
    path = run.folder.evaluation_file

    def work() -> Done:
        checked = check(run, student)
        content = measure(student, run.study.evaluation).map(lambda own: {**own, "check": checked.value})
        write_atomically(path, json.dumps(content.value, indent=1))
        found = metrics_of(content).value
        line = f"student accuracy {found['student_accuracy']:.1%}, of its worst class {worst_class(found)}"
        return Done(outputs=[path], note=found, line=line)

    metrics: Released[dict[str, float]] = Released.public(run.stage("evaluation", work))
    run.tracker.metrics(metrics)
    return metrics


def check(run: Run, student: Released[Student]) -> Released[dict[str, Any]]:
    """Problems of the student that the released labels and the public pool show, as plain JSON."""
    queries_Q, labels_Q = read_labels(run.folder.labels_file)
    labels_M = np.full(len(run.study.pool), -1, dtype=np.int64)
    labels_M[queries_Q] = np.maximum(labels_Q, -1)
    pool = LabeledPool.of(run.study.pool.inputs, labels_M, len(run.study.classes))
    return Released.public(check_student(released_value(student), pool).to_dict(run.study.classes))


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

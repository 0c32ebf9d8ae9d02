"""The student's figures on the public evaluation set: what is kept, tracked and shown, with 95% intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from pate.data import EvaluationSet
from pate.student import Student
from pate.student import evaluate as evaluate_student
from pate.student.metrics import class_metrics
from pate.values import Released, released_value

SEED = 0
"""Of the resamples behind intervals; the same for every run, so that nobody can draw until an interval pleases."""
RARE = 0.5
"""A class counts as rare below this part of an even share."""


def evaluate(student: Released[Student], evaluation: EvaluationSet) -> Released[dict[str, Any]]:
    """Everything that ``evaluation.json`` says; intervals are over units where the set has any."""
    judged = released_value(student)
    result = evaluate_student(judged, evaluation.inputs, evaluation.labels_E)
    proba_EC = judged.predict_proba(evaluation.inputs)
    measured = class_metrics(proba_EC, evaluation.labels_E, seed=SEED, units_E=evaluation.units_E)
    content = {
        **asdict(result),
        "metrics": asdict(measured),
        "intervals_over": "records" if evaluation.units_E is None else "units",
    }
    return Released.public(content)


def hides_a_class(evaluation: EvaluationSet, classes: int) -> bool:
    """Whether a class is so rare that accuracy says little about it."""
    counts_C = np.bincount(evaluation.labels_E, minlength=classes)
    return bool(counts_C.min() < RARE * counts_C.sum() / classes)


def figures_of(content: Released[dict[str, Any]]) -> Released[dict[str, float]]:
    """The numbers that trackers take, by name; an end of an interval is left out where there is none."""
    figures = {"student_log_loss": content.value["log_loss"]}
    for name, found in content.value["metrics"].items():
        if isinstance(found, Mapping):
            ends = {"": found["value"], "_low": found["low"], "_high": found["high"]}
            figures |= {f"student_{name}{end}": value for end, value in ends.items() if value is not None}
    return Released.public(figures)


def words(facts: Mapping[str, Any], *, strong: str = "", what: str = "") -> str:
    """Accuracy and, for two classes or a rare one, AUROC and balanced accuracy, with intervals.

    Args:
        facts: of a summary; one of an older run may lack all but accuracy.
        strong: put around the accuracy, such as ``**``.
        what: the records are, after their number.
    """
    accuracy = f"{strong}{facts['student_accuracy']:.1%}{strong}{_ends(facts, 'accuracy', 100, 1)}"
    parts = [f"{accuracy} of {facts['evaluation_records']}{what}"]
    if "student_auroc" in facts:
        parts.append(f"AUROC {facts['student_auroc']:.3f}{_ends(facts, 'auroc', 1, 3)}")
    if "student_balanced_accuracy" in facts and ("student_auroc" in facts or facts.get("rare_class")):
        parts.append(f"balanced {facts['student_balanced_accuracy']:.1%}{_ends(facts, 'balanced_accuracy', 100, 1)}")
    return ", ".join(parts)


def _ends(facts: Mapping[str, Any], name: str, factor: float, digits: int) -> str:
    low, high = (facts.get(f"student_{name}_{end}") for end in ("low", "high"))
    return "" if low is None or high is None else f" [{low * factor:.{digits}f}, {high * factor:.{digits}f}]"

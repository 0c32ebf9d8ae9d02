"""The student's metrics on the public evaluation set: names for trackers, and words with 95% intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pate.data import EvaluationSet
from pate.values import Released

RARE = 0.5
"""A class is rare below this fraction of an equal share."""


def hides_a_class(evaluation: EvaluationSet, classes: int) -> bool:
    """True if a class is so rare that accuracy is uninformative about it."""
    counts_C = np.bincount(evaluation.labels_E, minlength=classes)
    return bool(counts_C.min() < RARE * counts_C.sum() / classes)


def metrics_of(content: Released[dict[str, Any]]) -> Released[dict[str, float]]:
    """Numeric metrics for trackers, by name; undefined ends of intervals are left out."""
    metrics = {"student_log_loss": content.value["log_loss"]}
    for name, found in content.value["metrics"].items():
        if isinstance(found, Mapping):
            ends = {"": found["value"], "_low": found["low"], "_high": found["high"]}
            metrics |= {f"student_{name}{end}": value for end, value in ends.items() if value is not None}
    return Released.public(metrics)


def words(facts: Mapping[str, Any], *, strong: str = "", what: str = "") -> str:
    """Accuracy and, for two classes or a rare one, AUROC and balanced accuracy, with intervals.

    Args:
        facts: of a summary; one of an older run may lack all but accuracy.
        strong: markup around the accuracy, such as ``**``.
        what: noun after the number of records.
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

"""The student's metrics on the public evaluation set: names for trackers, and words with 95% intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pate.data import EvaluationSet
from pate.values import Released

CLASS_METRIC = "student_accuracy_class_"
"""Name of the accuracy of one class, before the class's number."""
MOST_ALARMS = 8
"""Alarms that are shown to people, one a class."""
MOST_CLASSES = 50
"""Classes up to which each has a metric of its own."""
RARE = 0.5
"""A class is rare below this fraction of an equal share."""


def hides_a_class(evaluation: EvaluationSet, classes: int) -> bool:
    """True if a class is so rare that accuracy is uninformative about it."""
    counts_C = np.bincount(evaluation.labels_E, minlength=classes)
    return bool(counts_C.min() < RARE * counts_C.sum() / classes)


def metrics_of(content: Released[dict[str, Any]]) -> Released[dict[str, float]]:
    """Numeric metrics for trackers, by name; undefined ends of intervals are left out."""
    metrics = {"student_log_loss": content.value["log_loss"], **_of_classes(content.value)}
    for name, found in content.value["metrics"].items():
        if isinstance(found, Mapping):
            ends = {"": found["value"], "_low": found["low"], "_high": found["high"]}
            metrics |= {f"student_{name}{end}": value for end, value in ends.items() if value is not None}
    return Released.public(metrics)


def _of_classes(content: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy by class, of the worst one and of the constant answer; problems found on the pool, where checked."""
    of_class = {number: own for number, own in enumerate(content["class_accuracy"]) if not math.isnan(own)}
    counts = content["metrics"]["counts"]
    metrics = {
        "student_worst_class_accuracy": min(of_class.values()),
        "student_majority_share": max(counts) / sum(counts),
    }
    if len(content["class_accuracy"]) <= MOST_CLASSES:
        metrics |= {f"{CLASS_METRIC}{number}": own for number, own in of_class.items()}
    if "check" in content:
        classes = content["check"]["classes"]
        metrics["student_classes_never_predicted"] = float(sum(own["predicted"] == 0 for own in classes))
        metrics["student_alarms"] = float(len(content["check"]["alarms"]))
    return metrics


def student_facts(content: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Facts of a summary that are no numbers: accuracy by class, and the alarms.

    Args:
        content: of ``evaluation.json``; one of an older run has no check.
        classes: their names, in order.
    """
    counts, of_class = content["metrics"]["counts"], content["class_accuracy"]
    rows = [
        {"class": name, "records": count, "accuracy": None if math.isnan(own) else own}
        for name, count, own in zip(classes, counts, of_class, strict=True)
    ]
    check = content.get("check")
    return {"student_by_class": rows} | ({} if check is None else {"student_check": check})


def alarms_of(facts: Mapping[str, Any]) -> list[str]:
    """The alarms of a summary for people, the first of many; none for one of an older run."""
    alarms: list[str] = facts.get("student_check", {}).get("alarms", [])
    left = len(alarms) - MOST_ALARMS
    return [*alarms[:MOST_ALARMS], *([f"{left} more classes likewise (evaluation.json)"] if left > 0 else [])]


def worst_class(metrics: Mapping[str, Any]) -> str:
    """Accuracy of the class that is predicted worst, in words."""
    return f"{metrics['student_worst_class_accuracy']:.1%}"


def words(facts: Mapping[str, Any], *, strong: str = "", what: str = "") -> str:
    """Accuracy and the majority's share; for two classes or a rare one AUROC and balanced accuracy, with intervals.

    Args:
        facts: of a summary; one of an older run may lack all but accuracy.
        strong: markup around the accuracy, such as ``**``.
        what: noun after the number of records.
    """
    accuracy = f"{strong}{facts['student_accuracy']:.1%}{strong}{_ends(facts, 'accuracy', 100, 1)}"
    parts = [f"{accuracy} of {facts['evaluation_records']}{what}"]
    if "student_majority_share" in facts:
        parts.append(f"largest class {facts['student_majority_share']:.1%}")
    if "student_auroc" in facts:
        parts.append(f"AUROC {facts['student_auroc']:.3f}{_ends(facts, 'auroc', 1, 3)}")
    if "student_balanced_accuracy" in facts and ("student_auroc" in facts or facts.get("rare_class")):
        parts.append(f"balanced {facts['student_balanced_accuracy']:.1%}{_ends(facts, 'balanced_accuracy', 100, 1)}")
    return ", ".join(parts)


def _ends(facts: Mapping[str, Any], name: str, factor: float, digits: int) -> str:
    low, high = (facts.get(f"student_{name}_{end}") for end in ("low", "high"))
    return "" if low is None or high is None else f" [{low * factor:.{digits}f}, {high * factor:.{digits}f}]"

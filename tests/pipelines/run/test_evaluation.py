"""What is said about a student: with intervals, and with what accuracy hides where it hides something."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from pate.data import EvaluationSet
from pate.errors import PrivacyViolation
from pate.student import Student
from pate.student.check import check_predictions
from pate.student.metrics import class_metrics
from pate.values import Private, Released
from pipelines.outcome.metrics import MOST_CLASSES, hides_a_class, metrics_of, student_facts, words
from pipelines.run.evaluation import SEED, measure

ROWS = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)


class Scores(nn.Module):
    """The first numbers of an input as logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, : self.classes]


def student(classes: int) -> Released[Student]:
    return Released.public(Student(network=Scores(classes), classes=classes, input_shape=(3,), curve=()))


def labelled(classes: int, units: bool = False) -> EvaluationSet:
    rng = np.random.default_rng(1)
    labels = (ROWS[:, :classes] + rng.normal(size=(120, classes))).argmax(axis=1)
    ids = np.array([f"u{number // 4}" for number in range(120)]) if units else None
    return EvaluationSet(inputs=ROWS, labels_E=labels, units_E=ids)


@pytest.mark.parametrize("units", [False, True])
def test_figures_are_those_of_the_library_with_a_public_seed(units: bool) -> None:
    held = labelled(2, units)
    content = measure(student(2), held)
    figures = metrics_of(content).value
    measured = class_metrics(student(2).value.predict_proba(ROWS), held.labels_E, seed=SEED, units_E=held.units_E)
    assert measured.auroc is not None
    assert figures["student_accuracy"] == content.value["accuracy"] == measured.accuracy.value
    assert figures["student_auroc_low"] == measured.auroc.low
    assert figures["student_balanced_accuracy_high"] == measured.balanced_accuracy.high
    assert content.value["intervals_over"] == ("units" if units else "records")
    by_class = {f"student_accuracy_class_{number}": own for number, own in enumerate(content.value["class_accuracy"])}
    assert {name: figures[name] for name in by_class} == by_class
    assert figures["student_worst_class_accuracy"] == min(by_class.values())
    assert figures["student_majority_share"] == np.bincount(held.labels_E).max() / 120
    known = {"student_log_loss", "student_worst_class_accuracy", "student_majority_share", *by_class}
    assert set(figures) == known | {
        f"student_{name}{end}" for name in ("accuracy", "balanced_accuracy", "auroc") for end in ("", "_low", "_high")
    }
    assert metrics_of(Released.public(json.loads(json.dumps(content.value)))).value == figures


def test_figures_that_are_not_defined_are_left_out() -> None:
    assert not any("auroc" in name for name in metrics_of(measure(student(3), labelled(3))).value)
    one_record = EvaluationSet(inputs=ROWS[:5], labels_E=np.array([0, 0, 0, 0, 1]))
    figures = metrics_of(measure(student(2), one_record)).value
    assert {"student_auroc", "student_accuracy_low"} <= set(figures)
    assert "student_auroc_low" not in figures


def test_a_class_is_rare_below_half_of_an_even_share() -> None:
    def with_counts(*counts: int) -> EvaluationSet:
        labels = np.repeat(np.arange(len(counts)), counts)
        return EvaluationSet(inputs=np.zeros((len(labels), 1), dtype=np.float32), labels_E=labels)

    assert hides_a_class(with_counts(24, 76), 2)
    assert not hides_a_class(with_counts(25, 75), 2)
    assert not hides_a_class(with_counts(10, 10, 10), 3)
    assert hides_a_class(with_counts(10, 10, 10), 4), "a class without records"


def test_words_give_auroc_and_balance_for_two_classes_or_a_rare_one() -> None:
    plain = {"student_accuracy": 0.8923, "student_accuracy_low": 0.879, "student_accuracy_high": 0.9034}
    facts = {**plain, "evaluation_records": 1000, "student_balanced_accuracy": 0.7, "rare_class": False}
    assert words(facts) == "89.2% [87.9, 90.3] of 1000"
    assert words({**facts, "rare_class": True}) == "89.2% [87.9, 90.3] of 1000, balanced 70.0%"
    assert words(facts, what=" records") == "89.2% [87.9, 90.3] of 1000 records"
    two = {**facts, "student_auroc": 0.8312, "student_auroc_low": 0.8, "student_auroc_high": 0.86}
    assert words(two, strong="**") == "**89.2%** [87.9, 90.3] of 1000, AUROC 0.831 [0.800, 0.860], balanced 70.0%"
    assert words({**facts, "student_majority_share": 0.913}) == "89.2% [87.9, 90.3] of 1000, largest class 91.3%"
    assert words({"student_accuracy": 0.5, "evaluation_records": 8}) == "50.0% of 8", "a summary of an older run"


def test_a_private_student_is_not_evaluated_in_public() -> None:
    with pytest.raises(PrivacyViolation):
        measure(Private(student(2).value), labelled(2))  # type: ignore[arg-type]


def test_a_class_that_does_not_occur_has_no_accuracy_and_many_classes_no_metric_each() -> None:
    content = measure(student(3), EvaluationSet(inputs=ROWS[:6], labels_E=np.array([0, 0, 0, 0, 1, 1])))
    figures = metrics_of(content).value
    assert "student_accuracy_class_1" in figures
    assert "student_accuracy_class_2" not in figures
    assert [own["accuracy"] is None for own in student_facts(content.value, "abc")["student_by_class"]] == [0, 0, 1]
    many = {**content.value, "class_accuracy": [0.5] * (MOST_CLASSES + 1)}
    assert not any("_class_" in name.replace("worst_class", "") for name in metrics_of(Released.public(many)).value)


def test_problems_of_the_check_are_metrics_and_facts() -> None:
    predicted, labels = np.array([0, 0, 1, 1, 0, 1]), np.array([0, 2, 1, 2, -1, 2])
    checked = check_predictions(predicted, labels, 3).to_dict(["red", "green", "blue"])
    content = {**measure(student(3), labelled(3)).value, "check": checked}
    figures = metrics_of(Released.public(content)).value
    assert (figures["student_classes_never_predicted"], figures["student_alarms"]) == (1, 1)
    (alarm,) = student_facts(content, ["red", "green", "blue"])["student_check"]["alarms"]
    assert alarm == "class blue is never predicted on the public pool; 3 of 5 released labels name it"
    older = student_facts(measure(student(3), labelled(3)).value, ["red", "green", "blue"])
    assert "student_check" not in older

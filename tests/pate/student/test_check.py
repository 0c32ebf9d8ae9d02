"""Classes that a student does not know are found from the pool and the released labels."""

import numpy as np
import pytest

from pate.student.check import check_predictions

CLASSES = 10


def noisy(truth: np.ndarray, wrong: float, seed: int = 0) -> np.ndarray:
    """Labels of which a fraction is replaced by other classes at random."""
    rng = np.random.default_rng(seed)
    other = (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES
    return np.where(rng.random(len(truth)) < wrong, other, truth)


def asked(labels: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """The labels of ``count`` inputs, -1 for the others."""
    chosen = np.random.default_rng(seed).permutation(len(labels))[:count]
    return np.where(np.isin(np.arange(len(labels)), chosen), labels, -1)


def problems(predicted: np.ndarray, labels: np.ndarray, classes: int = CLASSES) -> dict[int, str]:
    found = check_predictions(predicted, labels, classes)
    assert found.problems == len(found.words([str(number) for number in range(classes)]))
    return {number: own.problem for number, own in enumerate(found.classes) if own.problem}


TRUTH = np.random.default_rng(7).integers(CLASSES, size=500)


@pytest.mark.parametrize("seed", range(20))
def test_a_good_student_of_noisy_labels_raises_no_alarm(seed: int) -> None:
    assert problems(TRUTH, asked(noisy(TRUTH, 0.2, seed), 60, seed)) == {}
    rare = np.where(np.arange(2000) < 40, 1, 0)
    labels = np.where(np.random.default_rng(seed).random(2000) < 0.27, 1 - rare, rare)
    assert problems(rare, asked(labels, 1500, seed), 2) == {}, "most labels of a rare class are noise"


def test_a_class_that_is_never_predicted() -> None:
    collapsed = np.where(TRUTH == 8, 3, TRUTH)
    labels = asked(noisy(TRUTH, 0.2), 60)
    assert problems(collapsed, labels)[8] == "never predicted"
    found = check_predictions(collapsed, labels, CLASSES)
    assert found.never_predicted == 1
    assert found.lost == found.classes[8].labels > 0
    without = np.where(labels == 8, -1, labels)
    assert problems(collapsed, without) == {8: "never predicted"}, "also where no label names it"
    assert check_predictions(collapsed, without, CLASSES).lost == 0, "no fit can learn it"


def test_a_class_that_is_predicted_too_rarely_or_too_often() -> None:
    few = np.where((TRUTH == 8) & (np.cumsum(TRUTH == 8) > 2), 3, TRUTH)
    assert problems(few, asked(TRUTH, 100)) == {8: "too rare"}
    labels = asked(TRUTH, 200)
    often = np.where((labels < 0) & (np.arange(500) % 2 == 0), 8, TRUTH)
    thin = np.where((labels == 8) & (np.cumsum(labels == 8) > 2), -1, labels)
    assert problems(often, thin)[8] == "too frequent"


def test_a_class_below_chance() -> None:
    labels = asked(TRUTH, 60)
    elsewhere = np.where(TRUTH == 8, 3, TRUTH)
    elsewhere[(labels < 0) & (TRUTH == 3)] = 8
    assert problems(elsewhere, labels) == {8: "below chance"}


def test_one_class_of_two_with_all_answers() -> None:
    truth = np.arange(200) % 2
    labels = asked(truth, 40)
    assert problems(np.zeros(200, dtype=int), labels, 2)[1] == "never predicted"


def test_the_words_name_the_class_and_what_was_released() -> None:
    found = check_predictions(np.zeros(4, dtype=int), np.array([0, 1, -1, -1]), 2)
    assert found.words(["no", "yes"]) == [
        "class yes is never predicted on the public pool; 1 of 2 released labels name it"
    ]
    assert found.to_dict(["no", "yes"])["classes"][1] == {
        "class": "yes", "labels": 1, "predicted": 0, "agreement": 0.0, "problem": "never predicted"
    }  # fmt: skip

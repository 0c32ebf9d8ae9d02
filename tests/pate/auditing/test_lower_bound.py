"""The confidence bound holds as often as it says, and is close."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pate.auditing import epsilon_at_least
from pate.auditing.hockey_stick import epsilon_of_laws
from pate.errors import InputError

P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
DELTA = 0.01


def draws(law: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(len(law), size=size, p=law).astype(np.int64)


def bound(first: np.ndarray, second: np.ndarray, confidence: float = 1 - 1e-6) -> float:
    return epsilon_at_least(first, second, outcomes=3, delta=DELTA, confidence=confidence)


def test_the_bound_comes_close_with_many_samples() -> None:
    rng = np.random.default_rng(1)
    exact = epsilon_of_laws(P, Q, DELTA)
    found = bound(draws(P, 200_000, rng), draws(Q, 200_000, rng))
    assert 0.9 * exact < found <= exact


def test_the_bound_exceeds_the_truth_no_more_often_than_it_says() -> None:
    """At confidence 0.9, 300 bounds: more than 55 failures have a probability below 1e-5 (binomial)."""
    rng = np.random.default_rng(2)
    exact = epsilon_of_laws(P, Q, DELTA)
    failures = sum(bound(draws(P, 400, rng), draws(Q, 400, rng), 0.9) > exact for _ in range(300))
    assert failures <= 55


def test_equal_samplers_show_nothing() -> None:
    rng = np.random.default_rng(3)
    assert bound(draws(P, 5000, rng), draws(P, 5000, rng)) < 0.05


def test_certain_differences_show_as_much_as_the_samples_allow() -> None:
    zeros, ones = np.zeros(1000, dtype=np.int64), np.ones(1000, dtype=np.int64)
    assert 3 < bound(zeros, ones) < math.log(750)


@pytest.mark.parametrize(("samples", "confidence"), [(7, 0.9), (100, 1.0), (100, 0.0)])
def test_too_few_samples_and_impossible_confidences_are_refused(samples: int, confidence: float) -> None:
    drawn = np.zeros(samples, dtype=np.int64)
    with pytest.raises(InputError):
        bound(drawn, drawn, confidence)

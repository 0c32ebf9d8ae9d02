"""Draws and charges come from the same fields; answers depend on votes through the argmax alone."""

from __future__ import annotations

import numpy as np
import pytest

from pate.accounting import events
from pate.aggregation import REFUSED, ConfidentGNMax, GNMax, LNMax, NoisyMax
from pate.errors import InputError

MECHANISMS: list[NoisyMax] = [
    GNMax(sigma=5.0),
    LNMax(scale=5.0),
    ConfidentGNMax(threshold=60, sigma_threshold=10.0, sigma=5.0, max_answered=4),
]


class Still:
    """No noise; remembers what was asked of it."""

    secure = False

    def __init__(self) -> None:
        self.asked: list[tuple[str, float, int]] = []

    def gaussian(self, sigma: float, size: int) -> np.ndarray:
        self.asked.append(("gaussian", sigma, size))
        return np.zeros(size, dtype=np.int64)

    def laplace(self, scale: float, size: int) -> np.ndarray:
        self.asked.append(("laplace", scale, size))
        return np.zeros(size, dtype=np.int64)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), 2.0**51])
def test_noise_that_cannot_be_drawn_exactly_is_refused_before_anything_is_charged(bad: float) -> None:
    for build in (
        lambda: GNMax(sigma=bad),
        lambda: LNMax(scale=bad),
        lambda: ConfidentGNMax(threshold=1, sigma_threshold=bad, sigma=1.0, max_answered=1),
        lambda: ConfidentGNMax(threshold=1, sigma_threshold=1.0, sigma=bad, max_answered=1),
    ):
        with pytest.raises(InputError):
            build()


def test_ties_go_to_the_lowest_index() -> None:
    counts = np.array([[3, 3, 1], [0, 2, 2], [1, 1, 1]], dtype=np.int64)
    assert GNMax(sigma=1.0).answer(counts, Still(), answers_left=3).tolist() == [0, 1, 0]


def test_the_noise_drawn_is_the_noise_charged() -> None:
    counts = np.zeros((6, 3), dtype=np.int64)
    still = Still()
    GNMax(sigma=7.0).answer(counts, still, answers_left=6)
    LNMax(scale=8.0).answer(counts, still, answers_left=6)
    confident = ConfidentGNMax(threshold=60, sigma_threshold=9.0, sigma=5.0, max_answered=4)
    confident.answer(counts, still, answers_left=4)
    assert still.asked == [("gaussian", 7.0, 18), ("laplace", 8.0, 18), ("gaussian", 9.0, 6), ("gaussian", 5.0, 18)]
    event = confident.worst_case_event(queries=6, moved_votes=2)
    assert event == events.ConfidentGNMaxEvent(
        threshold=60, sigma_threshold=9.0, sigma=5.0, max_asked=6, max_answered=4, moved_votes=2
    )


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: type(m).__name__)
def test_as_much_is_drawn_whatever_the_votes_are(mechanism: NoisyMax) -> None:
    """Otherwise the time that a batch takes would tell."""
    draws = []
    for top in (0, 50, 100):
        counts = np.zeros((6, 3), dtype=np.int64)
        counts[:, 1] = top
        still = Still()
        mechanism.answer(counts, still, answers_left=6)
        draws.append(still.asked)
    assert draws[0] == draws[1] == draws[2]


def test_confident_gnmax_ends_with_its_last_answer_and_not_before() -> None:
    mechanism = ConfidentGNMax(threshold=5, sigma_threshold=1.0, sigma=1.0, max_answered=2)
    counts = np.array([[0, 9], [1, 1], [9, 0], [9, 0]], dtype=np.int64)
    assert mechanism.answer(counts, Still(), answers_left=2).tolist() == [1, REFUSED, 0]
    assert mechanism.answer(counts, Still(), answers_left=9).tolist() == [1, REFUSED, 0, 0]
    assert mechanism.answer(counts, Still(), answers_left=0).tolist() == []

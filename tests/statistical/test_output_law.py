"""Answers of the mechanisms follow the law that the accountants charge for.

Chi-square at quantile 1 - 1e-6: a right mechanism fails with probability below 1e-6 per test. The twin shows that the
law at sigma x 2/3 and x 3/2 is rejected.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent
from pate.accounting.laws.mechanism import mechanism_law, neighbour_laws
from pate.aggregation import REFUSED, ConfidentGNMax, ExactNoise, GNMax, LNMax, NoisyMax

DRAWS = 30_000
FALSE_FAILURE = 1e-6
COUNTS = np.array([30, 24, 24, 10])


def frequencies(mechanism: NoisyMax) -> np.ndarray:
    """Number of times that each class wins, and that the query is refused (last)."""
    answers = mechanism.answer(np.tile(COUNTS, (DRAWS, 1)), ExactNoise(), answers_left=DRAWS)
    return np.bincount(np.where(answers == REFUSED, len(COUNTS), answers), minlength=len(COUNTS) + 1)


def law(event) -> np.ndarray:
    log_p = neighbour_laws(mechanism_law(event), COUNTS, teachers=int(COUNTS.sum())).log_p_O
    return np.exp(log_p)


def fits(observed: np.ndarray, expected: np.ndarray) -> bool:
    cells = len(expected)
    wanted = expected * DRAWS
    statistic = ((observed[:cells] - wanted) ** 2 / np.maximum(wanted, 1e-12)).sum()
    return bool(statistic < stats.chi2.ppf(1 - FALSE_FAILURE, cells - 1))


def confident(factor: float) -> ConfidentGNMaxEvent:
    return ConfidentGNMaxEvent(
        threshold=28, sigma_threshold=9.0 * factor, sigma=6.0 * factor, max_asked=DRAWS, max_answered=DRAWS
    )


@pytest.mark.parametrize(
    ("mechanism", "event"),
    [
        (GNMax(sigma=6.0), lambda factor: GNMaxEvent(sigma=6.0 * factor)),
        (LNMax(scale=6.0), lambda factor: LNMaxEvent(scale=6.0 * factor)),
        (ConfidentGNMax(threshold=28, sigma_threshold=9.0, sigma=6.0, max_answered=DRAWS), confident),
    ],
    ids=["gnmax", "lnmax", "confident-gnmax"],
)
def test_answers_follow_the_law_and_not_one_of_another_scale(mechanism: NoisyMax, event) -> None:
    observed = frequencies(mechanism)
    assert fits(observed, law(event(1.0)))
    assert not fits(observed, law(event(2 / 3)))
    assert not fits(observed, law(event(3 / 2)))


def test_classes_with_equal_counts_win_in_the_order_of_their_index() -> None:
    """Ties go to the lowest index, so the first of two equal classes wins measurably more often at little noise."""
    tied = np.array([20, 20])
    answers = GNMax(sigma=1.0).answer(np.tile(tied, (DRAWS, 1)), ExactNoise(), answers_left=DRAWS)
    log_p = neighbour_laws(mechanism_law(GNMaxEvent(sigma=1.0)), tied, teachers=40).log_p_O
    share = float(np.exp(log_p[0]))
    assert share > 0.6
    spread = np.sqrt(share * (1 - share) / DRAWS)
    assert abs((answers == 0).mean() - share) < stats.norm.ppf(1 - FALSE_FAILURE / 2) * spread

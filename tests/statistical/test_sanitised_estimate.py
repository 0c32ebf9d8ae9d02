"""The estimate that a campaign shows follows the law that is charged.

The door draws two integers. Both are tested against the discrete Gaussian of the width that the votes give, by
chi square with a false-failure rate below 1e-6 each; laws off by 2/3 and 3/2, and a mean off by a third of a width,
must fail.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pate.accounting.events import SanitisedReleaseEvent
from pate.aggregation import ConfidentGNMax, ExactNoise, GNMax, InsecureSeededNoise, NoisyMax, sanitised
from pate.aggregation.mechanisms import estimable_query
from pate.votes import VoteHistogram

DRAWS = 1200
FALSE_FAILURE = 1e-6
CELLS = 20
RELEASE = SanitisedReleaseEvent(order=5.0, beta=0.06, sigma_ss=4.0, tau_s=0.2)
COUNTS = np.array([[88, 7, 5], [40, 35, 25], [97, 1, 1], [60, 20, 10]])


def fits(draws: np.ndarray, mean: float, sigma: float) -> bool:
    """Chi-square test against the discrete Gaussian at ``mean``, in cells of equal continuous probability."""
    edges = np.ceil(mean + sigma * stats.norm.ppf(np.arange(1, CELLS) / CELLS))
    support = np.arange(math.floor(mean - 12 * sigma), math.ceil(mean + 12 * sigma) + 1)
    mass = np.exp(-(((support - mean) / sigma) ** 2) / 2)
    expected = np.add.reduceat(mass, [0, *np.searchsorted(support, edges)]) / mass.sum() * len(draws)
    observed = np.bincount(np.searchsorted(edges, draws, side="right"), minlength=CELLS)
    statistic = ((observed - expected) ** 2 / expected).sum()
    return bool(statistic < stats.chi2.ppf(1 - FALSE_FAILURE, CELLS - 1))


@pytest.mark.parametrize("noise", [ExactNoise(), InsecureSeededNoise(5)], ids=["exact", "seeded"])
@pytest.mark.parametrize(
    "mechanism",
    [GNMax(sigma=20.0), ConfidentGNMax(threshold=60, sigma_threshold=30.0, sigma=20.0, max_answered=4)],
    ids=lambda m: type(m).__name__,
)
def test_both_integers_follow_their_law_and_no_other(noise, mechanism: NoisyMax, monkeypatch) -> None:
    answers = mechanism.worst_case_event(queries=4, moved_votes=1)
    votes = VoteHistogram.strict(COUNTS, 100)
    private = sanitised.gap_inputs(votes, estimable_query(answers), RELEASE, fixed_in_advance=True)
    monkeypatch.setattr(sanitised, "gap_inputs", lambda *_, **__: private)  # the same each time, and costly
    estimates = [sanitised.draw_estimate(votes, answers=answers, sanitised=RELEASE, noise=noise) for _ in range(DRAWS)]
    cost, sensitivity = private
    grid, log_grid = RELEASE.floor / 16, RELEASE.beta / 64
    width = RELEASE.sigma_ss * (sensitivity + RELEASE.floor)
    for draws, centre, sigma in (
        ([estimate.cost_steps for estimate in estimates], round(cost / grid), width / grid),
        ([estimate.width_steps for estimate in estimates], round(math.log(width) / log_grid), RELEASE.tau_s / log_grid),
    ):
        drawn = np.array(draws)
        assert fits(drawn, centre, sigma)
        assert not fits(drawn, centre, sigma * 2 / 3)
        assert not fits(drawn, centre, sigma * 3 / 2)
        assert not fits(drawn, centre + sigma / 3, sigma)

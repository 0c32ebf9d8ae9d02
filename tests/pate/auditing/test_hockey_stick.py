"""The exact epsilon of a pair, against closed forms and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pate.accounting import data_independent_epsilon
from pate.aggregation import ConfidentGNMax, GNMax, LNMax
from pate.auditing import epsilon_of_pair, opposite_moves
from pate.auditing.hockey_stick import epsilon_of_laws
from pate.errors import InputError

MECHANISMS = [
    GNMax(sigma=2.0),
    LNMax(scale=1.5),
    ConfidentGNMax(threshold=50, sigma_threshold=2.0, sigma=2.0, max_answered=2),
]


def test_randomised_response_has_the_log_of_its_odds() -> None:
    p = np.array([0.75, 0.25])
    assert epsilon_of_laws(p, p[::-1], 1e-12) == pytest.approx(math.log(3))
    assert epsilon_of_laws(p, p, 1e-12) == 0


def test_an_outcome_that_only_one_side_has_costs_everything_unless_delta_covers_it() -> None:
    p, q = np.array([0.9, 0.1]), np.array([1.0, 0.0])
    assert epsilon_of_laws(p, q, 0.05) == math.inf
    assert epsilon_of_laws(p, q, 0.2) < math.inf


@pytest.mark.parametrize("delta", [1e-6, 1e-3, 0.1])
def test_it_is_the_largest_over_all_sets_of_outcomes(delta: float) -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        p, q = rng.dirichlet(np.ones(5), size=2)
        worst = 0.0
        for size in range(1, 6):
            for chosen in itertools.combinations(range(5), size):
                for one, two in ((p, q), (q, p)):
                    mass = one[list(chosen)].sum() - delta
                    if mass > 0:
                        worst = max(worst, math.log(mass / two[list(chosen)].sum()))
        assert epsilon_of_laws(p, q, delta) == pytest.approx(worst)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("top", [30, 49, 80])
def test_no_pair_is_worse_than_the_claim(mechanism, top: int) -> None:
    pair = opposite_moves("any", top=top)
    claim = data_independent_epsilon(mechanism.worst_case_event(queries=2, moved_votes=1), 1e-2, "worst_case")
    assert 0 <= epsilon_of_pair(mechanism, pair, 1e-2) <= claim.epsilon


def test_delta_outside_its_range_is_refused() -> None:
    with pytest.raises(InputError):
        epsilon_of_laws(np.ones(1), np.ones(1), 0.0)

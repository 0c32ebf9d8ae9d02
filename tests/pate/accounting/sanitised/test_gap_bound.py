"""The bound by gap against the exact cost of every histogram of small rosters, and of larger ones at random."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pate.accounting.data_dependent.costs import exact
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import GNMaxEvent
from pate.accounting.sanitised.gap_bound import gap_costs
from pate.errors import InputError
from pate.votes import VoteHistogram

SLOW = pytest.mark.slow
CASES = [
    # sigma, teachers, classes, order
    (1.0, 6, 2, 2.0),
    pytest.param(2.5, 9, 2, 4.0, marks=SLOW),
    pytest.param(1.0, 7, 3, 3.0, marks=SLOW),
    (0.6, 5, 3, 1.5),
    pytest.param(4.0, 10, 3, 5.0, marks=SLOW),
    pytest.param(3.0, 12, 3, 2.0, marks=SLOW),
    (2.0, 4, 4, 6.0),
    pytest.param(1.5, 7, 4, 2.5, marks=SLOW),
    pytest.param(2.0, 4, 5, 3.0, marks=SLOW),
    (1.0, 1, 3, 2.0),
]


def gap(counts: np.ndarray) -> int:
    top = np.sort(counts)
    return int(top[-1] - top[-2])


def cost(counts: np.ndarray, teachers: int, sigma: float, order: float) -> float:
    """The exact cost of one release, the largest over all neighbours and both directions."""
    votes = VoteHistogram.strict(counts[None], teachers)
    return float(
        exact(votes, GNMaxEvent(sigma=sigma), orders_A=np.array([order]), fixed_in_advance=True).curve.rdp_A[0]
    )


@pytest.mark.parametrize(("sigma", "teachers", "classes", "order"), CASES)
def test_no_histogram_of_a_small_roster_costs_more(sigma: float, teachers: int, classes: int, order: float) -> None:
    """Every histogram, in every order of its classes, abstentions included; and the bound is within an eighth."""
    bound = gap_costs(sigma, teachers, classes, order)
    worst = np.zeros(teachers + 1)
    for row in itertools.product(range(teachers + 1), repeat=classes):
        if sum(row) <= teachers:
            counts = np.array(row)
            found = cost(counts, teachers, sigma, order)
            assert found <= bound[gap(counts)] * (1 + 1e-12)
            worst[: gap(counts) + 1] = np.maximum(worst[: gap(counts) + 1], found)
    assert teachers < 5 or (bound <= 1.13 * worst).all()


@pytest.mark.parametrize(("sigma", "teachers", "classes", "order"), [(40.0, 250, 10, 14.0), (8.0, 60, 3, 4.0)])
def test_no_histogram_drawn_at_random_costs_more(sigma: float, teachers: int, classes: int, order: float) -> None:
    bound, rng = gap_costs(sigma, teachers, classes, order), np.random.default_rng(1)
    for _ in range(10):
        share = rng.uniform(0.2, 1.0)
        rest = (1 - share) * rng.dirichlet(np.full(classes, 0.3))
        counts = rng.multinomial(teachers, [*rest[:-1], share + rest[-1]])
        assert cost(counts, teachers, sigma, order) <= bound[gap(counts)]


def test_it_is_close_to_what_histograms_cost() -> None:
    """250 teachers, noise 40, order 14: all others at the gap, or one alone."""
    bound = gap_costs(40.0, 250, 10, 14.0)
    for g in (20, 80, 120, 200):
        crowd, pair = np.array([g] + [0] * 9), np.array([(250 + g) // 2, (250 - g) // 2] + [0] * 8)
        assert 1 <= bound[g] / max(cost(n, 250, 40.0, 14.0) for n in (crowd, pair)) < 1.13


def test_it_never_rises_with_the_gap_and_ends_far_below_the_plain_bound() -> None:
    bound = gap_costs(40.0, 250, 10, 14.0)
    assert (np.diff(bound) <= 0).all()
    assert bound[-1] < 0.01 * 14 / 40**2
    plain = worst_case_rdp(GNMaxEvent(sigma=40.0), np.array([14.0])).rdp_A[0]
    assert bound[0] == pytest.approx(plain, rel=0.01), "with no gap it is the worst case"


def test_at_orders_beyond_its_reach_it_is_the_plain_bound() -> None:
    for order in (40.0, 200.0):
        assert (gap_costs(1.0, 5, 3, order) == order).all()


@pytest.mark.parametrize(("teachers", "classes"), [(0, 3), (5, 1)])
def test_a_roster_or_classes_that_are_none_are_refused(teachers: int, classes: int) -> None:
    with pytest.raises(InputError):
        gap_costs(1.0, teachers, classes, 2.0)

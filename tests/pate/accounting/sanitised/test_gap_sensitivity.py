"""The cost by gap and its sensitivity against every pair of neighbours of small rosters."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from pate.accounting.data_dependent.costs import exact
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.sanitised_release import scaled_gaussian_rdp
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, SanitisedReleaseEvent
from pate.accounting.sanitised.gap_sensitivity import (
    cell_costs,
    gap_inputs,
    largest_cost,
    local_sensitivities,
    require_teachers,
)
from pate.accounting.sanitised.smoothing import smooth_sensitivity
from pate.errors import InputError
from pate.votes import VoteHistogram, VoteMatrix


def confident(sigma: float, threshold: float = 5.5) -> ConfidentGNMaxEvent:
    return ConfidentGNMaxEvent(threshold=threshold, sigma_threshold=1.3, sigma=sigma, max_asked=1, max_answered=1)


CASES: list[tuple[GNMaxEvent | ConfidentGNMaxEvent, float, int, int]] = [
    (GNMaxEvent(sigma=1.0), 2.0, 9, 3),
    (GNMaxEvent(sigma=2.0), 5.0, 12, 3),
    (GNMaxEvent(sigma=0.5), 1.5, 8, 2),
    (GNMaxEvent(sigma=1.5), 4.0, 7, 4),
    (confident(1.0), 2.0, 9, 3),
    (confident(1.5), 4.0, 14, 2),
    (confident(2.0, threshold=3.0), 6.0, 6, 4),
]


@functools.cache
def data_sets(teachers: int, classes: int) -> np.ndarray:
    """Every histogram with its abstentions as a last column."""
    rows = [n for n in itertools.product(range(teachers + 1), repeat=classes) if sum(n) <= teachers]
    return np.array([(*n, teachers - sum(n)) for n in rows])


@functools.cache
def distances(teachers: int, classes: int) -> np.ndarray:
    rows = data_sets(teachers, classes)
    return np.abs(rows[:, None] - rows[None]).sum(axis=2) // 2


def cells(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ordered = np.sort(counts, axis=1)
    return ordered[:, -1], ordered[:, -1] - ordered[:, -2]


def costs_and_bounds(event: GNMaxEvent | ConfidentGNMaxEvent, order: float, teachers: int, classes: int) -> tuple:
    top, gaps = cells(data_sets(teachers, classes)[:, :classes])
    table = cell_costs(event, teachers, classes, order)
    return table[top, gaps], local_sensitivities(table, top, gaps).T


@pytest.mark.slow
@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_the_cost_is_at_least_the_exact_one_of_every_histogram(event, order, teachers: int, classes: int) -> None:
    costs, _ = costs_and_bounds(event, order, teachers, classes)
    for row, found in zip(data_sets(teachers, classes), costs, strict=True):
        votes = VoteHistogram.strict(row[None, :classes], teachers)
        assert exact(votes, event, orders_A=np.array([order]), fixed_in_advance=True).curve.rdp_A[0] <= found * (
            1 + 1e-12
        )
    assert (costs <= largest_cost(event, order)).all()


@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_bound_covers_every_change_at_every_distance(event, order, teachers: int, classes: int) -> None:
    costs, bounds = costs_and_bounds(event, order, teachers, classes)
    apart = distances(teachers, classes)
    local = np.where(apart == 1, np.abs(costs[:, None] - costs[None]), 0.0).max(axis=1)
    assert local.max() > 0
    for distance in range(teachers + 1):
        within = np.where(apart <= distance, local[None], 0.0).max(axis=1)
        assert (bounds[:, distance] >= within).all()


@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_smoothed_sensitivity_changes_by_at_most_beta_between_neighbours(
    event, order, teachers: int, classes: int
) -> None:
    _, bounds = costs_and_bounds(event, order, teachers, classes)
    one, other = np.nonzero(distances(teachers, classes) == 1)
    assert (bounds[one, :-1] <= bounds[other, 1:]).all()
    assert (bounds[one, -1] == bounds[other, -1]).all(), "nothing new beyond the roster"
    for beta in (0.01, 0.2):
        smooth = np.array([smooth_sensitivity(row, beta) for row in bounds])
        assert (smooth[one] <= np.exp(beta) * smooth[other] * (1 + 1e-12)).all()


@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_release_cost_covers_both_gaussians_on_every_pair_of_neighbours(
    event, order, teachers: int, classes: int
) -> None:
    costs, bounds = costs_and_bounds(event, order, teachers, classes)
    one, other = np.nonzero(distances(teachers, classes) == 1)
    for beta, sigma_ss, alpha in ((0.03, 6.0, 14.0), (0.2, 3.0, 2.5)):
        widths = sigma_ss * (np.array([smooth_sensitivity(row, beta) for row in bounds]) + 1e-4)
        mixed = alpha * widths[other] ** 2 + (1 - alpha) * widths[one] ** 2
        true = (
            np.log(widths[other] / widths[one])
            + np.log(widths[other] ** 2 / mixed) / (2 * (alpha - 1))
            + alpha * (costs[one] - costs[other]) ** 2 / (2 * mixed)
        )
        assert true.max() <= scaled_gaussian_rdp(beta, sigma_ss, np.array([alpha]))[0] * (1 + 1e-9)


def test_two_queries_move_together_and_add_up() -> None:
    """One teacher changes both votes at once; every table of three teachers, two classes, two queries."""
    teachers, event, release = (
        3,
        GNMaxEvent(sigma=0.7),
        SanitisedReleaseEvent(order=1.5, beta=0.1, sigma_ss=3.0, tau_s=0.3),
    )
    tables = np.array(list(itertools.product([-1, 0, 1], repeat=2 * teachers))).reshape(-1, teachers, 2)
    found = []
    for number, labels in enumerate(tables):
        votes = VoteMatrix.strict(labels, 2)
        found.append(gap_inputs(votes.histogram(), event, release, fixed_in_advance=True))
        if number % 10:
            continue
        whole = exact(votes, event, orders_A=np.array([1.5]), fixed_in_advance=True).curve.rdp_A[0]
        assert whole <= found[-1][0] * (1 + 1e-12), "one teacher on all queries costs no more than the queries apart"
    costs, smooth = np.array(found).T
    one, other = np.nonzero((tables[:, None] != tables[None]).any(axis=3).sum(axis=2) == 1)
    assert (np.abs(costs[one] - costs[other]) <= smooth[one] * (1 + 1e-12)).all()
    assert (smooth[one] <= np.exp(0.1) * smooth[other] * (1 + 1e-12)).all()


def test_repeated_histograms_and_the_order_of_classes_do_not_matter() -> None:
    release = SanitisedReleaseEvent(order=8.0, beta=0.03, sigma_ss=6.0, tau_s=0.3)
    event = ConfidentGNMaxEvent(threshold=60, sigma_threshold=30.0, sigma=20.0, max_asked=4, max_answered=4)
    rows = np.array([[88, 7, 5], [40, 35, 25], [97, 1, 1]])
    once = [gap_inputs(VoteHistogram.strict(rows[i : i + 1], 100), event, release, fixed_in_advance=True)
            for i in (0, 1, 2)]  # fmt: skip
    votes = VoteHistogram.strict(np.concatenate([rows, rows[:, ::-1]]), 100)
    cost, smooth = gap_inputs(votes, event, release, fixed_in_advance=True)
    assert cost == pytest.approx(2 * sum(part[0] for part in once), rel=1e-12)
    assert max(part[1] for part in once) < smooth <= 2 * sum(part[1] for part in once) * (1 + 1e-12)


def test_queries_chosen_after_answers_and_large_rosters_are_refused() -> None:
    release = SanitisedReleaseEvent(order=2.0, beta=0.1, sigma_ss=3.0, tau_s=0.3)
    votes = VoteHistogram.strict(np.array([[3, 1]]), 4)
    with pytest.raises(InputError, match="fixed in advance"):
        gap_inputs(votes, GNMaxEvent(sigma=2.0), release, fixed_in_advance=False)
    with pytest.raises(InputError, match="at most 1000 teachers"):
        require_teachers(1001)


def test_the_largest_cost_is_that_of_one_query() -> None:
    many = ConfidentGNMaxEvent(threshold=9, sigma_threshold=3.0, sigma=2.0, max_asked=50, max_answered=20)
    one = ConfidentGNMaxEvent(threshold=9, sigma_threshold=3.0, sigma=2.0, max_asked=1, max_answered=1)
    assert largest_cost(many, 4.0) == gaussian_rdp(one, np.array([4.0])).rdp_A[0]

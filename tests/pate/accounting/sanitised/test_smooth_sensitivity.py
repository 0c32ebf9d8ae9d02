"""Smooth sensitivity of the 2018 cost against enumerations of every small data set, and the release that uses it."""

import functools
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from pate.accounting.data_dependent.costs import papernot18
from pate.accounting.data_independent.sanitised_release import scaled_gaussian_rdp
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent, PrivacyEvent, SanitisedReleaseEvent
from pate.accounting.sanitised.release import sanitised_estimate, sanitiser_noise
from pate.accounting.sanitised.smooth_sensitivity import (
    gnmax_sensitivity,
    local_sensitivity,
    log_q0,
    query_costs,
    sanitised_inputs,
    threshold_sensitivity,
)
from pate.accounting.sanitised.smoothing import smooth_sensitivity
from pate.errors import InputError
from pate.votes import VoteHistogram

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "papernot18.json").read_text())
RELEASE = SanitisedReleaseEvent(order=6.0, beta=0.05, sigma_ss=6.0, tau_s=0.5)


def confident(sigma: float) -> ConfidentGNMaxEvent:
    return ConfidentGNMaxEvent(threshold=5.5, sigma_threshold=1.3, sigma=sigma, max_asked=1, max_answered=1)


CASES: list[tuple[PrivacyEvent, float, int, int]] = [
    (GNMaxEvent(sigma=1.0), 2.0, 9, 3),
    (GNMaxEvent(sigma=1.0), 6.0, 12, 3),
    (GNMaxEvent(sigma=2.0), 2.0, 12, 3),
    (GNMaxEvent(sigma=0.5), 1.5, 8, 3),
    (GNMaxEvent(sigma=1.5), 4.0, 16, 2),
    (GNMaxEvent(sigma=1.0), 3.0, 8, 4),
    (GNMaxEvent(sigma=2.0), 2.0, 12, 4),
    (GNMaxEvent(sigma=8.0), 6.0, 60, 2),
    (confident(1.0), 2.0, 9, 3),
    (confident(1.0), 6.0, 12, 3),
    (confident(1.5), 4.0, 16, 2),
]


@functools.cache
def data_sets(teachers: int, classes: int) -> np.ndarray:
    """Every histogram with its abstentions as a last column."""
    rows = [n for n in itertools.product(range(teachers + 1), repeat=classes) if sum(n) <= teachers]
    return np.array([(*n, teachers - sum(n)) for n in rows])


@functools.cache
def distances(teachers: int, classes: int) -> np.ndarray:
    """Votes that must change to turn one histogram into another."""
    rows = data_sets(teachers, classes)
    return np.abs(rows[:, None] - rows[None]).sum(axis=2) // 2


@pytest.mark.parametrize("row", GOLDEN["logq0"], ids=lambda r: f"{r['sigma']}-{r['order']}")
def test_log_q0_matches_reference(row: dict) -> None:
    assert log_q0(row["sigma"], row["order"]) == pytest.approx(row["logq0"], rel=1e-10)


@pytest.mark.parametrize("row", GOLDEN["smooth_sensitivity"], ids=lambda r: r["kind"] + str(r["counts"]))
def test_local_sensitivity_matches_reference(row: dict) -> None:
    counts = np.array([row["counts"]])
    if row["kind"].startswith("gnmax"):
        found = gnmax_sensitivity(counts, teachers=row["teachers"], sigma=row["sigma"], order=row["order"])[0]
    else:
        found = threshold_sensitivity(
            counts.max(axis=1), row["teachers"], threshold=row["threshold"], sigma=row["sigma"], order=row["order"]
        )[0]
    expected = row["expected_first"]
    np.testing.assert_allclose(found[: len(expected)], expected, rtol=row["rtol"], atol=1e-60)
    for distance, value in row.get("expected_at", {}).items():
        assert found[int(distance)] == pytest.approx(value, rel=row["rtol"])


@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_bound_covers_every_change_at_every_distance(
    event: PrivacyEvent, order: float, teachers: int, classes: int
) -> None:
    rows, apart = data_sets(teachers, classes), distances(teachers, classes)
    costs = query_costs(rows[:, :classes], event, order)
    changes = np.where(apart == 1, np.abs(costs[:, None] - costs[None]), 0.0)
    local = changes.max(axis=1)
    bounds = local_sensitivity(rows[:, :classes], event, teachers=teachers, order=order)
    assert local.max() > 0
    for distance in range(teachers + 1):
        within = np.where(apart <= distance, local[None], 0.0).max(axis=1)
        assert (bounds[:, distance] >= within * (1 - 1e-9) - 1e-14).all()


@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_smoothed_sensitivity_changes_by_at_most_beta_between_neighbours(
    event: PrivacyEvent, order: float, teachers: int, classes: int
) -> None:
    rows, apart = data_sets(teachers, classes), distances(teachers, classes)
    bounds = local_sensitivity(rows[:, :classes], event, teachers=teachers, order=order)
    one, other = np.nonzero(apart == 1)
    assert (bounds[one, :-1] <= bounds[other, 1:] * (1 + 1e-9) + 1e-14).all()
    for beta in (0.01, 0.2):
        smooth = np.array([smooth_sensitivity(row, beta) for row in bounds])
        assert (smooth[one] <= np.exp(beta) * smooth[other] * (1 + 1e-9) + 1e-14).all()


@pytest.mark.parametrize(("event", "order", "teachers", "classes"), CASES, ids=lambda x: str(x)[:40])
def test_release_cost_covers_both_gaussians_on_every_pair_of_neighbours(
    event: PrivacyEvent, order: float, teachers: int, classes: int
) -> None:
    rows, apart = data_sets(teachers, classes), distances(teachers, classes)
    one, other = np.nonzero(apart == 1)
    costs = query_costs(rows[:, :classes], event, order)
    bounds = local_sensitivity(rows[:, :classes], event, teachers=teachers, order=order)
    for beta, sigma_ss, alpha in ((0.03, 6.0, 14.0), (0.2, 3.0, 2.5), (0.1, 1.0, 4.0)):  # kappa > 0 in each
        widths = sigma_ss * (np.array([smooth_sensitivity(row, beta) for row in bounds]) + 1e-4)
        claimed = scaled_gaussian_rdp(beta, sigma_ss, np.array([alpha]))[0]
        true = gaussian_divergence(costs[one], widths[one], costs[other], widths[other], alpha)
        assert true.max() <= claimed * (1 + 1e-9)


def gaussian_divergence(mean_p, width_p, mean_q, width_q, alpha):  # type: ignore[no-untyped-def]
    """Renyi divergence of two normal laws (Gil, Alajaji, Linder 2013, table 2)."""
    mixed = alpha * width_q**2 + (1 - alpha) * width_p**2
    return (
        np.log(width_q / width_p)
        + np.log(width_q**2 / mixed) / (2 * (alpha - 1))
        + alpha * (mean_p - mean_q) ** 2 / (2 * mixed)
    )


def test_two_queries_move_together() -> None:
    """One teacher changes both votes at once; every table of three teachers, two classes, two queries."""
    teachers, event, order = 3, GNMaxEvent(sigma=0.5), 1.5
    tables = np.array(list(itertools.product([-1, 0, 1], repeat=2 * teachers))).reshape(-1, teachers, 2)
    counts = np.stack([(tables == c).sum(axis=1) for c in range(2)], axis=2)
    costs = query_costs(counts.reshape(-1, 2), event, order).reshape(-1, 2).sum(axis=1)
    apart = (tables[:, None] != tables[None]).any(axis=3).sum(axis=2)
    local = np.where(apart == 1, np.abs(costs[:, None] - costs[None]), 0.0).max(axis=1)
    bounds = local_sensitivity(counts.reshape(-1, 2), event, teachers=teachers, order=order).reshape(
        -1, 2, teachers + 1
    )
    for distance in range(teachers + 1):
        within = np.where(apart <= distance, local[None], 0.0).max(axis=1)
        assert (bounds.sum(axis=1)[:, distance] >= within * (1 - 1e-9) - 1e-14).all()


def test_inputs_of_a_release_add_up_over_queries() -> None:
    counts = np.array([[230, 12, 8], [8, 230, 12], [120, 125, 5], [250, 0, 0]])
    votes = VoteHistogram.strict(counts, 250)
    for event in (
        GNMaxEvent(sigma=40.0),
        ConfidentGNMaxEvent(threshold=200.0, sigma_threshold=150.0, sigma=40.0, max_asked=4, max_answered=4),
    ):
        cost, smooth = sanitised_inputs(votes, event, RELEASE, fixed_in_advance=True)
        assert cost == pytest.approx(
            papernot18(votes, event, orders_A=np.array([6.0]), fixed_in_advance=True).curve.rdp_A[0], rel=1e-9
        )
        summed = local_sensitivity(counts, event, teachers=250, order=6.0).sum(axis=0)
        assert smooth == pytest.approx(smooth_sensitivity(summed, RELEASE.beta), rel=1e-12)
        assert 0 < smooth < 4 * 6.0 / 40.0**2 * 1.2


def test_queries_chosen_after_answers_and_other_events_are_refused() -> None:
    votes = VoteHistogram.strict(np.array([[3, 1]]), 4)
    with pytest.raises(InputError, match="fixed in advance"):
        sanitised_inputs(votes, GNMaxEvent(sigma=2.0), RELEASE, fixed_in_advance=False)
    with pytest.raises(InputError):
        sanitised_inputs(votes, LNMaxEvent(scale=2.0), RELEASE, fixed_in_advance=True)


def test_a_release_from_votes_to_figure() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([rng.multinomial(250, [p, *((1 - p) * np.array([0.7, 0.3]))]) for p in rng.beta(9, 1, 100)])
    votes = VoteHistogram.strict(counts, 250)
    cost, smooth = sanitised_inputs(votes, GNMaxEvent(sigma=40.0), RELEASE, fixed_in_advance=True)
    noise = sanitiser_noise(RELEASE, smooth)
    estimate = sanitised_estimate(RELEASE, cost=cost, smooth_sensitivity=smooth, cost_noise=0, log_noise=0, basis="b")
    assert estimate.rdp == pytest.approx(cost, abs=RELEASE.floor)
    assert noise.cost_sigma * RELEASE.floor / 16 == pytest.approx(6.0 * (smooth + RELEASE.floor))
    assert estimate.epsilon(1e-5).upper > estimate.epsilon(1e-5).epsilon > 0

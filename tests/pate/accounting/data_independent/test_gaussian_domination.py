"""Gaussian information: never below what any test of the release shows, and close to what is known of Gaussians."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.accounting.data_independent.account_rule import AccountRule
from pate.accounting.data_independent.composition import privacy_curve
from pate.accounting.data_independent.gaussian_domination import (
    curve_information,
    gaussian_delta,
    gaussian_epsilon,
    gaussian_information,
    information_terms,
)
from pate.accounting.data_independent.outcome_pairs import threshold_pairs
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
)
from pate.accounting.privacy_curve import PrivacyCurve, no_release

CAMPAIGN = ConfidentGNMaxEvent(threshold=200, sigma_threshold=150.0, sigma=40.0, max_asked=640, max_answered=286)
FIGURE = SanitisedReleaseEvent(order=14.0, beta=0.02, sigma_ss=5.0, tau_s=0.2)
SPARE = 1e-9


@pytest.mark.parametrize(("mu", "epsilon"), [(0.3, 0.5), (1.0, 3.0), (2.5, 9.0), (0.01, 0.0)])
def test_delta_of_a_gaussian_pair_matches_its_integral(mu: float, epsilon: float) -> None:
    x = np.linspace(-12, 12 + mu, 400_001)
    here, there = (np.exp(-((x - centre) ** 2) / 2) / math.sqrt(2 * math.pi) for centre in (mu, 0.0))
    integral = np.trapezoid(np.maximum(here - math.exp(epsilon) * there, 0.0), x)
    assert gaussian_delta(mu**2, epsilon) == pytest.approx(integral, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(epsilon=st.floats(1e-6, 60.0), delta=st.floats(1e-12, 0.1))
def test_information_and_epsilon_undo_each_other_on_the_safe_side(epsilon: float, delta: float) -> None:
    information = gaussian_information(epsilon, delta)
    assert gaussian_delta(information, epsilon) <= delta
    assert gaussian_epsilon(information, delta) <= epsilon
    assert gaussian_epsilon(information, delta) == pytest.approx(epsilon, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("mu", [0.05, 0.5, 3.0])
def test_the_curve_of_a_gaussian_pair_has_its_information(mu: float) -> None:
    step = mu / 50
    row = np.array([gaussian_delta(mu**2, step * g) for g in range(int(60 + 6 * mu) * 50)])
    row = row[: int(np.argmax(row < SPARE)) + 2]
    found = curve_information(PrivacyCurve(step, row, row), SPARE)
    assert mu**2 <= found <= mu**2 * 1.02


@pytest.mark.parametrize(
    "event",
    [
        RepeatedEvent(event=GNMaxEvent(sigma=9.0), count=30),
        RepeatedEvent(event=GNMaxEvent(sigma=1.5), count=2),
        RepeatedEvent(event=GNMaxEvent(sigma=20.0, moved_votes=2), count=5),
        RepeatedEvent(event=LNMaxEvent(scale=15.0), count=20),
        ConfidentGNMaxEvent(threshold=20, sigma_threshold=15.0, sigma=9.0, max_asked=40, max_answered=20),
        ComposedEvent(events=(CAMPAIGN, FIGURE)),
    ],
    ids=repr,
)
def test_the_gaussian_pair_lies_above_the_certified_curve(event: PrivacyEvent) -> None:
    """Above it everywhere if the information comes from the curve; where from the exact noise, the curve of
    Renyi-DP or of the recursion may be the looser one."""
    curve = privacy_curve(event)
    assert curve is not None
    by_curve = curve_information(curve, SPARE)
    for epsilon in np.linspace(0, curve.step * len(curve.forward_G) * 1.1, 400):
        assert curve.delta(epsilon) <= SPARE + gaussian_delta(by_curve, epsilon) * (1 + 1e-9)
    terms = information_terms(event, SPARE)
    assert math.fsum(terms) <= by_curve * (1 + 1e-6)


@pytest.mark.parametrize("sigma", [0.6, 1.0, 3.0, 12.0])
@pytest.mark.parametrize("moved_votes", [1, 3])
def test_no_single_answer_shows_more_than_its_information(sigma: float, moved_votes: int) -> None:
    """Every pair of two counts that a unit may move, each of its tests by the likelihood ratio: the noisy counts
    themselves, of which an answer is a function."""
    information = math.fsum(information_terms(GNMaxEvent(sigma=sigma, moved_votes=moved_votes), SPARE))
    far = int(9 * sigma) + 12
    z = np.arange(-far, far + 1)
    mass = np.exp(-((z / sigma) ** 2) / 2)
    mass /= mass.sum()
    difference = np.convolve(mass, mass)
    for epsilon in (0.0, 0.5, 2.0, 5.0):
        here, there = np.pad(difference, (2 * moved_votes, 0)), np.pad(difference, (0, 2 * moved_votes))
        delta = np.maximum(here - math.exp(epsilon) * there, 0.0).sum()
        assert delta <= SPARE + gaussian_delta(information, epsilon) * (1 + 1e-9)


@pytest.mark.parametrize("sigma", [2.0, 8.0])
def test_no_threshold_test_shows_more_than_its_information(sigma: float) -> None:
    event = ConfidentGNMaxEvent(threshold=5, sigma_threshold=sigma, sigma=500.0, max_asked=1, max_answered=1)
    information = math.fsum(information_terms(event, SPARE))
    p_NO, q_NO = threshold_pairs(sigma, 40)
    for epsilon in (0.0, 0.3, 1.0, 2.0):
        delta = np.maximum(p_NO - math.exp(epsilon) * q_NO, 0.0).sum(axis=1).max()
        assert delta <= SPARE + gaussian_delta(information, epsilon) * (1 + 1e-9)


def test_much_noise_costs_about_two_over_pi_of_shown_counts() -> None:
    """As Renyi-DP does at orders far below the noise (``docs/explanation/accounting.md``, section 4)."""
    many = math.fsum(information_terms(RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=1000), SPARE))
    assert 2 / math.pi < many / (2 * 1000 / 40.0**2) < 0.66


def test_more_queries_and_less_noise_never_cost_less() -> None:
    counts = [
        math.fsum(information_terms(RepeatedEvent(event=GNMaxEvent(sigma=20.0), count=n), SPARE))
        for n in (1, 2, 10, 40)
    ]
    noise = [
        math.fsum(information_terms(RepeatedEvent(event=GNMaxEvent(sigma=s), count=10), SPARE))
        for s in (40.0, 20.0, 7.0)
    ]
    assert counts == sorted(counts)
    assert noise == sorted(noise)


def test_nothing_released_costs_nothing_and_a_curve_that_ends_too_high_costs_infinitely_much() -> None:
    assert curve_information(no_release(), SPARE) == 0
    assert information_terms(ComposedEvent(events=()), SPARE) == ()
    row = np.array([0.5, 1e-3])
    assert curve_information(PrivacyCurve(0.1, row, row), SPARE) == math.inf
    assert gaussian_epsilon(math.inf, 1e-5) == math.inf
    assert gaussian_epsilon(0.0, 1e-5) == 0
    assert gaussian_epsilon(1.0, 0.0) == math.inf


def test_so_little_noise_that_no_curve_exists_is_still_a_finite_cost() -> None:
    assert math.isfinite(math.fsum(information_terms(RepeatedEvent(event=GNMaxEvent(sigma=1.0), count=300), SPARE)))
    assert math.isfinite(math.fsum(information_terms(RepeatedEvent(event=LNMaxEvent(scale=0.5), count=15), SPARE)))


@pytest.mark.parametrize("leaf", [LNMaxEvent(scale=1.0), GNMaxEvent(sigma=1.0)])
def test_more_answers_never_cost_less_however_far_the_curve_reaches(leaf: GNMaxEvent | LNMaxEvent) -> None:
    """Beyond some hundred nats rounding leaves levels just below 0, of which no quantile is to be had."""
    terms = [sum(information_terms(RepeatedEvent(event=leaf, count=count), 1e-9)) for count in (1, 10, 20, 40, 50, 60)]
    assert all(term > 0 for term in terms)
    assert terms == sorted(terms)


def test_two_campaigns_of_next_to_no_noise_are_not_admitted_together() -> None:
    """Ten answers at scale 0.09 on one tied vote tell two data sets apart with probability 0.9997 at epsilon 200."""
    rule = AccountRule(epsilon=200.0, delta=1e-5, accountant="worst_case")
    campaign = RepeatedEvent(event=LNMaxEvent(scale=0.09), count=5)
    assert not rule.admits((campaign, campaign))

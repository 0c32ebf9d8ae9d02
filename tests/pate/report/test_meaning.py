"""Bounds on an attacker: against laws whose curve is known in closed form, and against direct simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from pate.accounting import GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.errors import InputError
from pate.report.meaning import (
    DELTAS,
    GuaranteeCurve,
    attack,
    best_guess,
    curve_through,
    false_negatives,
    group_epsilon,
    largest_log_odds,
    posterior,
)

MU = 1.3  # two normal laws of variance 1, this far apart


def gaussian_delta(epsilon: float, mu: float = MU) -> float:
    return float(norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu))


@pytest.fixture(scope="module")
def gaussian() -> GuaranteeCurve:
    epsilon_K = np.linspace(0, 14, 2801)
    return GuaranteeCurve(epsilon_K, np.array([gaussian_delta(e) for e in epsilon_K]).clip(0, 1))


def test_the_trade_off_is_below_that_of_the_best_test_and_close_to_it(gaussian: GuaranteeCurve) -> None:
    alarms = np.linspace(0.001, 0.999, 200)
    exact = norm.cdf(norm.ppf(1 - alarms) - MU)  # Neyman and Pearson
    bound = false_negatives(gaussian, alarms)
    assert (bound <= exact + 1e-12).all()
    assert np.abs(bound - exact).max() < 1e-4


def test_the_trade_off_never_rises_and_is_never_above_blind_guessing(gaussian: GuaranteeCurve) -> None:
    alarms = np.linspace(0, 1, 101)
    missed = false_negatives(gaussian, alarms)
    assert (np.diff(missed) <= 0).all()
    assert (missed <= 1 - alarms + 1e-12).all()
    assert missed[-1] == 0


def test_an_attack_finds_no_more_than_the_best_test(gaussian: GuaranteeCurve) -> None:
    found = attack(gaussian)
    exact = norm.sf(norm.ppf(0.95) - MU)
    assert found["false_positive"] == 0.05
    assert exact <= found["true_positive"] <= exact + 1e-4


def test_the_best_guess_is_that_of_the_likelier_law(gaussian: GuaranteeCurve) -> None:
    for prior in (0.5, 0.2, 0.01):
        cut = MU / 2 + math.log((1 - prior) / prior) / MU  # where both possibilities are equally likely
        exact = prior * norm.sf(cut - MU) + (1 - prior) * norm.cdf(cut)
        assert exact <= best_guess(gaussian, prior) <= exact + 1e-5
    with pytest.raises(InputError, match="less likely"):
        best_guess(gaussian, 0.7)


@pytest.mark.parametrize("failure", [1e-2, 1e-5])
def test_odds_change_by_more_no_more_often_than_stated(gaussian: GuaranteeCurve, failure: float) -> None:
    bound = largest_log_odds(gaussian, failure)
    exceeded = norm.sf((bound - MU**2 / 2) / MU)  # the loss is normal with mean mu^2 / 2 and deviation mu
    assert exceeded <= failure
    assert exceeded > failure / 10, "the bound says something"


def test_epsilon_alone_is_no_bound_on_the_odds_with_that_delta(gaussian: GuaranteeCurve) -> None:
    epsilon = float(np.interp(-1e-5, -gaussian.delta_K, gaussian.epsilon_K))
    assert norm.sf((epsilon - MU**2 / 2) / MU) > 1e-5
    assert largest_log_odds(gaussian, 1e-5) > epsilon


def test_chords_between_points_are_above_the_curve(gaussian: GuaranteeCurve) -> None:
    coarse = GuaranteeCurve(gaussian.epsilon_K[::200], gaussian.delta_K[::200])
    for epsilon in np.linspace(0, 13, 97):
        assert coarse.delta(float(epsilon)) >= gaussian_delta(float(epsilon))
    assert coarse.delta(99.0) == coarse.delta_K[-1]


def test_groups_cost_no_less_than_their_shifted_law(gaussian: GuaranteeCurve) -> None:
    for size in (2, 3):
        bound = group_epsilon(gaussian, size, 1e-3)
        assert gaussian_delta(bound, MU * size) <= 1e-3
    assert group_epsilon(GuaranteeCurve(np.array([1.0]), np.array([0.1])), 3, 1e-9) == math.inf


@pytest.mark.parametrize("accountant", ["gaussian", "worst_case_rdp"])
def test_the_curve_of_an_event_goes_through_what_the_accountant_says(accountant: str) -> None:
    event = RepeatedEvent(event=GNMaxEvent(sigma=20.0), count=30)
    curve = curve_through(lambda delta: data_independent_epsilon(event, delta, accountant).epsilon)
    assert (np.diff(curve.epsilon_K) > 0).all()
    assert (np.diff(curve.delta_K) <= 0).all()
    for delta in DELTAS[::40]:
        stated = data_independent_epsilon(event, delta, accountant).epsilon
        assert curve.delta(stated) <= delta * (1 + 1e-9)


def test_a_perfect_and_a_useless_release() -> None:
    nothing, everything = (GuaranteeCurve(np.array([0.0]), np.array([d])) for d in (0.0, 1.0))
    assert best_guess(nothing, 0.5) == 0.5
    assert best_guess(everything, 0.5) == 1.0
    assert largest_log_odds(nothing, 1e-5) == 0.0
    assert largest_log_odds(everything, 1e-5) == math.inf
    assert false_negatives(nothing, np.array([0.25])) == 0.75
    assert false_negatives(everything, np.array([0.0])) == 0.0


def test_a_posterior_is_bayes_rule() -> None:
    assert posterior(0.01, math.log(99)) == pytest.approx(0.5)
    assert posterior(0.5, -math.log(3)) == pytest.approx(0.25)
    assert posterior(0.01, 5000.0) == 1.0

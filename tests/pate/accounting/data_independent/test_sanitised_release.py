"""The cost of showing a data-dependent number: closed forms, the counterexample to the published cost, the grids."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.accounting.curve import DEFAULT_ORDERS
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.sanitised_release import (
    SanitisedFigure,
    published_release_rdp,
    require_finite,
    sanitised_figure,
    sanitised_release_rdp,
    sanitiser_noise,
    scaled_gaussian_rdp,
)
from pate.accounting.events import SanitisedReleaseEvent
from pate.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "papernot18.json").read_text())
RELEASE = SanitisedReleaseEvent(order=12.0, beta=0.02, sigma_ss=6.0, tau_s=0.4)


def shown(
    event: SanitisedReleaseEvent = RELEASE,
    *,
    cost: float,
    smooth_sensitivity: float,
    figure_noise: int = 0,
    log_noise: int = 0,
) -> SanitisedFigure:
    return sanitised_figure(
        event,
        cost=cost,
        smooth_sensitivity=smooth_sensitivity,
        figure_noise=figure_noise,
        log_noise=log_noise,
        basis="b",
    )


def normal_divergence(shift: float, width_p: float, width_q: float, alpha: float) -> float:
    mixed = alpha * width_q**2 + (1 - alpha) * width_p**2
    if mixed <= 0:
        return math.inf
    scales = math.log(width_q / width_p) + math.log(width_q**2 / mixed) / (2 * (alpha - 1))
    return scales + alpha * shift**2 / (2 * mixed)


@pytest.mark.parametrize("row", GOLDEN["gnss"], ids=lambda r: str(r["beta"]))
def test_published_and_exact_cost_match_reference(row: dict) -> None:
    published = published_release_rdp(row["beta"], row["sigma"], row["order"])
    exact = scaled_gaussian_rdp(row["beta"], row["sigma"], np.array([row["order"]]))[0]
    assert published == pytest.approx(row["rdp_as_published"], rel=1e-10)
    assert exact == pytest.approx(row["rdp_exact_worst_case_3_digits"], abs=6e-4)
    assert exact > published


def test_published_cost_is_not_a_bound_and_ours_is() -> None:
    alpha, sigma_ss = 12.0, 5.0
    beta = 0.8 / (2 * alpha)
    true = normal_divergence(1.0, math.exp(beta) * sigma_ss, sigma_ss, alpha)  # f = 1, 0; S = e^beta, 1
    assert published_release_rdp(beta, sigma_ss, alpha) == pytest.approx(0.623, abs=1e-3)
    assert true == pytest.approx(1.02, abs=5e-3)
    assert true > published_release_rdp(beta, sigma_ss, alpha)
    assert scaled_gaussian_rdp(beta, sigma_ss, np.array([alpha]))[0] == pytest.approx(true, rel=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    beta=st.floats(1e-3, 0.4),
    sigma_ss=st.floats(0.5, 20),
    alpha=st.floats(1.05, 30),
    log_ratio=st.floats(-1, 1),
    shift=st.floats(0, 1),
)
def test_no_allowed_pair_of_gaussians_costs_more(
    beta: float, sigma_ss: float, alpha: float, log_ratio: float, shift: float
) -> None:
    s_p, s_q = math.exp(beta * log_ratio), 1.0
    claimed = scaled_gaussian_rdp(beta, sigma_ss, np.array([alpha]))[0]
    true = normal_divergence(shift * min(s_p, s_q), s_p * sigma_ss, s_q * sigma_ss, alpha)
    assert true <= claimed * (1 + 1e-9) + 1e-12


def discrete_divergence(mean_p: int, sigma_p: float, mean_q: int, sigma_q: float, alpha: float) -> float:
    x = np.arange(-9000, 9001)
    log_p, log_q = -(((x - mean_p) / sigma_p) ** 2) / 2, -(((x - mean_q) / sigma_q) ** 2) / 2
    log_p, log_q = log_p - np.logaddexp.reduce(log_p), log_q - np.logaddexp.reduce(log_q)
    return float(np.logaddexp.reduce(alpha * log_p + (1 - alpha) * log_q)) / (alpha - 1)


@pytest.mark.parametrize("alpha", [1.3, 2.0, 8.0, 14.0])
@pytest.mark.parametrize("sigma_ss", [1.0, 4.0])
def test_noise_on_the_grid_costs_no_more_than_charged(alpha: float, sigma_ss: float) -> None:
    """Neighbouring figures and widths at the limits that the smooth sensitivity sets, in steps of the grid."""
    event = SanitisedReleaseEvent(order=alpha, beta=0.03, sigma_ss=sigma_ss, tau_s=1e6)
    claimed = sanitised_release_rdp(event, np.array([alpha]))[0]
    grid = event.floor / 16
    for smooth in (0.0, 1e-4, 7e-4):
        narrow, wide = smooth + event.floor, math.exp(event.beta) * (smooth + event.floor)
        furthest = math.floor(smooth / grid) + 1  # the figures differ by at most S, and rounding adds one step
        for a, b in ((wide, narrow), (narrow, wide), (narrow, narrow)):
            true = discrete_divergence(furthest, a * sigma_ss / grid, 0, b * sigma_ss / grid, alpha)
            assert true <= claimed + 1e-12


def test_width_is_charged_as_a_gaussian_on_its_logarithm() -> None:
    alpha = np.array([2.0, 9.0])
    cheap = SanitisedReleaseEvent(order=2.0, beta=0.02, sigma_ss=6.0, tau_s=1e9)
    dear = SanitisedReleaseEvent(order=2.0, beta=0.02, sigma_ss=6.0, tau_s=0.4)
    difference = sanitised_release_rdp(dear, alpha) - sanitised_release_rdp(cheap, alpha)
    np.testing.assert_allclose(difference, alpha * (0.02 * 65 / 64) ** 2 / (2 * 0.4**2), rtol=1e-9)


def test_cost_is_infinite_where_the_two_gaussians_have_no_finite_divergence() -> None:
    curve = gaussian_rdp(RELEASE)
    last = 1 + 1 / math.expm1(2 * RELEASE.beta)
    assert np.isfinite(curve.rdp_A[last * 0.999 > DEFAULT_ORDERS]).all()
    assert np.isinf(curve.rdp_A[last * 1.001 < DEFAULT_ORDERS]).all()
    assert (np.diff(curve.rdp_A[last * 0.999 > DEFAULT_ORDERS]) > 0).all()
    assert 0 < curve.epsilon(1e-5)[0] < 5


def discrete_mass(sigma: float, steps: np.ndarray) -> np.ndarray:
    mass = np.exp(-((steps / sigma) ** 2) / 2)
    return mass / mass.sum()


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_width_is_bounded_with_the_stated_confidence(confidence: float) -> None:
    smooth = 0.0123
    sigma = sanitiser_noise(RELEASE, smooth).log_sigma
    steps = np.arange(-math.ceil(12 * sigma), math.ceil(12 * sigma) + 1)
    covered = [
        shown(cost=0.1, smooth_sensitivity=smooth, log_noise=int(k)).width(confidence)
        >= RELEASE.sigma_ss * (smooth + RELEASE.floor)
        for k in steps
    ]
    probability = discrete_mass(sigma, steps)[covered].sum()
    assert confidence <= probability < confidence + 0.01


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_both_bounds_of_an_epsilon_hold_with_the_stated_confidence(confidence: float) -> None:
    """Summed over every noise; the estimate's own cost is public and known."""
    event, smooth, cost = replace(RELEASE, beta=0.04, tau_s=0.1), 0.0123, 0.7
    noise, width = sanitiser_noise(event, smooth), event.sigma_ss * (smooth + event.floor)
    log_steps, figure_steps = (
        np.arange(-math.ceil(7 * sigma), math.ceil(7 * sigma) + 1) for sigma in (noise.log_sigma, noise.figure_sigma)
    )
    cumulative = discrete_mass(noise.figure_sigma, figure_steps).cumsum()
    true = shown(event, cost=cost, smooth_sensitivity=smooth).epsilon(1e-5).epsilon
    probability = 0.0
    for k, mass in zip(log_steps, discrete_mass(noise.log_sigma, log_steps), strict=True):
        found = shown(event, cost=cost, smooth_sensitivity=smooth, log_noise=int(k)).epsilon(1e-5, confidence)
        if found.standard_deviation >= width:
            spare = math.floor((found.upper - true) / (event.floor / 16))  # noise below minus this: a bound too low
            probability += mass * (1 - cumulative[max(0, np.searchsorted(figure_steps, -spare) - 1)])
    assert confidence <= probability <= (1 + confidence) / 2 + 1e-3  # rounding is on the safe side


def test_epsilon_is_the_figure_and_its_own_cost_at_one_order() -> None:
    figure = shown(cost=0.7, smooth_sensitivity=0.01)
    own = sanitised_release_rdp(RELEASE, np.array([12.0]))[0]
    converted = math.log1p(-1 / 12) - (math.log(1e-5) + math.log(12)) / 11
    found = figure.epsilon(1e-5)
    assert found.epsilon == pytest.approx(0.7 + own + converted, abs=RELEASE.floor)
    assert found.epsilon < found.upper
    assert (found.order, found.delta, found.confidence, found.basis) == (12.0, 1e-5, 0.95, "b")


def test_figure_moves_by_one_grid_step_per_unit_of_noise() -> None:
    figures = [shown(cost=0.2, smooth_sensitivity=0.01, figure_noise=k).rdp for k in (0, 1, -40000)]
    assert figures[1] - figures[0] == pytest.approx(RELEASE.floor / 16)
    assert figures[2] < 0
    assert shown(cost=0.2, smooth_sensitivity=0.01, figure_noise=-40000).epsilon(1e-5).epsilon >= 0


@pytest.mark.parametrize("bad", [{"cost": math.nan}, {"cost": -1.0}, {"smooth_sensitivity": math.inf}])
def test_meaningless_inputs_are_refused(bad: dict) -> None:
    with pytest.raises(InputError):
        shown(**({"cost": 0.1, "smooth_sensitivity": 0.01} | bad))


@pytest.mark.parametrize("confidence", [0.0, 1.0, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(InputError, match="confidence"):
        shown(cost=0.1, smooth_sensitivity=0.01).width(confidence)


def test_a_release_without_a_finite_cost_is_refused_from_public_parameters() -> None:
    require_finite(RELEASE)
    limit = math.log(12 / 11) / 2
    require_finite(replace(RELEASE, beta=limit * 0.999))
    with pytest.raises(InputError, match=r"beta < 0\.04351 at order 12, got beta="):
        require_finite(replace(RELEASE, beta=limit))
    with pytest.raises(InputError, match="raise privacy"):
        require_finite(replace(RELEASE, sigma_ss=0.01))


@pytest.mark.parametrize("field", ["order", "beta", "sigma_ss", "tau_s", "floor"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_release_parameters_must_be_positive(field: str, value: float) -> None:
    fields = {"order": 2.0, "beta": 0.1, "sigma_ss": 1.0, "tau_s": 1.0, "floor": 1e-4}
    with pytest.raises(InputError):
        SanitisedReleaseEvent(**(fields | {field: value}))


def test_private_noise_parameters_do_not_print() -> None:
    assert "0.0123" not in repr(sanitiser_noise(RELEASE, 0.0123))
    assert "sigma" not in repr(sanitiser_noise(RELEASE, 0.0123))

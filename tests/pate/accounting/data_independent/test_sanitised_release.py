"""Renyi cost of showing a data-dependent number: closed forms, the counterexample to the published cost, the grid."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.accounting.curve import DEFAULT_ORDERS
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.sanitised_release import sanitised_release_rdp, scaled_gaussian_rdp
from pate.accounting.events import SanitisedReleaseEvent
from pate.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "papernot18.json").read_text())
RELEASE = SanitisedReleaseEvent(order=12.0, beta=0.02, sigma_ss=6.0, tau_s=0.4)


def published_release_rdp(beta: float, sigma_ss: float, order: float) -> float:
    """The cost stated by Papernot et al. (2018), theorem 23; for comparison with published results only. Not a bound
    where ``4 order beta > 1``."""
    if 2 * order * beta >= 1:
        return math.inf
    gain = (beta * order - math.log1p(-2 * order * beta) / 2) / (order - 1)
    return order * math.exp(2 * beta) / sigma_ss**2 + gain


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
    """Neighbouring estimates and widths at the limits that the smooth sensitivity sets, in steps of the grid."""
    event = SanitisedReleaseEvent(order=alpha, beta=0.03, sigma_ss=sigma_ss, tau_s=1e6)
    claimed = sanitised_release_rdp(event, np.array([alpha]))[0]
    grid = event.floor / 16
    for smooth in (0.0, 1e-4, 7e-4):
        narrow, wide = smooth + event.floor, math.exp(event.beta) * (smooth + event.floor)
        furthest = math.floor(smooth / grid) + 1  # the estimates differ by at most S, and rounding adds one step
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


@pytest.mark.parametrize("field", ["order", "beta", "sigma_ss", "tau_s", "floor"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_release_parameters_must_be_positive(field: str, value: float) -> None:
    fields = {"order": 2.0, "beta": 0.1, "sigma_ss": 1.0, "tau_s": 1.0, "floor": 1e-4}
    with pytest.raises(InputError):
        SanitisedReleaseEvent(**(fields | {field: value}))

"""RDP curves: conversion, composition, refusals."""

import math

import numpy as np
import pytest
from dp_accounting.rdp.rdp_privacy_accountant import compute_epsilon
from hypothesis import given
from hypothesis import strategies as st

from pate.accounting.curve import DEFAULT_ORDERS, EpsilonBound, RDPCurve, require_delta
from pate.arrays import FloatArray
from pate.errors import InputError


def zero_curve(orders_A: FloatArray = DEFAULT_ORDERS) -> RDPCurve:
    """The cost of releasing nothing."""
    return RDPCurve(orders_A, np.zeros(len(orders_A)))


@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("rho", [1e-3, 0.05, 0.4, 3.0])
def test_conversion_agrees_with_dp_accounting(rho: float, delta: float) -> None:
    curve = RDPCurve(DEFAULT_ORDERS, rho * DEFAULT_ORDERS)
    epsilon, order = compute_epsilon(list(DEFAULT_ORDERS), list(curve.rdp_A), delta)
    assert curve.epsilon(delta)[0] == pytest.approx(epsilon, rel=1e-12)
    if epsilon > 0:
        assert curve.epsilon(delta)[1] == order


@given(rdp=st.floats(0, 50), order=st.floats(1.01, 500), delta=st.floats(1e-12, 0.5))
def test_2020_conversion_is_never_above_2017_and_never_negative(rdp: float, order: float, delta: float) -> None:
    curve = RDPCurve(np.array([order]), np.array([rdp]))
    improved, older = curve.epsilon(delta)[0], curve.epsilon_2017(delta)[0]
    assert 0 <= improved <= older + 1e-12


def test_conversion_clamps_at_zero() -> None:
    assert zero_curve().epsilon(0.5)[0] == 0.0


def test_conversion_is_sound_for_a_gaussian_of_known_profile() -> None:
    """delta(eps) of a Gaussian with sensitivity 1 is known in closed form (Balle, Wang 2018, theorem 8)."""
    sigma, delta = 2.0, 1e-6
    epsilon, _ = RDPCurve(DEFAULT_ORDERS, DEFAULT_ORDERS / (2 * sigma**2)).epsilon(delta)

    def normal_cdf(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    a, b = 1 / (2 * sigma) - epsilon * sigma, -1 / (2 * sigma) - epsilon * sigma
    assert normal_cdf(a) - math.exp(epsilon) * normal_cdf(b) <= delta


def test_curves_add_and_repeat_order_by_order() -> None:
    orders = np.array([2.0, 4.0])
    a, b = RDPCurve(orders, np.array([0.1, 0.3])), RDPCurve(orders, np.array([0.2, np.inf]))
    np.testing.assert_array_equal((a + b).rdp_A, [0.1 + 0.2, np.inf])
    np.testing.assert_allclose(a.repeated(3).rdp_A, (a + a + a).rdp_A)


def test_curves_on_different_orders_do_not_add() -> None:
    with pytest.raises(InputError, match="same orders"):
        zero_curve(np.array([2.0])) + zero_curve(np.array([3.0]))


@pytest.mark.parametrize(
    ("orders", "rdp"),
    [([1.0], [0.1]), ([0.5], [0.1]), ([2.0], [-0.1]), ([2.0], [math.nan]), ([math.inf], [0.1]), ([2.0, 3.0], [0.1])],
)
def test_meaningless_curves_are_refused(orders: list[float], rdp: list[float]) -> None:
    with pytest.raises(InputError):
        RDPCurve(np.array(orders), np.array(rdp))


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, 2.0, math.nan])
def test_delta_outside_the_open_unit_interval_is_refused(delta: float) -> None:
    with pytest.raises(InputError, match="0 < delta < 1"):
        require_delta(delta)
    with pytest.raises(InputError):
        zero_curve().epsilon(delta)


@pytest.mark.parametrize("epsilon", [-1.0, math.nan])
def test_an_epsilon_that_is_no_bound_is_refused(epsilon: float) -> None:
    with pytest.raises(InputError):
        EpsilonBound(epsilon=epsilon, delta=1e-5, kind="private", accountant="exact")


def test_default_orders_are_read_only_increasing_and_above_one() -> None:
    assert (np.diff(DEFAULT_ORDERS) > 0).all()
    assert DEFAULT_ORDERS[0] > 1
    with pytest.raises(ValueError, match="read-only"):
        DEFAULT_ORDERS[0] = 2.0

"""The plain data-independent accountant against dp-accounting and closed forms."""

import math

import dp_accounting
import numpy as np
import pytest
from dp_accounting.rdp import RdpAccountant

from pate.accounting.curve import DEFAULT_ORDERS
from pate.accounting.data_independent.gaussian import gaussian_rdp, randomised_response_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    RepeatedEvent,
    ThresholdTestEvent,
)

MNIST_2018 = ConfidentGNMaxEvent(threshold=200.0, sigma_threshold=150.0, sigma=40.0, max_asked=640, max_answered=286)


def dp_accounting_epsilon(multipliers_and_counts: list[tuple[float, int]], delta: float) -> float:
    accountant = RdpAccountant(orders=list(DEFAULT_ORDERS))
    for multiplier, count in multipliers_and_counts:
        accountant.compose(dp_accounting.GaussianDpEvent(multiplier), count)
    return accountant.get_epsilon(delta)


@pytest.mark.parametrize("sigma", [5.0, 40.0, 150.0])
@pytest.mark.parametrize("count", [1, 286])
def test_gnmax_is_a_gaussian_of_sensitivity_sqrt_2(sigma: float, count: int) -> None:
    ours = gaussian_rdp(RepeatedEvent(event=GNMaxEvent(sigma=sigma), count=count)).epsilon(1e-5)[0]
    assert ours == pytest.approx(dp_accounting_epsilon([(sigma / math.sqrt(2), count)], 1e-5), rel=1e-10)


def test_published_mnist_campaign_costs_2_76() -> None:
    epsilon, _ = gaussian_rdp(MNIST_2018).epsilon(1e-5)
    theirs = dp_accounting_epsilon([(150.0, 640), (40.0 / math.sqrt(2), 286)], 1e-5)
    assert epsilon == pytest.approx(theirs, rel=1e-10)
    assert epsilon == pytest.approx(2.76, abs=0.005)


def test_published_mnist_campaign_costs_3_17_by_the_older_conversion() -> None:
    assert gaussian_rdp(MNIST_2018).epsilon_2017(1e-5)[0] == pytest.approx(3.17, abs=0.005)


def test_composition_is_a_sum_of_its_parts() -> None:
    parts = (
        RepeatedEvent(event=ThresholdTestEvent(sigma=150.0), count=640),
        RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=286),
    )
    np.testing.assert_allclose(
        gaussian_rdp(ComposedEvent(events=parts)).rdp_A, gaussian_rdp(MNIST_2018).rdp_A, rtol=1e-12
    )
    assert (gaussian_rdp(ComposedEvent(events=())).rdp_A == 0).all()


@pytest.mark.parametrize("event", [GNMaxEvent, ThresholdTestEvent])
def test_moving_k_votes_costs_k_squared(event: type) -> None:
    one, three = gaussian_rdp(event(sigma=40.0)), gaussian_rdp(event(sigma=40.0, moved_votes=3))
    np.testing.assert_allclose(three.rdp_A, 9 * one.rdp_A)


def test_moving_k_votes_through_laplace_noise_multiplies_epsilon() -> None:
    np.testing.assert_allclose(
        gaussian_rdp(LNMaxEvent(scale=60.0, moved_votes=3)).rdp_A, gaussian_rdp(LNMaxEvent(scale=20.0)).rdp_A
    )


def test_lnmax_never_exceeds_its_pure_bound_and_reaches_it_at_high_orders() -> None:
    rdp = gaussian_rdp(LNMaxEvent(scale=20.0)).rdp_A
    assert (rdp <= 0.1 + 1e-15).all()
    assert (np.diff(rdp) >= 0).all()
    assert rdp[-1] == pytest.approx(0.1, rel=0.01)


def test_randomised_response_is_its_own_divergence() -> None:
    eps, orders = 0.7, np.array([1.5, 2.0, 9.0])
    p = math.exp(eps) / (1 + math.exp(eps))
    expected = np.log(p**orders * (1 - p) ** (1 - orders) + (1 - p) ** orders * p ** (1 - orders)) / (orders - 1)
    np.testing.assert_allclose(randomised_response_rdp(eps, orders), expected, rtol=1e-12)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 30.0, 800.0])
def test_randomised_response_is_finite_and_positive_at_extremes(epsilon: float) -> None:
    rdp = randomised_response_rdp(epsilon, DEFAULT_ORDERS)
    assert np.isfinite(rdp).all()
    assert (rdp > 0).all()

"""A data-dependent number as it is shown: its grid, its bounds with the stated confidence, what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pate.accounting.data_independent.sanitised_release import sanitised_release_rdp
from pate.accounting.events import SanitisedReleaseEvent
from pate.accounting.sanitised.release import SanitisedEstimate, require_finite, sanitised_estimate, sanitiser_noise
from pate.errors import InputError

RELEASE = SanitisedReleaseEvent(order=12.0, beta=0.02, sigma_ss=6.0, tau_s=0.4)


def shown(
    event: SanitisedReleaseEvent = RELEASE,
    *,
    cost: float,
    smooth_sensitivity: float,
    cost_noise: int = 0,
    log_noise: int = 0,
) -> SanitisedEstimate:
    return sanitised_estimate(
        event,
        cost=cost,
        smooth_sensitivity=smooth_sensitivity,
        cost_noise=cost_noise,
        log_noise=log_noise,
        basis="b",
    )


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
    log_steps, cost_steps = (
        np.arange(-math.ceil(7 * sigma), math.ceil(7 * sigma) + 1) for sigma in (noise.log_sigma, noise.cost_sigma)
    )
    cumulative = discrete_mass(noise.cost_sigma, cost_steps).cumsum()
    true = shown(event, cost=cost, smooth_sensitivity=smooth).epsilon(1e-5).epsilon
    probability = 0.0
    for k, mass in zip(log_steps, discrete_mass(noise.log_sigma, log_steps), strict=True):
        found = shown(event, cost=cost, smooth_sensitivity=smooth, log_noise=int(k)).epsilon(1e-5, confidence)
        if found.standard_deviation >= width:
            spare = math.floor((found.upper - true) / (event.floor / 16))  # noise below minus this: a bound too low
            probability += mass * (1 - cumulative[max(0, np.searchsorted(cost_steps, -spare) - 1)])
    assert confidence <= probability <= (1 + confidence) / 2 + 1e-3  # rounding is on the safe side


def test_epsilon_is_the_estimate_and_its_own_cost_at_one_order() -> None:
    estimate = shown(cost=0.7, smooth_sensitivity=0.01)
    own = sanitised_release_rdp(RELEASE, np.array([12.0]))[0]
    converted = math.log1p(-1 / 12) - (math.log(1e-5) + math.log(12)) / 11
    found = estimate.epsilon(1e-5)
    assert found.epsilon == pytest.approx(0.7 + own + converted, abs=RELEASE.floor)
    assert found.epsilon < found.upper
    assert (found.order, found.delta, found.confidence, found.basis) == (12.0, 1e-5, 0.95, "b")


def test_estimate_moves_by_one_grid_step_per_unit_of_noise() -> None:
    estimates = [shown(cost=0.2, smooth_sensitivity=0.01, cost_noise=k).rdp for k in (0, 1, -40000)]
    assert estimates[1] - estimates[0] == pytest.approx(RELEASE.floor / 16)
    assert estimates[2] < 0
    assert shown(cost=0.2, smooth_sensitivity=0.01, cost_noise=-40000).epsilon(1e-5).epsilon >= 0


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


def test_private_noise_parameters_do_not_print() -> None:
    assert "0.0123" not in repr(sanitiser_noise(RELEASE, 0.0123))
    assert "sigma" not in repr(sanitiser_noise(RELEASE, 0.0123))

"""A sanitised data-dependent estimate: its noise, the noisy integers, and the estimate that they encode. No noise is
drawn here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import ndtri

from pate.accounting.curve import RDPCurve
from pate.accounting.data_independent.sanitised_release import (
    BETA_ROUNDING,
    STEPS_PER_BETA,
    STEPS_PER_FLOOR,
    sanitised_release_rdp,
)
from pate.accounting.events import SanitisedReleaseEvent
from pate.errors import expected
from pate.values import Redacted


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SanitiserNoise(Redacted):
    """The discrete Gaussian noise that a release needs, in steps of its grids. Private: it depends on ``S``.

    Attributes:
        cost_sigma: standard deviation parameter of the noise on the cost.
        log_sigma: standard deviation parameter of the noise on ``ln S``.
    """

    cost_sigma: float
    log_sigma: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SanitisedEpsilon:
    """A sanitised estimate as epsilon: a noisy estimate with its standard deviation, not differential privacy.

    Attributes:
        epsilon: the estimate of the per-instance cost of the labels, with the cost of showing it on top, nats.
        standard_deviation: upper confidence bound on the standard deviation of ``epsilon``.
        upper: upper confidence bound on what ``epsilon`` estimates; ``standard_deviation`` is too small or this is,
            with probability at most ``1 - confidence`` over the noise.
        confidence: see ``upper``.
        delta: the failure probability that epsilon goes with.
        order: the Renyi order of the estimate.
        basis: the account of the votes that is estimated.
    """

    epsilon: float
    standard_deviation: float
    upper: float
    confidence: float
    delta: float
    order: float
    basis: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SanitisedEstimate:
    """The two noisy integers that a release shows. Public once its event is charged and its noise was drawn.

    Attributes:
        release: the event that paid for it.
        cost_steps: the noisy cost, in steps of ``floor / 16`` nats; may be negative.
        width_steps: the noisy logarithm of the standard deviation, in steps of ``beta / 64``.
        basis: the account of the votes that is estimated.
    """

    release: SanitisedReleaseEvent
    cost_steps: int
    width_steps: int
    basis: str

    @property
    def rdp(self) -> float:
        """The noisy cost at the release's order, nats."""
        return self.cost_steps * _grid(self.release)

    def width(self, confidence: float) -> float:
        """Upper confidence bound on the standard deviation of ``rdp``: ``exp(m + z tau_s)``, ``m`` the noisy logarithm.

        The discrete tail beyond ``m`` is below the continuous one beyond ``m - 1``, and rounding moves half a step.
        """
        log_grid = _log_grid(self.release)
        return math.exp(self.width_steps * log_grid + _quantile(confidence) * self.release.tau_s + 2 * log_grid)

    def epsilon(self, delta: float, confidence: float = 0.95) -> SanitisedEpsilon:
        """The estimate at ``delta``, its standard deviation, and an upper bound; both bounds together hold with
        ``confidence``.

        Args:
            delta: failure probability.
            confidence: in (0, 1); half of what is left is spent on each bound.
        """
        each = (1 + confidence) / 2
        width, order = self.width(each), self.release.order
        own = float(sanitised_release_rdp(self.release, np.array([order]))[0])
        highest = self.rdp + _quantile(each) * width + 2 * _grid(self.release)
        estimate, upper = (
            RDPCurve(np.array([order]), np.array([max(0.0, rdp) + own])).epsilon(delta)[0]
            for rdp in (self.rdp, highest)
        )
        return SanitisedEpsilon(
            epsilon=estimate,
            standard_deviation=width,
            upper=upper,
            confidence=confidence,
            delta=delta,
            order=order,
            basis=self.basis,
        )


def sanitiser_noise(event: SanitisedReleaseEvent, smooth_sensitivity: float) -> SanitiserNoise:
    """The noise to draw for a release, from the exact sampler, one integer each.

    Args:
        event: the release, fixed before votes existed.
        smooth_sensitivity: the ``event.beta``-smooth sensitivity of the cost, nats. Private.
    """
    width = _width(event, smooth_sensitivity)
    return SanitiserNoise(cost_sigma=width / _grid(event), log_sigma=event.tau_s / _log_grid(event))


def sanitised_estimate(
    event: SanitisedReleaseEvent,
    *,
    cost: float,
    smooth_sensitivity: float,
    cost_noise: int,
    log_noise: int,
    basis: str,
) -> SanitisedEstimate:
    """The estimate that is shown, from the private cost and noise that was drawn as specified by ``sanitiser_noise``.

    Args:
        event: the release.
        cost: the Renyi cost at ``event.order``, nats. Private.
        smooth_sensitivity: its ``event.beta``-smooth sensitivity, nats. Private.
        cost_noise: the integer drawn for the cost.
        log_noise: the integer drawn for ``ln S``.
        basis: the account of the votes that is estimated.
    """
    if not (math.isfinite(cost) and cost >= 0):
        raise expected("a finite cost >= 0", "give the Renyi cost at the event's order")
    log_width = math.log(_width(event, smooth_sensitivity))
    return SanitisedEstimate(
        release=event,
        cost_steps=round(cost / _grid(event)) + cost_noise,
        width_steps=round(log_width / _log_grid(event)) + log_noise,
        basis=basis,
    )


def require_finite(event: SanitisedReleaseEvent) -> None:
    """Refuse a release whose cost is unbounded at its own order, or at all orders that accountants evaluate.

    Raises:
        InputError: what to change; found from public parameters alone.
    """
    most = math.log1p(1 / (event.order - 1)) / 2
    if event.beta + BETA_ROUNDING >= most:
        raise expected(f"privacy.sanitised.beta < {most:.4g} at order {event.order:g}", "lower it", beta=event.beta)
    if not np.isfinite(sanitised_release_rdp(event, np.array([event.order]))).all():
        raise expected(
            "noise of a sanitised estimate above its grid", "raise privacy.sanitised.sigma_ss", sigma_ss=event.sigma_ss
        )


def _grid(event: SanitisedReleaseEvent) -> float:
    """A step of the cost's grid, nats."""
    return event.floor / STEPS_PER_FLOOR


def _log_grid(event: SanitisedReleaseEvent) -> float:
    """A step of the grid of the width's logarithm."""
    return event.beta / STEPS_PER_BETA


def _quantile(confidence: float) -> float:
    """The standard normal quantile."""
    if not 0 < confidence < 1:
        raise expected("0 < confidence < 1", "choose for instance 0.95", confidence=confidence)
    return float(ndtri(confidence))


def _width(event: SanitisedReleaseEvent, smooth_sensitivity: float) -> float:
    if not (math.isfinite(smooth_sensitivity) and smooth_sensitivity >= 0):
        raise expected("a finite smooth sensitivity >= 0", "compute it from the votes at the event's beta")
    return event.sigma_ss * (smooth_sensitivity + event.floor)

"""The plain data-independent accountant: sensitivity and noise, nothing about the votes.

Bounds hold for the discrete noise that is drawn: the discrete Gaussian obeys the continuous Gaussian's Renyi
bound for integer shifts (Canonne, Kamath, Steinke 2020, theorem 4), coordinates add, and the argmax is
post-processing.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from pate.accounting.curve import DEFAULT_ORDERS, RDPCurve, zero_curve
from pate.accounting.data_independent.sanitised_release import sanitised_release_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    kind_of,
)
from pate.arrays import FloatArray


@singledispatch
def _rdp(event: PrivacyEvent, orders_A: FloatArray) -> RDPCurve:
    raise TypeError(f"no gaussian cost is defined for {kind_of(event)}")


def gaussian_rdp(event: PrivacyEvent, orders_A: FloatArray = DEFAULT_ORDERS) -> RDPCurve:
    """Data-independent RDP of an event.

    Args:
        event: what is released; ``moved_votes = k`` multiplies sensitivities by ``k``.
        orders_A: Renyi orders, each > 1. Shape ``[A]``.

    Returns:
        The curve. GNMax: ``k^2 alpha / sigma^2`` (Papernot et al. 2018, proposition 8: two counts move);
        a threshold test: ``k^2 alpha / (2 sigma^2)``; LNMax: the Renyi divergence of randomised response at
        ``2k / scale``, the largest of any ``2k / scale``-DP release.
    """
    return _rdp(event, np.asarray(orders_A, dtype=np.float64))


@_rdp.register
def _(event: GNMaxEvent, orders_A: FloatArray) -> RDPCurve:
    return RDPCurve(orders_A, orders_A * (event.moved_votes / event.sigma) ** 2)


@_rdp.register
def _(event: ThresholdTestEvent, orders_A: FloatArray) -> RDPCurve:
    return RDPCurve(orders_A, orders_A * (event.moved_votes / event.sigma) ** 2 / 2)


@_rdp.register
def _(event: LNMaxEvent, orders_A: FloatArray) -> RDPCurve:
    return RDPCurve(orders_A, randomised_response_rdp(2 * event.moved_votes / event.scale, orders_A))


@_rdp.register
def _(event: ConfidentGNMaxEvent, orders_A: FloatArray) -> RDPCurve:
    test = ThresholdTestEvent(sigma=event.sigma_threshold, moved_votes=event.moved_votes)
    answer = GNMaxEvent(sigma=event.sigma, moved_votes=event.moved_votes)
    return _rdp(test, orders_A).repeated(event.max_asked) + _rdp(answer, orders_A).repeated(event.max_answered)


@_rdp.register
def _(event: SanitisedReleaseEvent, orders_A: FloatArray) -> RDPCurve:
    return RDPCurve(orders_A, sanitised_release_rdp(event, orders_A))


@_rdp.register
def _(event: RepeatedEvent, orders_A: FloatArray) -> RDPCurve:
    return _rdp(event.event, orders_A).repeated(event.count)


@_rdp.register
def _(event: ComposedEvent, orders_A: FloatArray) -> RDPCurve:
    total = zero_curve(orders_A)
    for part in event.events:
        total = total + _rdp(part, orders_A)
    return total


def randomised_response_rdp(epsilon: float, orders_A: FloatArray) -> FloatArray:
    """``log(p^a q^(1-a) + q^a p^(1-a)) / (a - 1)`` with ``p = e^eps/(1+e^eps)``, ``q = 1-p``.

    The largest Renyi divergence of any pure ``epsilon``-DP release: its outcomes are dominated by randomised
    response (Kairouz, Oh, Viswanath 2015, theorem 3.2). Never above ``min(epsilon, alpha epsilon^2 / 2)``.
    """
    log_p, log_q = -np.log1p(np.exp(-epsilon)), -epsilon - np.log1p(np.exp(-epsilon))
    forward = orders_A * log_p + (1 - orders_A) * log_q
    backward = orders_A * log_q + (1 - orders_A) * log_p
    rdp_A: FloatArray = np.logaddexp(forward, backward) / (orders_A - 1)
    return np.clip(rdp_A, 0.0, np.minimum(epsilon, orders_A * epsilon**2 / 2))

"""The plain data-independent accountant: sensitivity and noise, nothing about the votes.

Bounds hold for the discrete noise that is drawn: the discrete Gaussian obeys the continuous Gaussian's Renyi
bound for integer shifts (Canonne, Kamath, Steinke 2020, theorem 4), coordinates add, and the argmax is
post-processing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pate.accounting.curve import DEFAULT_ORDERS, RDPCurve
from pate.accounting.data_independent.sanitised_release import sanitised_release_rdp
from pate.accounting.events import (
    GNMaxEvent,
    Leaf,
    LNMaxEvent,
    PrivacyEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    leaves,
)
from pate.arrays import FloatArray


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
    return composed_rdp(event, orders_A, leaf_rdp)


def composed_rdp(
    event: PrivacyEvent, orders_A: FloatArray, rdp_of: Callable[[Leaf, FloatArray], FloatArray]
) -> RDPCurve:
    """RDP of an event from the cost of each release in it: costs add up (Mironov 2017, proposition 1)."""
    orders_A = np.asarray(orders_A, dtype=np.float64)
    total_A = np.zeros(len(orders_A))
    for leaf, count in leaves(event).items():
        total_A += rdp_of(leaf, orders_A) * count
    return RDPCurve(orders_A, total_A)


def leaf_rdp(leaf: Leaf, orders_A: FloatArray) -> FloatArray:
    """``gaussian_rdp`` of one release, shape ``[A]``."""
    match leaf:
        case GNMaxEvent():
            return orders_A * (leaf.moved_votes / leaf.sigma) ** 2
        case ThresholdTestEvent():
            return orders_A * (leaf.moved_votes / leaf.sigma) ** 2 / 2
        case LNMaxEvent():
            return randomised_response_rdp(2 * leaf.moved_votes / leaf.scale, orders_A)
        case SanitisedReleaseEvent():
            return sanitised_release_rdp(leaf, orders_A)


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

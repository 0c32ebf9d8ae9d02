"""Tight data-independent Renyi-DP: the costliest histogram that a release could meet.

The costs are suprema of Renyi divergences over the outcome laws of ``outcome_pairs``; the proofs, and where each
rounding goes, are in ``docs/explanation/accounting.md``.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pate.accounting.curve import DEFAULT_ORDERS, RDPCurve
from pate.accounting.data_independent.gaussian import composed_rdp, leaf_rdp
from pate.accounting.data_independent.outcome_pairs import (
    MOST_NOISE,
    MOST_TEST_NOISE,
    CoverPlan,
    no_rival_pairs,
    three_way_pairs,
    threshold_pairs,
)
from pate.accounting.events import GNMaxEvent, Leaf, PrivacyEvent, ThresholdTestEvent
from pate.arrays import FloatArray

_NEGLIGIBLE = 30.0  # nats: what a box leaves out adds at most 8 e^-30 to a moment, relative to 1
_FLOOR = 1e-280  # an outcome below this in either law adds nothing that the slack does not hold
_LOWEST = 1.05
_SPARED = (0.003, 0.08)
_SMOOTHNESS = 1.2
_COARSE, _FINE = 0.5, 0.11  # log-steps of alpha - 1


def worst_case_rdp(event: PrivacyEvent, orders_A: FloatArray = DEFAULT_ORDERS) -> RDPCurve:
    """Data-independent RDP of an event, never above ``gaussian_rdp``.

    Args:
        event: what is released. A GNMax release with ``moved_votes = 1`` costs
            ``sup_(u,v) D_alpha(law(u, v) || law(u-1, v+1))`` over three-way tests; a threshold test the supremum
            of a two-way test with sensitivity ``moved_votes``; every other leaf its ``gaussian_rdp``.
        orders_A: Renyi orders, each > 1. Shape ``[A]``.

    Returns:
        The curve, rounded up.
    """
    return composed_rdp(event, orders_A, _leaf_rdp)


def _leaf_rdp(leaf: Leaf, orders_A: FloatArray) -> FloatArray:
    plain_A = leaf_rdp(leaf, orders_A)
    if isinstance(leaf, GNMaxEvent) and leaf.moved_votes == 1 and leaf.sigma <= MOST_NOISE:
        return np.minimum(plain_A, _at_orders(argmax_table(leaf.sigma), orders_A))
    if isinstance(leaf, ThresholdTestEvent) and leaf.sigma <= MOST_TEST_NOISE:
        return np.minimum(plain_A, _at_orders(threshold_table(leaf.sigma, leaf.moved_votes), orders_A))
    return plain_A


def _at_orders(table: tuple[FloatArray, FloatArray], orders_A: FloatArray) -> FloatArray:
    """``(alpha - 1) D_alpha`` is convex and 0 at order 1, so chords between tabulated orders bound it."""
    orders_G, excess_G = table
    chord_A = np.interp(orders_A, np.append(1.0, orders_G), np.append(0.0, excess_G), right=np.inf)
    bound_A: FloatArray = chord_A / (orders_A - 1) * (1 + 1e-12)
    return bound_A


@lru_cache(maxsize=256)
def argmax_table(sigma: float) -> tuple[FloatArray, FloatArray]:
    """``(alpha - 1) D_alpha`` of the costliest argmax release at increasing orders, one vote moved.

    Args:
        sigma: noise of one count, in votes.

    Returns:
        Orders and values, each of shape ``[G]``; values rounded up.
    """
    top = min((8 if sigma <= 8 else 4 if sigma <= 20 else 2) * sigma, float(DEFAULT_ORDERS[-1]))
    if top <= _LOWEST:
        return np.empty(0), np.empty(0)
    width = math.sqrt(2 * ((top / sigma) ** 2 / (1 - _SPARED[0]) + _NEGLIGIBLE))
    fine = math.sqrt(_SPARED[0] * _SPARED[1]) * 2 * sigma**2 / _SMOOTHNESS**2 > 2.0
    plan = CoverPlan(
        sigma=sigma,
        reach=math.sqrt(2) * top + width * sigma + 1,
        spared_q=_SPARED[0] if fine else 0.0,
        spared_p=_SPARED[1] if fine else 0.0,
        smoothness=_SMOOTHNESS,
        margin=width + 1 if fine else 0.0,
        tilt=top,
        window=width,
    )
    blocks = [(p.reshape(-1, 3), q.reshape(-1, 3)) for p, q in three_way_pairs(plan)]
    p_NO, q_NO = (np.concatenate(laws) for laws in zip(*blocks, strict=True))
    orders_G, top_G = _suprema(np.concatenate([p_NO, q_NO]), np.concatenate([q_NO, p_NO]), top)
    top_G = top_G + plan.slack * (2 * orders_G - 1)
    far = math.ceil(plan.reach)
    for p_NO, q_NO in (threshold_pairs(sigma, far), no_rival_pairs(sigma, 2 * far)):
        top_G = np.maximum(top_G, _suprema(p_NO, q_NO, top)[1])
    return orders_G, top_G + 8 * math.exp(-_NEGLIGIBLE) * orders_G


@lru_cache(maxsize=256)
def threshold_table(sigma: float, moved_votes: int) -> tuple[FloatArray, FloatArray]:
    """``(alpha - 1) D_alpha`` of the costliest threshold test at increasing orders.

    Args:
        sigma: noise of the test, in votes.
        moved_votes: how far the top count may move.

    Returns:
        Orders and values, each of shape ``[G]``; values rounded up.
    """
    top = min(8 * sigma / moved_votes, float(DEFAULT_ORDERS[-1]))
    if top <= _LOWEST:
        return np.empty(0), np.empty(0)
    tilt = top * moved_votes
    width = math.sqrt((tilt / sigma) ** 2 + 2 * _NEGLIGIBLE)
    p_NO, q_NO = threshold_pairs(sigma, math.ceil(tilt + width * sigma) + 1, moved_votes)
    orders_G, top_G = _suprema(np.concatenate([p_NO, q_NO]), np.concatenate([q_NO, p_NO]), top)
    return orders_G, top_G + 8 * math.exp(-_NEGLIGIBLE) * orders_G


def _suprema(p_NO: FloatArray, q_NO: FloatArray, top: float) -> tuple[FloatArray, FloatArray]:
    """Orders up to ``top`` and the largest ``(alpha - 1) D_alpha`` over pairs at each.

    All pairs are evaluated at few orders; in between only those whose chord, an upper bound because the value is
    convex in the order, reaches what the best of them attains.
    """
    span = math.log((top - 1) / (_LOWEST - 1))
    each = max(1, math.ceil(_COARSE / _FINE))
    powers_G = np.geomspace(_LOWEST - 1, top - 1, each * max(1, math.ceil(span / _COARSE)) + 1)
    present = (p_NO > _FLOOR) & (q_NO > _FLOOR)
    p_NO = np.where(present, p_NO, 0.0)
    loss_NO = np.log(np.where(present, p_NO, 1.0) / np.where(present, q_NO, 1.0))
    top_G = np.zeros(len(powers_G))
    left_N = _moments(p_NO, loss_NO, powers_G[0])
    top_G[0] = left_N.max()
    for start in range(0, len(powers_G) - 1, each):
        left, right = powers_G[start], powers_G[start + each]
        right_N = _moments(p_NO, loss_NO, right)
        top_G[start + each] = right_N.max()
        best = np.array([left_N.argmax(), right_N.argmax()])
        for g in range(start + 1, start + each):
            part = (powers_G[g] - left) / (right - left)
            reached = _moments(p_NO[best], loss_NO[best], powers_G[g]).max()
            open_N = (1 - part) * left_N + part * right_N >= reached
            top_G[g] = max(reached, _moments(p_NO[open_N], loss_NO[open_N], powers_G[g]).max(initial=0.0))
        left_N = right_N
    return 1 + powers_G, top_G


def _moments(p_NO: FloatArray, loss_NO: FloatArray, power: float) -> FloatArray:
    """``log sum_o P e^(power * loss)`` of every pair, shape ``[N]``, within ``1e-15 (1 + value)``."""
    value_N: FloatArray = np.log1p(np.maximum((p_NO * np.expm1(power * loss_NO)).sum(axis=1), 0.0))
    return value_N

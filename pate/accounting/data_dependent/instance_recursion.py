"""The recursion for the votes at hand: step ``i`` presents only the neighbours of histogram ``n_i``.

Private like every data-dependent number, and a statement about this data set only. The queries must be fixed before
the first answer. Bounds the privacy of a unit whose one vote per query moves in the way that costs most, where
Renyi-DP summed over queries bounds the same more loosely.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.accounting.curve import require_delta
from pate.accounting.privacy_curve import PrivacyCurve, mirrored, trimmed
from pate.arrays import FloatArray, IntArray
from pate.errors import expected

Pairs: TypeAlias = tuple[FloatArray, FloatArray]
"""``log P`` and ``log Q`` of the pairs that one query can present, ``[B, X]``, or ``[X]`` for a ``P`` they share."""

_POWERS = (-20.0, -6.0, 0.5, 7.0, 21.0)
_LAW_ERROR = 4e-12  # nats that the logarithm of a given probability may err, normalisation included
_ALLOWANCE = 3e-3
_ROUND_UP = 1 + 1e-13
_TINY = 1e-60
_FIRST_POINTS, _MOST_POINTS = 1500, 12_000


@final
@dataclass(frozen=True, slots=True)
class QueryPairs:
    """Few pairs that dominate all pairs of one query, on some losses of a grid.

    Attributes:
        losses_J: losses in steps, increasing.
        mass_MJ: ``P`` of each loss ``ln(P/Q)``.
        escaped_M: ``P`` beyond the grid.
        back_MJ: ``Q`` of each loss ``ln(Q/P)``.
        back_escaped_M: ``Q`` beyond the grid.
    """

    losses_J: IntArray
    mass_MJ: FloatArray
    escaped_M: FloatArray
    back_MJ: FloatArray
    back_escaped_M: FloatArray


def instance_epsilon(queries: Sequence[Pairs], delta: float, reach: float, tolerance: float = 5e-3) -> float:
    """``epsilon`` at ``delta`` of a fixed list of queries, on grids refined until it changes no more.

    Args:
        queries: the pairs of each query; every neighbour of the data set picks one pair per query.
        delta: failure probability.
        reach: an upper bound on the result, nats, for instance from summed Renyi-DP; the result never exceeds it.
        tolerance: relative change at which refinement ends.

    Returns:
        Nats, rounded up; never above ``reach``.
    """
    require_delta(delta)
    best, points = reach, _FIRST_POINTS
    while points <= _MOST_POINTS:
        found = instance_curve(queries, 1.3 * reach / points, 1.3 * reach).epsilon(delta)
        still = found >= best * (1 - tolerance)
        best = min(best, found)
        if still and points > _FIRST_POINTS:
            break
        points *= 2
    return best


def instance_curve(queries: Iterable[Pairs], step: float, reach: float) -> PrivacyCurve:
    """The curve of a fixed list of queries on one grid, both directions.

    Args:
        queries: the pairs of each query.
        step: distance of losses, nats.
        reach: ``eps`` at which the grid ends, nats.
    """
    size = math.ceil(reach / step) + 1
    forward = backward = np.zeros(size)
    slack = 0.0
    for log_p, log_q in queries:
        pairs = query_pairs(log_p, log_q, step, size - 1)
        ahead = _stepped(pairs.losses_J, pairs.mass_MJ, pairs.escaped_M, forward, backward, step)
        backward = _stepped(pairs.losses_J, pairs.back_MJ, pairs.back_escaped_M, backward, forward, step)
        forward, slack = ahead, slack + _LAW_ERROR
    return trimmed(step, forward, backward).loosened(slack, 0.0)


def query_pairs(log_p: FloatArray, log_q: FloatArray, step: float, most: int) -> QueryPairs:
    """Few pairs that dominate the given ones: largest tents of groups, sampled where the costliest pairs bend.

    Args:
        log_p: ``log P``, nats. Shape ``[B, X]`` or ``[X]``.
        log_q: ``log Q``, nats. Shape ``[B, X]``.
        step: distance of losses, nats.
        most: losses kept on either side, in steps.
    """
    log_q_BX = np.atleast_2d(np.asarray(log_q, dtype=np.float64))
    log_p_BX = np.broadcast_to(np.asarray(log_p, dtype=np.float64), log_q_BX.shape)
    if np.isnan(log_p_BX).any() or np.isnan(log_q_BX).any():
        raise expected("logarithms of two laws", "an output law was not computed", shape=log_q_BX.shape)
    p_BX, q_BX = np.exp(log_p_BX), np.exp(log_q_BX)
    knots_G = _knots(log_p_BX, log_q_BX, step, most)
    t_G = np.exp(step * knots_G)
    over_BG = np.maximum(p_BX[:, :, None] - t_G * q_BX[:, :, None], 0.0).sum(axis=1)
    under_BG = np.maximum(q_BX[:, :, None] - t_G * p_BX[:, :, None], 0.0).sum(axis=1)
    order_B = np.argsort((over_BG * knots_G).sum(axis=1) - (under_BG * knots_G).sum(axis=1))
    over_MG, under_MG = _grouped(over_BG[order_B], under_BG[order_B], t_G, step * knots_G)
    forward = _masses(over_MG, under_MG, t_G)
    backward = _masses(under_MG, over_MG, t_G)
    losses_J = np.concatenate([-knots_G[:0:-1], knots_G])
    return QueryPairs(losses_J, forward, over_MG[:, -1], backward, under_MG[:, -1])


def _knots(log_p_BX: FloatArray, log_q_BX: FloatArray, step: float, most: int) -> IntArray:
    """Grid points around the losses of the costliest pairs, and a ladder over all others."""
    loss_BX = np.nan_to_num(log_p_BX - log_q_BX, nan=0.0, posinf=most * step, neginf=-most * step)
    size_BX = np.minimum(np.abs(loss_BX) / step, most - 1)
    cost_B = (np.exp(np.maximum(log_p_BX, log_q_BX)) * np.minimum(loss_BX**2, 1.0)).sum(axis=1)
    some = np.floor(size_BX[np.argsort(cost_B)[-3:]]).astype(np.int64).ravel()
    ladder = np.unique(np.round(np.geomspace(1, most, 14)).astype(np.int64))
    return np.unique(np.concatenate([[0, most], some, some + 1, ladder]))


def _grouped(
    over_BG: FloatArray, under_BG: FloatArray, t_G: FloatArray, loss_G: npt.NDArray[np.floating]
) -> tuple[FloatArray, FloatArray]:
    """Largest tents of groups of consecutive pairs, as long as no moment exceeds the largest of single pairs."""
    weights_JT = _weights(loss_G)
    limits_T = (_masses(over_BG, under_BG, t_G) @ weights_JT).max(axis=0) * (1 + _ALLOWANCE)
    over, under, start = [], [], 0
    while start < len(over_BG):
        so_far = [np.maximum.accumulate(rows[start:], axis=0) for rows in (over_BG, under_BG)]
        fits = np.all(_masses(so_far[0], so_far[1], t_G) @ weights_JT <= limits_T, axis=1)
        best = len(fits) if fits.all() else max(1, int(np.argmin(fits)))
        over.append(so_far[0][best - 1])
        under.append(so_far[1][best - 1])
        start += best
    return np.array(over), np.array(under)


def _weights(loss_G: npt.NDArray[np.floating]) -> FloatArray:
    """``phi(t) / t`` of every loss, ``phi`` curved like ``t^(power - 2)``, for several powers: ``[2G-1, T]``."""
    loss_J = np.concatenate([-loss_G[:0:-1], loss_G])
    near_J = np.clip(loss_J, -10.0, 10.0)
    rows = [
        (np.expm1(power * near_J) - power * np.expm1(near_J)) / (power * (power - 1)) * np.exp(-near_J)
        for power in _POWERS
    ]
    weights: FloatArray = np.maximum(np.stack(rows, axis=1), 0.0)
    return weights


def _masses(over_MG: FloatArray, under_MG: FloatArray, t_G: FloatArray) -> FloatArray:
    """``P`` on the losses of the knots, negative ones first, of the pairs with these tents at the knots."""
    right = _kinks(over_MG, t_G) * t_G[1:]
    left = _kinks(under_MG, t_G)
    middle_M = np.maximum(1 - right.sum(axis=1) - left.sum(axis=1) - over_MG[:, -1], 0.0)
    return np.concatenate([left[:, ::-1], middle_M[:, None], right], axis=1)


def _kinks(row_MG: FloatArray, t_G: FloatArray) -> FloatArray:
    slope = np.diff(row_MG, axis=1) / np.diff(t_G)
    slope = np.concatenate([slope, np.zeros((len(slope), 1))], axis=1)
    kinks: FloatArray = np.maximum(np.diff(slope, axis=1), 0.0)
    return kinks


def _stepped(
    losses_J: IntArray,
    mass_MJ: FloatArray,
    escaped_M: FloatArray,
    value_G: FloatArray,
    mirror_G: FloatArray,
    step: float,
) -> FloatArray:
    used = np.flatnonzero(np.any(mass_MJ > 0, axis=0))
    size, far = len(value_G), int(np.abs(losses_J[used]).max(initial=0))
    row = np.concatenate([mirrored(mirror_G, step, far), value_G, np.full(far, value_G[-1])])
    best_G = np.full(size, _TINY)
    for start in range(0, size, 1024):
        stop = min(start + 1024, size)
        shifted = np.stack([row[far - j + start : far - j + stop] for j in losses_J[used]])
        reached = mass_MJ[:, used] @ shifted + escaped_M[:, None]
        best_G[start:stop] = np.maximum(reached.max(axis=0), _TINY)
    return np.minimum(best_G * _ROUND_UP, 1.0)

"""Few pairs of laws that between them dominate every pair one release can present, on a grid of losses.

A pair is kept as its tents ``sum_o (P - t Q)_+`` and ``sum_o (Q - t P)_+`` at ``t = e^(step * g)``, ``g >= 0``. The
largest tent of a group is convex where each member's is, so its chords are the tents of one pair that dominates the
whole group. Groups grow along a path through neighbouring pairs as long as no power moment of the likelihood ratio
exceeds what single pairs reach: that choice decides how tight the result is, never whether it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from pate.accounting.data_independent.outcome_pairs import (
    BLOCK,
    ROUNDING,
    CoverPlan,
    lattice_step,
    mixture_slack,
    three_way_pairs,
    threshold_pairs,
)
from pate.arrays import FloatArray, IntArray

_TILTS = (-1.1, -0.55, -0.27, -0.13, 0.02, 0.13, 0.27, 0.55, 1.1)  # powers, in units of one over a loss's size
_ALLOWANCE = 1e-3
_SPARED_Q, _SPARED_P, _SMOOTHNESS = 0.005, 0.08, 1.1
_REACH = 10.0  # standard deviations; Pr[Z >= 10 sigma] <= e^-50
_LEFT_OUT = 4e-21  # total variation of what the box and the sums leave out, at most 20 e^-50
_STEPS_PER_LOSS = 10.0
_COARSER = 5
_CHEAP = 0.85
_FAR_LOSSES = 12.0  # the grid of losses reaches about this many times a loss's size
_WIDTHS = (8, 16, 24, 40, 64)


@final
@dataclass(frozen=True, slots=True)
class Band:
    """Pairs with their losses on the same grid points.

    Attributes:
        losses_J: losses in steps, increasing.
        mass_MJ: ``P`` of each loss.
        escaped_M: ``P`` beyond the grid, counted as never met under ``Q``.
    """

    losses_J: IntArray
    mass_MJ: FloatArray
    escaped_M: FloatArray


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Pairs on a grid of losses that dominate every pair of a release.

    Attributes:
        step: distance of losses, nats.
        forward: the pairs ``(P, Q)``, in bands of like width.
        backward: the pairs ``(Q, P)``; the same object where swapping maps the release's pairs onto themselves.
        slack: see ``CoverPlan.slack``.
        left_out: total variation that one release leaves out.
    """

    step: float
    forward: tuple[Band, ...]
    backward: tuple[Band, ...]
    slack: float = ROUNDING
    left_out: float = 0.0


def bands(mass_MJ: FloatArray, escaped_M: FloatArray) -> tuple[Band, ...]:
    """Pairs sorted by the range of their losses, so that few grid points of a band are empty; masses below 1e-25 count
    as beyond the grid.

    Args:
        mass_MJ: ``P`` on losses ``-far .. far`` in steps. Shape ``[M, 2 far + 1]``.
        escaped_M: ``P`` beyond.
    """
    far = mass_MJ.shape[1] // 2
    thin = np.asarray(mass_MJ < 1e-25)
    escaped_M = escaped_M + np.where(thin, mass_MJ, 0.0).sum(axis=1)
    mass_MJ = np.where(thin, 0.0, mass_MJ)
    loss_J = np.arange(-far, far + 1)
    lowest_M, highest_M = np.where(thin, 0, loss_J).min(axis=1), np.where(thin, 0, loss_J).max(axis=1)
    width_M = np.searchsorted(_WIDTHS, np.maximum(-lowest_M, highest_M))
    coarse_M = thin[:, loss_J % _COARSER != 0].all(axis=1)
    found = []
    kind_M3 = np.stack([width_M, lowest_M < -highest_M, coarse_M], axis=1)
    for kind_3 in np.unique(kind_M3, axis=0):
        rows = np.flatnonzero((kind_M3 == kind_3).all(axis=1))
        used = np.flatnonzero((mass_MJ[rows] > 0).any(axis=0))
        found.append(Band(loss_J[used], np.ascontiguousarray(mass_MJ[np.ix_(rows, used)]), escaped_M[rows]))
    return tuple(found)


def tents(p_NO: FloatArray, q_NO: FloatArray, step: float, count: int) -> tuple[FloatArray, FloatArray]:
    """``sum_o (P - t Q)_+`` and ``sum_o (Q - t P)_+`` at ``t = e^(step g)``, ``g = 0 .. count``; each ``[N, G]``."""
    t_G = np.exp(step * np.arange(count + 1))
    rows = [np.zeros((len(p_NO), count + 1)) for _ in range(2)]
    for p_N1, q_N1 in zip(p_NO.T[:, :, None], q_NO.T[:, :, None], strict=True):
        rows[0] += np.maximum(p_N1 - t_G * q_N1, 0.0)
        rows[1] += np.maximum(q_N1 - t_G * p_N1, 0.0)
    return rows[0], rows[1]


def losses(over_NG: FloatArray, under_NG: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """``P`` on losses ``step * j`` and beyond, of the pairs with these tents: ``[N, 2J+1]`` and ``[N]``."""
    right, left = _kinks(over_NG, step), _kinks(under_NG, step)
    left *= np.exp(-step * np.arange(1, left.shape[1] + 1))
    middle_N = np.maximum(1 - right.sum(axis=1) - left.sum(axis=1) - over_NG[:, -1], 0.0)
    return np.concatenate([left[:, ::-1], middle_N[:, None], right], axis=1), over_NG[:, -1]


def _kinks(row_NG: FloatArray, step: float) -> FloatArray:
    rise = np.diff(row_NG, axis=1, append=row_NG[:, -1:])
    return np.maximum(rise[:, 1:] / math.expm1(step) + rise[:, :-1] / math.expm1(-step), 0.0)


def grouped(over_NG: FloatArray, under_NG: FloatArray, step: float, limits_T: FloatArray) -> list[slice]:
    """Groups of consecutive pairs, each as long as its largest tents keep their moments below the limits."""
    groups, start = [], 0
    while start < len(over_NG):
        length = 4
        while True:
            part = slice(start, min(start + length, len(over_NG)))
            so_far = [np.maximum.accumulate(rows[part], axis=0) for rows in (over_NG, under_NG)]
            fits = np.all(_moments(so_far[0], so_far[1], step) <= limits_T, axis=1)
            best = len(fits) if fits.all() else max(1, int(np.argmin(fits)))
            if best < length or part.stop == len(over_NG):
                break
            length *= 4
        groups.append(slice(start, start + best))
        start += best
    return groups


def _moments(over_NG: FloatArray, under_NG: FloatArray, step: float) -> FloatArray:
    """``sum_o Q phi(P/Q)`` with ``phi`` curved like ``t^(power - 2)``, at several powers, for every pair."""
    far = over_NG.shape[1] - 1
    loss_J = step * np.arange(-far, far + 1)
    weights = []
    for power in np.array(_TILTS) * (_FAR_LOSSES / (step * far)):
        curved = np.expm1(power * loss_J) - power * np.expm1(loss_J)
        weights.append(curved / (power * (power - 1)) * np.exp(-loss_J))
    weights_JT = np.maximum(np.stack(weights, axis=1), 0.0)
    at_once = max(1, BLOCK // weights_JT.size)
    parts = (slice(n, n + at_once) for n in range(0, len(over_NG), at_once))
    return np.concatenate([losses(over_NG[part], under_NG[part], step)[0] @ weights_JT for part in parts])


@lru_cache(maxsize=64)
def argmax_family(sigma: float) -> Family:
    """Pairs that dominate every pair of one noisy argmax with one vote moved."""
    fine = math.sqrt(_SPARED_Q * _SPARED_P) * 2 * sigma**2 > 2.0
    plan = CoverPlan(
        sigma=sigma,
        reach=_REACH * sigma + 1,
        spared_q=_SPARED_Q if fine else 0.0,
        spared_p=_SPARED_P if fine else 0.0,
        smoothness=_SMOOTHNESS,
        margin=_REACH if fine else 0.0,
        tilt=0.0,
        window=_REACH,
    )
    columns: list[list[FloatArray]] = []
    for p_NVO, q_NVO in three_way_pairs(plan):
        turn = slice(None, None, -1 if len(columns) % 2 else 1)  # back and forth, so that consecutive pairs are alike
        columns.append([laws[turn].reshape(-1, 3) for laws in (p_NVO, q_NVO)])
    p_NO, q_NO = (np.concatenate(laws) for laws in zip(*columns, strict=True))
    step = 1.13 / sigma / _STEPS_PER_LOSS
    return _symmetric_family(p_NO, q_NO, step, math.sqrt(2) * _REACH / sigma + 1 / sigma**2, plan.slack)


@lru_cache(maxsize=64)
def threshold_family(sigma: float, moved_votes: int) -> Family:
    """Pairs that dominate every pair of one threshold test whose top count moves by at most ``moved_votes``."""
    far = math.ceil(_REACH * sigma) + moved_votes + 2
    spacing = lattice_step(sigma / math.sqrt(2), _SPARED_Q, _SMOOTHNESS)
    if spacing > 1:
        spread, slack = sigma * math.sqrt(1 - _SPARED_Q), mixture_slack(_SMOOTHNESS)
        wide = far + _REACH * sigma * math.sqrt(_SPARED_Q)
        centres = (1 + moved_votes) / 2 + spacing * np.arange(math.ceil(wide / spacing) + 1)
        x = np.arange(
            -math.ceil(_REACH * sigma) - moved_votes, math.ceil(wide + spacing + _REACH * sigma) + moved_votes
        )
        laws = []
        for means in (centres, centres - moved_votes):
            weight = np.exp(-(((x - means[:, None]) / spread) ** 2) / 2)
            law = np.stack([weight[:, x > 0].sum(axis=1), weight[:, x <= 0].sum(axis=1)], axis=1)
            laws.append(law / law.sum(axis=1, keepdims=True))
        p_NO, q_NO = laws
    else:
        p_NO, q_NO = (laws[far + (1 + moved_votes) // 2 :] for laws in threshold_pairs(sigma, far, moved_votes))
        slack = ROUNDING
    step = 0.8 * moved_votes / sigma / _STEPS_PER_LOSS
    return _symmetric_family(p_NO, q_NO, step, moved_votes * (_REACH / sigma + moved_votes / sigma**2), slack)


@lru_cache(maxsize=64)
def randomised_response_family(epsilon: float) -> Family:
    """Randomised response, which dominates every pure ``epsilon``-DP release (Kairouz, Oh, Viswanath 2015)."""
    likely = 1 / (1 + math.exp(-epsilon))
    far = 8
    mass_MJ = np.zeros((1, 2 * far + 1))
    mass_MJ[0, 0], mass_MJ[0, -1] = 1 - likely, likely
    pairs = bands(mass_MJ, np.zeros(1))
    return Family(step=epsilon / far, forward=pairs, backward=pairs)


def _symmetric_family(p_NO: FloatArray, q_NO: FloatArray, step: float, reach: float, slack: float) -> Family:
    """The family of these pairs and of the same pairs swapped. Cheap pairs are grouped on a coarse grid of losses."""
    count = _COARSER * math.ceil(reach / step / _COARSER)
    wide = step * _COARSER
    over_NG, under_NG = tents(p_NO, q_NO, wide, count // _COARSER)
    cost_NT = _moments(over_NG, under_NG, wide)
    cheap_N = (cost_NT <= _CHEAP * cost_NT.max(axis=0)).all(axis=1)
    cheap = over_NG[cheap_N], under_NG[cheap_N]
    fine = tents(p_NO[~cheap_N], q_NO[~cheap_N], step, count)
    limits_T = _moments(*fine, step).max(axis=0)
    masses, escaped = [], []
    for sides, size, limits in ((fine, step, limits_T * (1 + _ALLOWANCE)), (cheap, wide, limits_T)):
        groups = grouped(sides[0], sides[1], size, limits)
        largest = [np.array([tent_NG[group].max(axis=0) for group in groups]) for tent_NG in sides]
        if groups:
            mass_MJ, escaped_M = losses(np.concatenate(largest), np.concatenate(largest[::-1]), size)
            on_grid_MJ = np.zeros((len(mass_MJ), 2 * count + 1))
            on_grid_MJ[:, :: round(size / step)] = mass_MJ
            masses.append(on_grid_MJ)
            escaped.append(escaped_M)
    pairs = bands(np.concatenate(masses), np.concatenate(escaped))
    return Family(step=step, forward=pairs, backward=pairs, slack=slack, left_out=_LEFT_OUT)

"""Exact adaptive composition, without Renyi-DP in between.

With ``F`` the pairs of laws that one release can present,

    V_0(eps) = max(0, 1 - e^eps)
    V_k(eps) = sup over (P, Q) in F of  sum_o P(o) V_(k-1)(eps - ln(P(o) / Q(o)))

is the largest ``delta`` at ``eps`` that ``k`` adaptively chosen releases reach. Every step here rounds up; the
proofs are in ``docs/explanation/accounting.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from pate.accounting.data_independent.dominating import Band, Family
from pate.accounting.data_independent.outcome_pairs import BLOCK
from pate.accounting.privacy_curve import NEGLIGIBLE, PrivacyCurve, mirrored, no_release, trimmed
from pate.arrays import FloatArray
from pate.errors import expected

_TINY = 1e-60  # keeps products out of the slow range of float64, upwards
_FEW = 6
_ROUND_UP = 1 + 1e-13  # a step adds up at most some hundred positive terms


def adaptive_curve(family: Family, count: int, reach: float, *, then: PrivacyCurve | None = None) -> PrivacyCurve:
    """The curve of ``count`` adaptively chosen releases from one family.

    Args:
        family: pairs that dominate every pair of one release.
        count: releases.
        reach: ``eps`` at which the grid ends, nats; beyond it the last value holds.
        then: what may follow, as the largest curve over all that may be chosen once the answers are known.
    """
    return chained_curve((family for _ in range(count)), family.step, reach, then=then)


def chained_curve(
    families: Iterable[Family], step: float, reach: float, *, then: PrivacyCurve | None = None
) -> PrivacyCurve:
    """The curve of releases with families of one step, the last release of the sequence first.

    ``families`` must not depend on the releases' outputs; which pair of a family a release presents may, and so may
    which of the things that ``then`` covers is done afterwards.
    """
    size = int(np.ceil(reach / step)) + 1
    last = (then or no_release(step)).on_grid(step)
    forward = last.forward_G
    backward = forward if last.symmetric else last.backward_G
    slack = left_out = 0.0
    for family in families:
        if not math.isclose(family.step, step, rel_tol=1e-12):
            raise expected("families on one grid of losses", "make them with one step", step=family.step)
        slack, left_out = slack + family.slack, left_out + family.left_out
        ahead = _stepped(family.forward, forward, backward, step, size)
        if family.forward is family.backward and forward is backward:
            forward = backward = ahead
        else:
            forward, backward = ahead, _stepped(family.backward, backward, forward, step, size)
    length = max(len(forward), len(backward))
    same = forward is backward
    forward = np.pad(forward, (0, length - len(forward)), mode="edge")
    backward = forward if same else np.pad(backward, (0, length - len(backward)), mode="edge")
    return trimmed(step, forward, backward).loosened(slack, left_out)


def _stepped(bands: tuple[Band, ...], value_G: FloatArray, mirror_G: FloatArray, step: float, most: int) -> FloatArray:
    """One step of the recursion: the largest over pairs of ``sum_j P_j V(eps - step j)``, on at most ``most`` points;
    no further than it takes to become negligible, since the last value holds beyond."""
    far = max(int(np.abs(band.losses_J).max()) for band in bands)
    size = min(len(value_G) + far, most)
    best_G = np.full(size, _TINY)
    row = np.concatenate([mirrored(mirror_G, step, far), value_G, np.full(size - len(value_G) + far, value_G[-1])])
    for band in bands:
        low, high = int(band.losses_J[0]), int(band.losses_J[-1])
        part = row[far - high : far + size - low]
        if len(band.mass_MJ) <= _FEW:
            dense_MJ = np.zeros((len(band.mass_MJ), high - low + 1))
            dense_MJ[:, band.losses_J - low] = band.mass_MJ
            for mass_J, escaped in zip(dense_MJ, band.escaped_M, strict=True):
                np.maximum(best_G, np.convolve(part, mass_J, mode="valid") + escaped, out=best_G)
            continue
        shifts_J = high - band.losses_J
        windows = np.lib.stride_tricks.sliding_window_view(part, high - low + 1)
        at_once = max(16, BLOCK // band.mass_MJ.size)
        for start in range(0, size, at_once):
            block = slice(start, start + at_once)
            reached = band.mass_MJ @ windows[block, shifts_J].T
            reached += band.escaped_M[:, None]
            np.maximum(best_G[block], reached.max(axis=0), out=best_G[block])
    end = int(np.argmax(best_G < NEGLIGIBLE)) + 1 if (best_G < NEGLIGIBLE).any() else size
    return np.minimum(best_G[:end] * _ROUND_UP, 1.0)

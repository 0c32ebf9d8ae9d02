"""A lower confidence bound on epsilon from samples alone (Jagielski et al. 2020; Clopper, Pearson 1934).

A quarter of the samples chooses a direction and a set of outcomes; the rest, which has not seen the choice, bounds
``P[S]`` from below and ``Q[S]`` from above. With probability at least the confidence, epsilon is not below

    log((P_low - delta) / Q_high)
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from pate.accounting.curve import require_delta
from pate.arrays import IntArray
from pate.auditing.hockey_stick import by_ratio
from pate.errors import expected

PILOT_SHARE = 0.25


def epsilon_at_least(first_N: IntArray, second_N: IntArray, *, outcomes: int, delta: float, confidence: float) -> float:
    """Lower confidence bound on the epsilon of two samplers, nats.

    Args:
        first_N: outcomes drawn under one data set, each in ``[0, outcomes)``. Shape ``[N]``.
        second_N: outcomes drawn under its neighbour. Shape ``[N]``.
        outcomes: number of possible outcomes.
        delta: failure probability.
        confidence: probability that the bound holds.
    """
    require_delta(delta)
    if len(first_N) != len(second_N) or len(first_N) < 8 or not 0 < confidence < 1:
        raise expected("equal numbers of samples, 0 < confidence < 1", "draw at least 8", samples=len(first_N))
    pilot = int(PILOT_SHARE * len(first_N))
    error = 1 - confidence
    counts_1, counts_2 = (np.bincount(drawn[:pilot], minlength=outcomes) for drawn in (first_N, second_N))
    swap, chosen_O = _choose(counts_1, counts_2, delta, error)
    ahead, behind = (second_N, first_N) if swap else (first_N, second_N)
    hits_p, hits_q = int(chosen_O[ahead[pilot:]].sum()), int(chosen_O[behind[pilot:]].sum())
    return max(0.0, _bound(hits_p, hits_q, len(first_N) - pilot, delta, error))


def _choose(counts_1: IntArray, counts_2: IntArray, delta: float, error: float) -> tuple[bool, npt.NDArray[np.bool_]]:
    """The direction and the set of outcomes with the largest estimated bound."""
    samples = int(counts_1.sum())
    best, swap_best, chosen_O = -math.inf, False, np.ones(len(counts_1), dtype=np.bool_)
    for swap, (p_O, q_O) in enumerate(((counts_1, counts_2), (counts_2, counts_1))):
        order = by_ratio((p_O + 0.5).astype(np.float64), (q_O + 0.5).astype(np.float64))
        hits_p, hits_q = np.cumsum(p_O[order]), np.cumsum(q_O[order])
        for size in range(1, len(order)):
            promise = _bound(int(hits_p[size - 1]), int(hits_q[size - 1]), samples, delta, error)
            if promise > best:
                best, swap_best = promise, bool(swap)
                chosen_O = np.zeros(len(order), dtype=np.bool_)
                chosen_O[order[:size]] = True
    return swap_best, chosen_O


def _bound(hits_p: int, hits_q: int, samples: int, delta: float, error: float) -> float:
    """``log((P_low - delta) / Q_high)``, each end failing with half the error."""
    low = 0.0 if hits_p == 0 else float(beta.ppf(error / 2, hits_p, samples - hits_p + 1))
    high = 1.0 if hits_q == samples else float(beta.ppf(1 - error / 2, hits_q + 1, samples - hits_q))
    return math.log((low - delta) / high) if low > delta else -math.inf

"""Bounds on an attacker under a guarantee, from the whole (epsilon, delta) curve and not from one point of it.

A curve is kept as points ``(epsilon_k, delta_k)`` that each hold. With ``P`` and ``Q`` the laws of everything
released under two neighbouring data sets, ``delta(eps) = sup_S P(S) - e^eps Q(S)`` in either direction. It is convex
and falling in ``e^eps``, so chords between points are upper bounds too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from pate.accounting.curve import require_delta
from pate.arrays import FloatArray
from pate.errors import expected

DELTAS: tuple[float, ...] = (*np.geomspace(1e-16, 1e-2, 141).tolist(), *np.linspace(0.02, 0.99, 98).tolist())
FALSE_ALARM = 0.05
"""False-positive rate at which reports, cards and notebooks state an attacker's success."""
_LARGEST = 700.0  # e to this power is still a float


@final
@dataclass(frozen=True, slots=True)
class GuaranteeCurve:
    """Points of an (epsilon, delta) curve, each of which holds.

    Attributes:
        epsilon_K: nats, rising from 0. Shape ``[K]``.
        delta_K: falling from at most 1. Shape ``[K]``.
    """

    epsilon_K: FloatArray
    delta_K: FloatArray

    def __post_init__(self) -> None:
        order = np.lexsort((self.delta_K, self.epsilon_K))
        epsilon_K, delta_K = np.append(0.0, self.epsilon_K[order]), np.append(1.0, self.delta_K[order])
        if not (np.isfinite(epsilon_K).all() and (epsilon_K >= 0).all() and ((delta_K >= 0) & (delta_K <= 1)).all()):
            raise expected("points with epsilon >= 0 and delta in [0, 1]", "an accountant returned no bound")
        delta_K = np.minimum.accumulate(delta_K)  # a guarantee holds at every larger epsilon too
        last_K = np.append(np.diff(epsilon_K) > 0, True)
        object.__setattr__(self, "epsilon_K", epsilon_K[last_K])
        object.__setattr__(self, "delta_K", delta_K[last_K])

    def delta(self, epsilon: float) -> float:
        """Upper bound on ``delta`` at ``epsilon >= 0``: the chord in ``e^eps``, the last value beyond."""
        right = int(np.searchsorted(self.epsilon_K, epsilon))
        if right == len(self.epsilon_K):
            return float(self.delta_K[-1])
        if self.epsilon_K[right] == epsilon:
            return float(self.delta_K[right])
        low, high = self.epsilon_K[right - 1], self.epsilon_K[right]
        part = math.exp(epsilon - high) * math.expm1(low - epsilon) / math.expm1(low - high)
        return float(self.delta_K[right - 1] * (1 - part) + self.delta_K[right] * part) * (1 + 1e-12)


def curve_through(epsilon_at: Callable[[float], float]) -> GuaranteeCurve:
    """The curve through epsilon at each delta; epsilon is infinite where there is no bound."""
    points = [(epsilon_at(delta), delta) for delta in DELTAS]
    finite = np.array([(e, d) for e, d in points if math.isfinite(e)], dtype=np.float64).reshape(-1, 2)
    return GuaranteeCurve(finite[:, 0], finite[:, 1])


def false_negatives(curve: GuaranteeCurve, false_positive_N: FloatArray) -> FloatArray:
    """The least false-negative rate of an attacker at the given false-positive rate.

    ``max_k max(0, 1 - delta_k - e^eps_k a, e^-eps_k (1 - delta_k - a))``, shape ``[N]`` (Dong, Roth, Su 2022,
    propositions 2.5 and 2.12).
    """
    a_N1 = np.asarray(false_positive_N, dtype=np.float64)[:, None]
    eps_K = np.minimum(curve.epsilon_K, _LARGEST)
    steep = 1 - curve.delta_K - np.exp(eps_K) * a_N1
    shallow = np.exp(-eps_K) * (1 - curve.delta_K - a_N1)
    missed_N: FloatArray = np.maximum(steep, shallow).max(axis=1).clip(0.0, 1.0)
    return missed_N


def attack(curve: GuaranteeCurve, false_positive: float = FALSE_ALARM) -> dict[str, float]:
    """The largest ``true_positive`` rate of an attacker at a ``false_positive`` rate."""
    missed = float(false_negatives(curve, np.array([false_positive]))[0])
    return {"false_positive": false_positive, "true_positive": 1 - missed}


def largest_log_odds(curve: GuaranteeCurve, failure: float) -> float:
    """The largest rise, in nats, of the log odds of a hypothesis, except with probability ``failure``.

    ``delta(eps) >= P[L > t] (1 - e^(eps - t))`` for the privacy loss ``L`` and every ``t > eps``, so that
    ``P[L > t] <= failure`` from ``t = min_k eps_k - ln(1 - delta_k / failure)`` on. One point ``(epsilon, delta)``
    alone does not imply that the loss stays below epsilon with probability ``1 - delta``.

    Returns:
        Nats; infinite where no point has a delta below ``failure``.
    """
    require_delta(failure)
    known_K = curve.delta_K < failure
    if not known_K.any():
        return math.inf
    bounds = curve.epsilon_K[known_K] - np.log1p(-curve.delta_K[known_K] / failure)
    return float(bounds.min()) * (1 + 1e-12)


def posterior(prior: float, log_odds: float) -> float:
    """The probability of a hypothesis after its odds changed by ``log_odds``, from ``prior`` in (0, 1)."""
    return float(1 / (1 + math.exp(min(math.log1p(-prior) - math.log(prior) - log_odds, _LARGEST))))


def best_guess(curve: GuaranteeCurve, prior: float) -> float:
    """The largest probability of a correct decision between two hypotheses, one of which has probability ``prior``.

    ``max_S prior P(S) + (1 - prior) Q(not S) = 1 - prior + prior delta(ln((1 - prior) / prior))`` for
    ``prior <= 1/2``. Without the release it is ``1 - prior``.
    """
    if not 0 < prior <= 0.5:
        raise expected("0 < prior <= 1/2", "give that of the less likely possibility", prior=prior)
    return min(1.0, 1 - prior + prior * curve.delta(math.log((1 - prior) / prior)))


def group_epsilon(curve: GuaranteeCurve, size: int, delta: float) -> float:
    """Epsilon of ``size`` privacy units together at ``delta``, nats; infinite where the points give no bound.

    From each point ``(size eps, delta_k (e^(size eps) - 1) / (e^eps - 1))`` (Vadhan 2017, lemma 2.2).
    """
    require_delta(delta)
    best = math.inf
    for epsilon, own in zip(curve.epsilon_K.tolist(), curve.delta_K.tolist(), strict=True):
        if size * epsilon < min(best, _LARGEST):
            growth = size if epsilon == 0 else math.expm1(size * epsilon) / math.expm1(epsilon)
            if own * growth <= delta:
                best = size * epsilon
    return best

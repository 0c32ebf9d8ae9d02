"""Gaussian information of a release: the Gaussian test that dominates it; costs of campaigns add up in it.

With ``G_mu`` the pair of ``N(mu, 1)`` against ``N(0, 1)``, ``mu ** 2`` is the *information* of every pair of laws that
``G_mu`` dominates once outcomes of probability ``spare`` are given away. Noise is integer here, so nothing is assumed
to be Gaussian: the bound is read off certified curves and exact laws. Proofs:
``docs/explanation/accounting.md``, section 8.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from pate.accounting.data_independent.composition import MOST_STEPS, kind_curve, privacy_curve
from pate.accounting.data_independent.discrete_gaussian import log_tails
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import GNMaxEvent, Leaf, PrivacyEvent, ThresholdTestEvent, leaves
from pate.accounting.privacy_curve import PrivacyCurve, from_rdp, minorant
from pate.arrays import FloatArray

_ROUND_UP = 1 + 1e-8
_MOST_NOISE = 5000.0  # of which the exact law is tabulated, votes


def gaussian_delta(information: float, epsilon: float) -> float:
    """``delta`` of the pair ``G_mu``, ``mu ** 2 = information``, at ``epsilon >= 0`` (Balle, Wang 2018, theorem 8):
    ``Phi(mu / 2 - eps / mu) - e^eps Phi(-mu / 2 - eps / mu)``."""
    if information <= 0:
        return 0.0
    mu = math.sqrt(information)
    first, second = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    return max(0.0, float(ndtr(first)) - math.exp(epsilon + float(log_ndtr(second))))


def gaussian_epsilon(information: float, delta: float) -> float:
    """The smallest ``epsilon >= 0`` at which ``gaussian_delta`` is at most ``delta``; infinite for ``delta <= 0``."""
    if information == 0:
        return 0.0
    if not (math.isfinite(information) and delta > 0):
        return math.inf
    if gaussian_delta(information, 0.0) <= delta:
        return 0.0
    high = information / 2 + math.sqrt(2 * information * math.log(1 / delta))  # by the Gaussian tail bound
    return float(brentq(lambda eps: gaussian_delta(information, eps) - delta, 0.0, high * 1.01 + 1e-9, xtol=1e-13))


def gaussian_information(epsilon: float, delta: float) -> float:
    """The largest information whose ``gaussian_delta`` at ``epsilon`` is at most ``delta``, rounded down."""
    low = high = 1.0
    while gaussian_delta(high, epsilon) <= delta:
        high *= 2
    while gaussian_delta(low, epsilon) > delta:
        low /= 2
    found = brentq(lambda b: gaussian_delta(b, epsilon) - delta, low, high, xtol=1e-300, rtol=1e-12)
    return float(found) * (1 - 1e-7)


@lru_cache(maxsize=4096)
def information_terms(event: PrivacyEvent, spare: float) -> tuple[float, ...]:
    """Information of a campaign with fixed counts, whatever its releases are asked, in terms that add up.

    Args:
        event: what the campaign may release at most.
        spare: probability of outcomes that each term may exclude.

    Returns:
        One term, of the whole campaign's curve, or one for each kind of release, whichever adds up to less; a term is
        infinite where the curve does not fall to ``spare``.
    """
    counts = leaves(event)
    by_kind = tuple(_of_kind(leaf, count, spare) for leaf, count in counts.items())
    if len(counts) < 2:
        return by_kind
    curve = privacy_curve(event)
    whole = math.inf if curve is None else curve_information(curve, spare)
    return (whole,) if whole <= math.fsum(by_kind) else by_kind


def _of_kind(leaf: Leaf, count: int, spare: float) -> float:
    """The smaller of the information by the curve of ``count`` releases and the sum over each one's exact noise."""
    cost = gaussian_rdp(leaf).repeated(count)
    curve = kind_curve(leaf, count, MOST_STEPS)
    if curve is None:
        reach = cost.epsilon(spare / 2)[0]
        curve = from_rdp(cost, reach / 2000, reach)
    else:
        eps = curve.step * (len(curve.forward_G) - 1)
        ceiling = from_rdp(cost, curve.step, eps)
        lowest_G = np.minimum(curve.delta_G, ceiling.forward_G[: len(curve.forward_G)])
        curve = PrivacyCurve(curve.step, lowest_G, lowest_G)
    return min(curve_information(curve, spare), count * _of_noise(leaf, spare / count))


def curve_information(curve: PrivacyCurve, spare: float) -> float:
    """The smallest information whose Gaussian pair dominates a curve but for ``spare``, rounded up.

    A curve of chords has tests as corners: level ``x = Q(loss > h g)``, power ``p = P(loss > h g)``. The Gaussian's
    trade-off is convex, so it is below the curve's everywhere if it does so at the corners (Dong, Roth, Su 2022,
    proposition 2.5): ``mu = max Phi^-1((p - s) / (1 - s)) - Phi^-1(x / (1 - s))``.
    """
    return max(_row_information(row_G, curve.step, spare) for row_G in (curve.forward_G, curve.backward_G))


def _row_information(row_G: FloatArray, step: float, spare: float) -> float:
    delta_G = minorant(row_G, step)
    if delta_G[-1] > spare:
        return math.inf
    if len(delta_G) < 2:
        return 0.0
    t_G = np.exp(step * np.arange(len(delta_G) - 1))
    level_G = np.maximum(-np.diff(delta_G) / (t_G * math.expm1(step)), 0.0)  # rounding may leave it just below
    power_G = delta_G[:-1] + t_G * level_G
    return _largest(level_G, power_G, spare)


def _largest(level_K: FloatArray, power_K: FloatArray, spare: float) -> float:
    """``mu ** 2`` of the hardest of some tests, rounded up; tests whose power is spared need nothing."""
    asked_K = (power_K > spare) & (level_K < 1 - spare)
    if not asked_K.any():
        return 0.0
    power_K, level_K = (power_K[asked_K] - spare) / (1 - spare), level_K[asked_K] / (1 - spare)
    mu = float((ndtri(np.minimum(power_K, 1.0)) - ndtri(level_K)).max())
    return math.inf if math.isnan(mu) else max(0.0, mu * _ROUND_UP) ** 2


def _of_noise(leaf: Leaf, spare: float) -> float:
    """Information of one release with discrete Gaussian noise as if its noisy counts were shown; infinite for others.

    Counts move by integers whose squares add up to at most ``2 k ** 2`` (an argmax) or ``k ** 2`` (a threshold test).
    """
    if not isinstance(leaf, GNMaxEvent | ThresholdTestEvent) or leaf.sigma > _MOST_NOISE:
        return math.inf
    squares = leaf.moved_votes**2 * (2 if isinstance(leaf, GNMaxEvent) else 1)
    part = spare / (2 * leaf.moved_votes)  # no more counts than that can move
    each = max(_shift_information(leaf.sigma, move, part) / move**2 for move in range(1, leaf.moved_votes + 1))
    return squares * each


@lru_cache(maxsize=256)
def _shift_information(sigma: float, move: int, spare: float) -> float:
    """Information of one discrete Gaussian count that moves by ``move``: the tests are ``Z >= z``, by symmetry with
    level below ``1/2``."""
    far = math.ceil(sigma * math.sqrt(2 * math.log(1 / spare))) + move + 1
    steps = np.arange(0, far + 1, dtype=np.float64)
    level_K, power_K = (np.exp(log_tails(reached_K, sigma)[0]) for reached_K in (steps, steps - move))
    return _largest(level_K, power_K, spare)

"""The pairs of outcome laws that one release can present to two neighbours, and finite covers of them.

Conditioned on every other class's noise, a noisy argmax is a three-way test: class ``a`` wins, class ``b`` wins, or
neither. With ``X = u + Z``, ``Y = v + Z'`` (``Z``, ``Z'`` discrete Gaussian) the neighbour has ``u - 1``, ``v + 1``.
In ``p = X + Y`` and ``q = X - Y`` one of the two wins iff ``p + |q| >= 2``, and then ``a`` iff ``q >= 0`` (variant 0)
or ``q >= 1`` (variant 1); the move shifts ``q`` by 2 and leaves ``p`` alone.

A cover replaces the infinitely many integers ``(u, v)`` by a lattice of centres with a little less noise: a Gaussian
is a mixture of slightly narrower Gaussians on a lattice, up to an error that Poisson summation makes tiny. The
proofs are in ``docs/explanation/accounting.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.accounting.data_independent.discrete_gaussian import tails
from pate.arrays import FloatArray

BoolArray: TypeAlias = npt.NDArray[np.bool_]

ROUNDING = 1e-12
"""Relative error allowed for float64 in a probability; the sums have positive terms and err by less than 1e-13."""
BLOCK = 250_000
"""Multiplications at once: OpenBLAS gives more than 2^18 to several threads."""
MOST_NOISE, MOST_TEST_NOISE = 2000.0, 5000.0
"""Votes of noise of an argmax and of a test up to which tables are made; more would take gigabytes, and the Gaussian
bound serves."""
_COLUMNS_AT_ONCE = 24


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CoverPlan:
    """Resolution and reach of a cover.

    Attributes:
        sigma: noise of one count, in votes.
        reach: votes beyond which a count's noise never reaches, for the purpose at hand.
        spared_q: share of the variance of ``q`` that the mixture takes (0 with ``spared_p = 0``: integers).
        spared_p: share of the variance of ``p`` that the mixture takes.
        smoothness: width of the product kernel in lattice steps; fixes ``slack``.
        margin: widths of the mixture kept around the box.
        tilt: votes by which moments of the likelihood ratio move the law (0 for hockey-sticks).
        window: standard deviations kept in the sums over ``q`` and ``p``, beyond the tilt.
    """

    sigma: float
    reach: float
    spared_q: float
    spared_p: float
    smoothness: float
    margin: float
    tilt: float
    window: float

    @property
    def integer(self) -> bool:
        """True if the centres are all integers ``(u, v)`` themselves."""
        return self.spared_q == 0

    @property
    def slack(self) -> float:
        """``kappa`` with ``e^-kappa`` and ``e^kappa`` around the ratio of a law to its mixture, for every outcome."""
        return ROUNDING if self.integer else mixture_slack(self.smoothness)

    def spread(self) -> tuple[float, float]:
        """Standard deviations of ``q`` and ``p`` around a centre."""
        whole = math.sqrt(2) * self.sigma
        return whole * math.sqrt(1 - self.spared_q), whole * math.sqrt(1 - self.spared_p)

    def steps(self) -> tuple[float, float]:
        """Lattice steps in ``q`` and ``p``."""
        if self.integer:
            return 1.0, 1.0
        return (
            lattice_step(self.sigma, self.spared_q, self.smoothness),
            lattice_step(self.sigma, self.spared_p, self.smoothness),
        )

    def centres(self) -> tuple[FloatArray, FloatArray]:
        """Centres ``(z_q, z_p)`` of variant 0 with ``z_q >= 0``; those of variant 1 are one larger in ``q``."""
        step_q, step_p = self.steps()
        over_q, over_p = (self.margin * math.sqrt(2 * share) * self.sigma for share in (self.spared_q, self.spared_p))
        far_q = math.ceil((2 * self.reach + over_q + 3) / step_q)
        low_p = math.ceil((2 * self.reach + over_p + 3) / step_p)
        high_p = math.ceil((2 * math.sqrt(2) * self.reach + over_p + 3) / step_p)
        first = 0.0 if self.integer else 0.5 - step_q * math.floor(0.5 / step_q)
        columns = np.arange(far_q + 1, dtype=np.float64)
        return first + step_q * columns, step_p * np.arange(-low_p, high_p + 1, dtype=np.float64)

    def inside(self, z_q: FloatArray, z_p: FloatArray) -> BoolArray:
        """True for centres that may carry weight for a pair ``(u, v)`` of the box."""
        over = self.margin * self.sigma * math.sqrt(2 * max(self.spared_q, self.spared_p)) + 3
        u, v = (z_p[None, :] + z_q[:, None]) / 2, (z_p[None, :] - z_q[:, None]) / 2
        far = self.reach + over
        keep = (np.minimum(u, v) >= -far) & (np.minimum(u, v) <= far / math.sqrt(2) + over)
        keep &= (np.maximum(u, v) <= far) | (np.abs(u - v) <= math.sqrt(2) * self.reach + 2 * over)
        if self.integer:
            keep &= (z_q[:, None] - z_p[None, :]) % 2 == 0
        return np.asarray(keep)


def mixture_slack(smoothness: float) -> float:
    """``4 eps`` for the relative error ``eps <= 2.1 exp(-2 pi^2 smoothness^2)`` of a lattice sum, plus rounding."""
    return ROUNDING + 8.4 * math.exp(-2 * (math.pi * smoothness) ** 2)


def lattice_step(sigma: float, spared: float, smoothness: float) -> float:
    """The lattice step whose product kernel is ``smoothness`` steps wide."""
    return math.sqrt(2 * spared * (1 - spared)) * sigma / smoothness


def three_way_pairs(plan: CoverPlan) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Pairs of laws over (a wins, b wins, neither) of a cover, in blocks of columns of ``z_q``.

    Only centres with ``z_q >= 0`` are made: swapping ``P`` with ``Q`` and ``a`` with ``b`` gives the others.

    Args:
        plan: which centres.

    Yields:
        ``P`` and ``Q`` of one column, by rising ``z_p``, each of shape ``[N, 2, 3]``: variant 0 (``a`` wins a tie
        with ``b``), then variant 1.
    """
    z_q, z_p = plan.centres()
    keep = plan.inside(z_q, z_p)
    z_q, keep = z_q[keep.any(axis=1)], keep[keep.any(axis=1)]
    spread_q, spread_p = plan.spread()
    width_q = plan.window * spread_q + 2 * plan.tilt
    win, lose = _sums_over_p(z_p, spread_p, plan.window, math.ceil(z_q[-1] + width_q) + 4)
    for start in range(0, len(z_q), _COLUMNS_AT_ONCE):
        centres = z_q[start : start + _COLUMNS_AT_ONCE]
        used = np.flatnonzero(keep[start : start + _COLUMNS_AT_ONCE].any(axis=0))
        some = slice(int(used[0]), int(used[-1]) + 1)
        q = np.arange(math.floor(centres[0] - width_q) - 2, math.ceil(centres[-1] + width_q) + 2)
        laws = [_laws(q, centres - move, spread_q, plan.integer, win[:, some], lose[:, some]) for move in (0, 2)]
        for column in range(len(centres)):
            row = keep[start + column, some]
            yield laws[0][column, row], laws[1][column, row]


def _laws(
    q: FloatArray, z_q: FloatArray, spread: float, integer: bool, win: FloatArray, lose: FloatArray
) -> FloatArray:
    """Laws at the centres ``z_q`` times all ``z_p``, shape ``[columns, P, 2, 3]``."""
    laws, size = [], np.abs(q)
    for variant in (0, 1):
        centres = z_q if integer else z_q + variant
        weight = np.exp(-(((q - centres[:, None]) / spread) ** 2) / 2)
        first = int(np.searchsorted(q, variant))
        sums = [(slice(first, None), win), (slice(first), win), (slice(None), lose)]
        law = np.stack([_weighted(weight[:, part], table, size[part]) for part, table in sums], axis=2)
        law /= law.sum(axis=2, keepdims=True)
        laws.append(law)
    return np.stack(laws, axis=2)


def _weighted(weight: FloatArray, table: FloatArray, rows: FloatArray) -> FloatArray:
    """``weight @ table[rows]``, a few rows at a time: BLAS runs products of this size on one thread, so that results
    do not depend on the number of cores."""
    total = np.zeros((len(weight), table.shape[1]))
    at_once = max(1, BLOCK // total.size)
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        total += weight[:, part] @ table[rows[part]]
    return total


def _sums_over_p(z_p: FloatArray, spread: float, window: float, far: int) -> tuple[FloatArray, FloatArray]:
    """Sums of ``exp(-(p - z_p)^2 / 2 spread^2)`` over ``p >= 2 - |q|`` and ``p <= -|q|`` with the parity of ``q``,
    for ``|q| = 0 .. far``; each of shape ``[far + 1, P]``."""
    low = min(-far, math.floor(z_p[0] - window * spread)) - 2
    high = max(2, math.ceil(z_p[-1] + window * spread)) + 2
    p = np.arange(low, high + 1)
    weight = np.exp(-(((p[:, None] - z_p) / spread) ** 2) / 2)
    below = weight.copy()
    for parity in (0, 1):
        weight[parity::2] = np.cumsum(weight[parity::2][::-1], axis=0)[::-1]
        below[parity::2] = np.cumsum(below[parity::2], axis=0)
    size = np.arange(far + 1)
    return weight[2 - size - low], below[-size - low]


def threshold_pairs(sigma: float, far: int, move: int = 1) -> tuple[FloatArray, FloatArray]:
    """Laws over (reached, missed) of ``[u + Z >= 1]`` against ``[u - move + Z >= 1]`` for all ``|u| <= far``.

    Returns:
        ``P`` and ``Q``, each of shape ``[N, 2]``, by rising ``u``.
    """
    tails_K = tails(sigma, far + move + 1)
    mid = far + move + 1
    u = np.arange(-far, far + 1)
    laws = [np.stack([tails_K[mid + 1 - c], tails_K[mid + c]], axis=1) for c in (u, u - move)]
    return laws[0], laws[1]


def no_rival_pairs(sigma: float, far: int) -> tuple[FloatArray, FloatArray]:
    """Laws over (a, b) of ``[q >= 0]`` without a rival, ``q = u - v + Z - Z'``, for all ``|u - v| <= far``.

    Returns:
        ``P`` and ``Q``, each of shape ``[N, 2]``, by rising ``u - v``.
    """
    reach = far + math.ceil(12 * math.sqrt(2) * sigma) + 4
    d = np.arange(-reach, reach + 1)
    weight = np.exp(-((d / (2 * sigma)) ** 2))
    even = float(np.exp(-((np.arange(-reach, reach + 1, 2) / (2 * sigma)) ** 2)).sum())
    if reach % 2:
        even = float(weight[1::2].sum())
    odd = float(weight.sum()) - even
    by_parity = (even, odd)
    weight = weight * np.where(d % 2 == 0, by_parity[0], by_parity[1])  # sums over p of the parity of q
    weight /= weight.sum()
    above = np.cumsum(weight[::-1])[::-1]
    below = np.cumsum(weight)
    gap = np.arange(-far, far + 1)
    laws = [np.stack([above[reach - g], below[reach - g - 1]], axis=1) for g in (gap, gap - 2)]
    return laws[0], laws[1]

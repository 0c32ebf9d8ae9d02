"""The most that one noisy argmax can cost, in Renyi divergence, when every other class is ``g`` votes below the top.

``docs/explanation/accounting_data_dependent.md`` proves the bound. The noise of the classes whose counts stay is held
fixed; what is left is who wins between the two classes that change (``near`` and ``far``, ``far`` at ``D >= 0`` votes
below ``near``) and the best of the others, ``s`` votes above ``near``'s count: a law of three outcomes for each ``(D,
s)``.
Shapes: ``H`` gaps ``0 .. T``, ``S`` values of ``s``, ``G`` gaps of the result, ``K`` kinds of neighbour (a vote
moves from ``near`` to ``far`` or back; ``D(P || Q)`` or ``D(Q || P)``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from pate.accounting.laws.divergence import both_directions, excess
from pate.accounting.laws.mechanism import LAW_ERROR
from pate.accounting.laws.noise import NoiseLaw, log1mexp
from pate.arrays import FloatArray, IntArray
from pate.errors import expected

_REACH = 10  # standard deviations; P[Z >= 10 sigma] <= e^-50
_ROUNDING = 1e-9  # relative, of a cost
_LARGEST = 600.0  # exponents far beyond leave float64; the plain bound is returned there
_ROWS = 1 << 15
_ORDERS = ((1, 1, 0), (1, 0, 0), (0, 0, 0), (1, 1, 1), (0, 1, 1), (0, 0, 1))
"""Index orders of near, far and the best of the others: whether near, and far, wins a tie with it; whether far wins
a tie with near."""


@lru_cache(maxsize=64)
def gap_costs(sigma: float, teachers: int, classes: int, order: float) -> FloatArray:
    """An upper bound on ``max(D(P || Q), D(Q || P))`` over all histograms of at most ``teachers`` votes whose other
    classes are each at least ``g`` below a most voted one, and over all their neighbours.

    Args:
        sigma: discrete Gaussian noise on each count, votes.
        teachers: the roster ``T``.
        classes: at least 2.
        order: of the divergence.

    Returns:
        Nats, for ``g = 0 .. T``, non-increasing, never above ``order / sigma^2``. Shape ``[T + 1]``.
    """
    if teachers < 1 or classes < 2:
        raise expected("a teacher and two classes", "count them", teachers=teachers, classes=classes)
    plain, exponent = order / sigma**2, (order - 1) * order / sigma**2
    if exponent > _LARGEST:
        return np.full(teachers + 1, plain)
    table = _Table.of(sigma, teachers)
    powers = both_directions(np.array([order]))
    moved = [table.without_others(powers)] if classes == 2 else table.both_kinds(powers, classes)
    total_G = np.max([*moved, *table.one_changes(powers, classes)], axis=0)
    largest = math.exp(exponent)
    total_G = total_G + (classes + 2) * math.exp(-(_REACH**2) / 2) * largest
    cost_G = np.log1p(total_G) / (order - 1) * (1 + _ROUNDING) + LAW_ERROR * (2 * order - 1) / (order - 1)
    never_rising_G: FloatArray = np.maximum.accumulate(cost_G[::-1])[::-1]
    bound_G = np.minimum(never_rising_G, plain)
    bound_G.setflags(write=False)
    return bound_G


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Laws of one release on a grid.

    Attributes:
        teachers: the roster.
        reach: noise beyond it is never met, up to ``e^-50``.
        log_f: log-mass of the noise at ``first + i``.
        log_cdf: its log distribution function there.
        first: the lowest integer of the tables.
    """

    teachers: int
    reach: int
    log_f: FloatArray
    log_cdf: FloatArray
    first: int

    @classmethod
    def of(cls, sigma: float, teachers: int) -> _Table:
        reach = math.ceil(_REACH * sigma) + 2
        widest = 2 * (teachers + reach) + teachers + 8
        law = NoiseLaw(family="discrete-gaussian", scale=sigma)
        log_f_YR, log_cdf_YR = law.tables(-widest, widest, np.zeros(1))
        return cls(teachers=teachers, reach=reach, log_f=log_f_YR[:, 0], log_cdf=log_cdf_YR[:, 0], first=-widest)

    @property
    def s_S(self) -> IntArray:
        """All ``s``: how far the best of the others is above near."""
        far = self.teachers + self.reach
        return np.arange(-far, far + 1, dtype=np.int64)

    def f(self, y: IntArray) -> FloatArray:
        """Log-mass at integers."""
        return self.log_f[y - self.first]

    def cdf(self, y: IntArray) -> FloatArray:
        """Log distribution function at integers."""
        return self.log_cdf[y - self.first]

    def both_kinds(self, powers: FloatArray, classes: int) -> list[FloatArray]:
        """Excess moments where a vote moves between two classes and there are others. Two of shape ``[G]``: the top
        is one of the two, and it is not."""
        kinds_KHS = self._moves(powers)
        top_G = self._below_top(kinds_KHS, classes - 2)
        return [top_G, self._above_both(kinds_KHS)]

    def one_changes(self, powers: FloatArray, classes: int) -> list[FloatArray]:
        """The same where a teacher begins or ceases to abstain: one class changes, the others are ``classes - 1``."""
        kinds_KHS = self._single(powers)[:, None]
        top_G = self._below_top(np.broadcast_to(kinds_KHS, (4, self.teachers + 1, len(self.s_S))), classes - 1)
        return [top_G, self._above_both(kinds_KHS)]

    def without_others(self, powers: FloatArray) -> FloatArray:
        """The same for two classes: no other class can win. The costliest gap of at least ``g``. Shape ``[G]``."""
        gaps_D1 = np.arange(-2, self.teachers + 3, dtype=np.int64)[:, None]
        z = np.arange(-self.teachers - self.reach - 2, self.reach + 3, dtype=np.int64)
        kinds_H = np.zeros(self.teachers + 1)
        for far_first in (0, 1):
            near_D = np.logaddexp.reduce(self.f(z) + self.cdf(z + gaps_D1 - far_first), axis=1)
            far_D = np.logaddexp.reduce(self.f(z + gaps_D1) + self.cdf(z - 1 + far_first), axis=1)
            log_D2 = _complemented(np.stack([near_D, far_D], axis=1))
            pair_D = excess(log_D2[2:], log_D2[:-2] - log_D2[2:], powers).max(axis=1)  # gaps D and D - 2
            kinds_H = np.maximum(kinds_H, np.maximum(pair_D[:-2], pair_D[2:]))
        largest_G: FloatArray = np.maximum.accumulate(kinds_H[::-1])[::-1]
        return largest_G

    def _moves(self, powers: FloatArray) -> FloatArray:
        """Excess moments of a vote that moves between near and far, at the costliest index order. ``[K, H, S]``."""
        s_S, gaps = self.s_S, np.arange(self.teachers + 3, dtype=np.int64)
        wide_S = np.arange(s_S[0] - 1, s_S[-1] + 2, dtype=np.int64)
        pairs_DS2 = np.zeros((len(gaps), len(wide_S) - 1, 2))
        block = max(1, _ROWS // len(wide_S))
        for order in _ORDERS:
            for start in range(0, len(gaps), block):
                d = slice(start, start + block)
                here_DSO, there_DSO = (self._laws(gaps[d] - less, wide_S, order) for less in (0, 2))
                log_p = here_DSO[:, :-1].reshape(-1, 3)
                log_q = there_DSO[:, 1:].reshape(-1, 3)  # near loses a vote, far gains one: (s + 1, D - 2)
                found = excess(log_p, log_q - log_p, powers).reshape(-1, len(wide_S) - 1, 2)
                pairs_DS2[d] = np.maximum(pairs_DS2[d], found)
        loses = pairs_DS2[: self.teachers + 1, 1:]
        gains = pairs_DS2[2:, :-1]
        return np.moveaxis(np.concatenate([loses, gains], axis=2), 2, 0)

    def _laws(self, gaps: IntArray, s_S: IntArray, order: tuple[int, int, int]) -> FloatArray:
        """Log-probabilities that near, far, or one of the others wins. Shape ``[D, S, 3]``."""
        near_ties, far_ties, far_first = order
        z = np.arange(s_S[0], s_S[-1] + self.reach + 2, dtype=np.int64)
        gaps_D1 = gaps[:, None]
        near_DZ = _from_the_right(self.f(z) + self.cdf(z + gaps_D1 - far_first))
        far_DZ = _from_the_right(self.f(z + gaps_D1) + self.cdf(z - 1 + far_first))
        count = len(s_S)
        near_DS = near_DZ[:, 1 - near_ties :][:, :count]
        far_DS = far_DZ[:, 1 - far_ties :][:, :count]
        others_DS = self.cdf(s_S - near_ties) + self.cdf(s_S + gaps_D1 - far_ties)
        return _complemented(np.stack([near_DS, far_DS, others_DS], axis=2))

    def _single(self, powers: FloatArray) -> FloatArray:
        """Excess moments of a class ``s`` below the best of the others that gains or loses a vote. Shape ``[K, S]``."""
        s_S = self.s_S
        wide_S = np.arange(s_S[0] - 1, s_S[-1] + 2, dtype=np.int64)
        kinds_KS = np.zeros((4, len(s_S)))
        for ties in (0, 1):
            log_S2 = np.stack([self.cdf(-(wide_S - ties) - 1), self.cdf(wide_S - ties)], axis=1)
            pairs_S2 = excess(log_S2[:-1], log_S2[1:] - log_S2[:-1], powers)
            kinds_KS = np.maximum(kinds_KS, np.concatenate([pairs_S2[1:], pairs_S2[:-1]], axis=1).T)
        return kinds_KS

    def _below_top(self, kinds_KHS: FloatArray, others: int) -> FloatArray:
        """The top changes: the others are at most ``g`` below it plus noise, so the running maximum over ``s`` is
        averaged over the largest of their noises. The largest over gaps ``h >= g`` of far. Shape ``[G]``."""
        s_S = self.s_S[self.s_S <= self.reach]
        rising_KHS = np.maximum.accumulate(kinds_KHS[..., : len(s_S)], axis=2)
        gaps_G = np.arange(self.teachers + 1, dtype=np.int64)
        with np.errstate(divide="ignore"):
            log_none_SG = others * log1mexp(self.cdf(-(s_S[1:, None] + gaps_G)))  # log P[max of the noises < s + g]
        reached_SG = -np.expm1(log_none_SG)
        value_KHG = rising_KHS[..., :1] + np.diff(rising_KHS, axis=2) @ reached_SG
        worst_HG = value_KHG.max(axis=0)
        allowed_HG = gaps_G[:, None] >= gaps_G
        largest_G: FloatArray = np.where(allowed_HG, worst_HG, 0.0).max(axis=0)
        return largest_G

    def _above_both(self, kinds_KHS: FloatArray) -> FloatArray:
        """The top stays: the best of the others is at least the top plus its noise, so the running maximum from the
        right is averaged over that noise, near at ``g`` below the top. Shape ``[G]``."""
        s_S = self.s_S[self.s_S >= -self.reach]
        falling_KHS = np.maximum.accumulate(kinds_KHS[..., -len(s_S) :][..., ::-1], axis=2)[..., ::-1]
        gaps_G = np.arange(self.teachers + 1, dtype=np.int64)
        noise_SG = s_S[:, None] - gaps_G
        mass_SG = np.where(np.abs(noise_SG) <= self.reach, np.exp(self.f(noise_SG)), 0.0)
        value_KHG = falling_KHS @ mass_SG
        largest_G: FloatArray = value_KHG.max(axis=(0, 1))
        return largest_G


def _from_the_right(log_DZ: FloatArray) -> FloatArray:
    """``log sum_{z' >= z} e^(log_z')``."""
    summed_DZ: FloatArray = np.logaddexp.accumulate(log_DZ[:, ::-1], axis=1)[:, ::-1]
    return summed_DZ


def _complemented(log_XO: FloatArray) -> FloatArray:
    """The laws with the likeliest outcome as one minus the others, so that its complement keeps its digits."""
    likeliest_X1 = log_XO.argmax(axis=-1)[..., None]
    others_XO = log_XO.copy()
    np.put_along_axis(others_XO, likeliest_X1, -np.inf, axis=-1)
    rest_X = np.logaddexp.reduce(others_XO, axis=-1)
    np.put_along_axis(others_XO, likeliest_X1, log1mexp(np.minimum(rest_X, -1e-16))[..., None], axis=-1)
    return others_XO

"""Exact law of ``argmax_j (n_j + Z_j)``, ties to the lowest index, in log space, for a batch of histograms and for
every histogram that one vote away differs from them.

For integer noise with mass ``f`` and distribution function ``F``::

    P[j | n] = sum_x f(x - n_j) * prod_{k<j} F(x - 1 - n_k) * prod_{k>j} F(x - n_k)

A move of one vote from ``a`` to ``b`` changes one factor by ``U_a(x) = F(x - n_a + 1) / F(x - n_a)`` and one by
``V_b(x) = F(x - n_b - 1) / F(x - n_b)``, so all neighbours of a histogram share one table of the noise and one
product of factors, and their laws are weighted sums of ``U_a V_b``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import logsumexp

from pate.accounting.laws.noise import NoiseLaw, log1mexp
from pate.arrays import FloatArray, IntArray

_SAFE_EXPONENT = 300.0  # sums of factors up to e^300 with weights down to e^-700 stay inside the range of float64


@final
@dataclass(frozen=True, slots=True)
class _Terms:
    """Summands of probabilities over the lattice, ``[B, J, G]``: their logarithms, and what remains after the largest
    of each sum, ``peak_BJ1``, is taken out."""

    log_BJG: FloatArray
    scaled_BJG: FloatArray
    peak_BJ1: FloatArray

    @classmethod
    def of(cls, log_BJG: FloatArray) -> _Terms:
        peak_BJ1 = log_BJG.max(axis=2, keepdims=True)
        return cls(log_BJG, np.exp(log_BJG - peak_BJ1), peak_BJ1)

    def sums(self) -> FloatArray:
        """``log sum_g`` of the summands, ``[B, J]``."""
        sums_BJ: FloatArray = np.log(self.scaled_BJG.sum(axis=2)) + self.peak_BJ1[:, :, 0]
        return sums_BJ

    def sums_times(self, factors_BMG: FloatArray, *, in_logs: bool) -> FloatArray:
        """``log sum_g terms[j, g] factors[m, g]``, shape ``[B, J, M]``: a matrix product where factors fit into
        float64, a sum in log space where only their logarithms do."""
        if in_logs:
            moves = factors_BMG.shape[1]
            mixed = [logsumexp(self.log_BJG + factors_BMG[:, m, None, :], axis=2) for m in range(moves)]
            return np.stack(mixed, axis=2)
        return np.log(self.scaled_BJG @ factors_BMG.swapaxes(1, 2)) + self.peak_BJ1


@final
@dataclass(frozen=True, slots=True)
class LawTables:
    """Tables for the laws of ``B`` histograms over ``C`` classes and of all their neighbours.

    Shapes: ``G`` lattice points; ``D`` distinct counts of a histogram; index ``C`` among moved classes stands for
    abstention. Factors depend on the moved class through its count alone, but for ties; they come in two variants: of
    classes that win ties against the winner in question, and of those that lose them (one variant where the noise is
    continuous); as logarithms where ``in_logs``.

    Attributes:
        log_p_BC: the law of each histogram, nats.
        terms: the summands of ``P[j | n]``.
        u: ``U_a`` in its variants, each ``[B, D+1, G]``; the last row of ones stands for an abstention.
        v: ``V_b`` in its variants, likewise.
        which_BC: the row of ``u`` and ``v`` of each moved class. Shape ``[B, C+1]``.
        in_logs: whether ``u`` and ``v`` are logarithms.
        log_own_less_BCC: ``log P[a | n - e_a + e_b]`` before normalisation, by ``[a, b]``, ``b`` up to ``C``.
        log_own_more_BCC: ``log P[b | n - e_a + e_b]`` before normalisation, by ``[b, a]``, ``a`` up to ``C``.
    """

    log_p_BC: FloatArray
    terms: _Terms
    u: tuple[FloatArray, ...]
    v: tuple[FloatArray, ...]
    which_BC: IntArray
    in_logs: bool
    log_own_less_BCC: FloatArray
    log_own_more_BCC: FloatArray

    def neighbour_laws(self, from_BM: IntArray, to_BM: IntArray) -> FloatArray:
        """``log P[j | n - e_a + e_b]`` for ``M`` moves of each histogram, shape ``[B, M, C]``.

        Args:
            from_BM: the class ``a`` that loses the vote, ``C`` for an abstention. Shape ``[B, M]``.
            to_BM: the class ``b`` that gains it, ``C`` for an abstention. Shape ``[B, M]``.
        """
        classes = self.log_p_BC.shape[1]
        j_C, batch_B1 = np.arange(classes), np.arange(len(from_BM))[:, None]
        a_after, b_after = from_BM[..., None] > j_C, to_BM[..., None] > j_C
        a_BM, b_BM = self.which_BC[batch_B1, from_BM], self.which_BC[batch_B1, to_BM]
        log_q_BMC = np.empty((*from_BM.shape, classes))
        for i, u_BDG in enumerate(self.u):
            u_BMG = u_BDG[batch_B1, a_BM]
            for k, v_BDG in enumerate(self.v):
                v_BMG = v_BDG[batch_B1, b_BM]
                uv_BMG = u_BMG + v_BMG if self.in_logs else u_BMG * v_BMG
                mixed_BMC = self.terms.sums_times(uv_BMG, in_logs=self.in_logs).swapaxes(1, 2)
                here = (a_after == bool(i)) & (b_after == bool(k)) if len(self.u) > 1 else np.True_
                np.copyto(log_q_BMC, mixed_BMC, where=here)
        own_a = self.log_own_less_BCC[batch_B1, np.minimum(from_BM, classes - 1), to_BM]
        own_b = self.log_own_more_BCC[batch_B1, np.minimum(to_BM, classes - 1), from_BM]
        np.copyto(log_q_BMC, own_a[..., None], where=from_BM[..., None] == j_C)
        np.copyto(log_q_BMC, own_b[..., None], where=to_BM[..., None] == j_C)
        return normalised(log_q_BMC)

    def single_vote_laws(self) -> tuple[FloatArray, FloatArray]:
        """``log P[j | n - e_a]`` by ``[a, j]`` and ``log P[j | n + e_b]`` by ``[b, j]``, each ``[B, C, C]``."""
        classes = self.log_p_BC.shape[1]
        diagonal = np.arange(classes)
        laws = []
        for factors, own_BCC in ((self.u, self.log_own_less_BCC), (self.v, self.log_own_more_BCC)):
            law_BJM = _in_variants(self.terms, factors, self.which_BC, self.in_logs)[:, :, :classes]
            law_BJM[:, diagonal, diagonal] = own_BCC[:, :, classes]
            laws.append(normalised(law_BJM.swapaxes(1, 2)))
        return laws[0], laws[1]


def law_tables(counts_BC: IntArray, noise: NoiseLaw) -> LawTables:
    """The laws of a batch of histograms and what those of their neighbours are made of.

    Args:
        counts_BC: votes, at least two classes; histograms of similar range share one lattice best.
        noise: the noise on each count.

    Returns:
        Tables whose laws have a relative accuracy of about 1e-12 on probabilities down to 1e-60.
    """
    counts_BC = np.asarray(counts_BC, dtype=np.int64)
    classes = counts_BC.shape[1]
    stride, fractions_R, log_weights_R = noise.lattice(classes)
    top_B, lowest_B = counts_BC.max(axis=1), counts_BC.min(axis=1)
    left_B, right_B = noise.window(lowest_B.astype(np.float64), top_B.astype(np.float64), classes)
    start_B = np.floor(left_B).astype(np.int64) - stride
    points = int(np.max(np.ceil((right_B - start_B) / stride))) + 2
    values_BD, which_BC = _distinct(counts_BC)
    y_BDI = start_B[:, None, None] + stride * np.arange(points) - values_BD[:, :, None]
    lowest = int(y_BDI.min()) - 3
    log_pdf_YR, log_cdf_YR = noise.tables(lowest, int(y_BDI.max()) + 3, fractions_R)

    def at(table_YR: FloatArray, shift: int) -> FloatArray:
        values: FloatArray = table_YR[y_BDI + (shift - lowest)].reshape(*y_BDI.shape[:2], -1)
        return values

    classes_BC = (np.arange(len(counts_BC))[:, None], which_BC)
    shifts = (-1, 0) if noise.discrete else (0,)  # of classes that win ties, and that lose them
    cdf = [at(log_cdf_YR, shift) for shift in shifts]
    rivals_BCG = _product_of_others(cdf[0][classes_BC], cdf[-1][classes_BC]) + np.tile(log_weights_R, points)
    log_u = [_with_abstention(at(log_cdf_YR, shift + 1) - here) for shift, here in zip(shifts, cdf, strict=True)]
    log_v = [_with_abstention(at(log_cdf_YR, shift - 1) - here) for shift, here in zip(shifts, cdf, strict=True)]
    in_logs = max(float(np.abs(factor).max()) for factor in (*log_u, *log_v)) > _SAFE_EXPONENT
    u, v = (tuple(logs if in_logs else np.exp(logs) for logs in factors) for factors in (log_u, log_v))
    moved_BC = np.pad(which_BC, ((0, 0), (0, 1)), constant_values=values_BD.shape[1])
    terms, less, more = (_Terms.of(at(log_pdf_YR, shift)[classes_BC] + rivals_BCG) for shift in (0, 1, -1))
    return LawTables(
        log_p_BC=normalised(terms.sums()),
        terms=terms,
        u=u,
        v=v,
        which_BC=moved_BC,
        in_logs=in_logs,
        log_own_less_BCC=_in_variants(less, v, moved_BC, in_logs),
        log_own_more_BCC=_in_variants(more, u, moved_BC, in_logs),
    )


def output_laws(counts_BC: IntArray, noise: NoiseLaw) -> FloatArray:
    """``log P[j | n]`` of each histogram, shape ``[B, C]``, nats."""
    return law_tables(counts_BC, noise).log_p_BC


def normalised(log_p_XC: FloatArray) -> FloatArray:
    """The same law with its most likely outcome set to one minus the others, so that a probability near one keeps
    the digits of its complement."""
    top_X1 = np.argmax(log_p_XC, axis=-1)[..., None]
    others_XC = log_p_XC.copy()
    np.put_along_axis(others_XC, top_X1, -np.inf, axis=-1)
    rest_X1 = np.minimum(logsumexp(others_XC, axis=-1, keepdims=True), 0.0)
    np.put_along_axis(others_XC, top_X1, log1mexp(rest_X1), axis=-1)
    return others_XC


def _in_variants(terms: _Terms, factors: tuple[FloatArray, ...], which_BM: IntArray, in_logs: bool) -> FloatArray:
    """``log sum_g terms[j, g] factor[m, g]``, ``[B, J, M]``, each moved class ``m`` in its variant against ``j``."""
    variants = [
        np.take_along_axis(terms.sums_times(factor, in_logs=in_logs), which_BM[:, None], axis=2) for factor in factors
    ]
    m_after_j = np.arange(which_BM.shape[1]) > np.arange(variants[0].shape[1])[:, None]
    return np.where(m_after_j, variants[-1], variants[0])


def _distinct(counts_BC: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct counts of each histogram, ``[B, D]`` (some of them repeated where others have more), and where each
    class's is, ``[B, C]``."""
    order_BC = np.argsort(counts_BC, axis=1)
    sorted_BC = np.take_along_axis(counts_BC, order_BC, axis=1)
    rank_BC: IntArray = np.cumsum(np.diff(sorted_BC, axis=1, prepend=sorted_BC[:, :1]) > 0, axis=1, dtype=np.int64)
    which_BC = np.empty_like(rank_BC)
    np.put_along_axis(which_BC, order_BC, rank_BC, axis=1)
    values_BD = np.repeat(counts_BC[:, :1], int(rank_BC.max(initial=0)) + 1, axis=1)
    np.put_along_axis(values_BD, which_BC, counts_BC, axis=1)
    return values_BD, which_BC


def _product_of_others(before_BCG: FloatArray, after_BCG: FloatArray) -> FloatArray:
    """``sum_{k<j} before_k + sum_{k>j} after_k`` for every ``j``."""
    ahead_BCG, behind_BCG = np.zeros_like(before_BCG), np.zeros_like(after_BCG)
    np.cumsum(before_BCG[:, :-1], axis=1, out=ahead_BCG[:, 1:])
    behind_BCG[:, :-1] = np.cumsum(after_BCG[:, :0:-1], axis=1)[:, ::-1]
    return ahead_BCG + behind_BCG


def _with_abstention(log_factor_BCG: FloatArray) -> FloatArray:
    """The table with a last row of zeros: moving to or from an abstention changes no factor."""
    return np.pad(log_factor_BCG, ((0, 0), (0, 1), (0, 0)))

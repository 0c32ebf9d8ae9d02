"""Renyi divergences between the output law of a histogram and those of its neighbours: the exact cost of a release.

For each histogram the largest divergence over all moves of one vote is wanted at every order. Most moves are left
out by a proven upper bound: one vote taken from ``a`` alone and one given to ``b`` alone bound what the move does
to every third class, ``D(alpha)`` is bounded at a few orders, and ``(alpha - 1) D(alpha)`` is convex in ``alpha``,
so chords between those orders bound it everywhere (``docs/explanation/accounting_data_dependent.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from pate.accounting.laws.argmax import LawTables, law_tables
from pate.accounting.laws.divergence import both_directions, excess, log_moments
from pate.accounting.laws.mechanism import MechanismLaw, all_moves, possible_moves, top_changes
from pate.arrays import FloatArray, IntArray

_KNOTS = 12  # orders at which every move is bounded; with fewer, chords exclude none of the moves of a close vote
_BATCH_ELEMENTS = 400_000
_FLOOR, _MARGIN = 1e-20, 1e-12  # nats, and relative; what a move may cost more without being evaluated


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """Histograms worked on together. ``K = 2 x knots`` and ``S = 2 x orders`` hold both directions; the moments
    are ``(alpha - 1) D(alpha)`` in nats. With a threshold test, moves are compared with those that change the top
    count alike (index ``Z``): among them the joint cost grows with the cost of the argmax."""

    counts_BC: IntArray
    tables: LawTables
    from_M: IntArray
    to_M: IntArray
    possible_BM: npt.NDArray[np.bool_]
    change_BM: IntArray
    changes: int
    mechanism: MechanismLaw

    def moments(self, batch_X: IntArray, log_q_XC: FloatArray, powers_S: FloatArray) -> FloatArray:
        """Moments of the argmax for ``X`` evaluated moves, shape ``[X, S]``."""
        log_p_XC = self.tables.log_p_BC[batch_X]
        return log_moments(log_p_XC, log_q_XC - log_p_XC, powers_S)

    def with_test(self, argmax_BRZS: FloatArray, powers_S: FloatArray) -> FloatArray:
        """Moments of the joint law, ``[B, R, S]``, from the largest of the argmax by change of the top count (negative
        where no move makes it): ``log(R + A e^argmax)`` with the terms ``R`` of refusal and ``A`` of an answer."""
        if self.mechanism.threshold is None:
            return np.maximum(argmax_BRZS[:, :, 0], 0.0)
        test_B1ZS, answer_B1ZS, refusal_B1ZS = self._test_terms(powers_S)
        joint_BRZS = _joint_moments(test_B1ZS, answer_B1ZS, refusal_B1ZS, np.maximum(argmax_BRZS, 0.0))
        joint_BRS: FloatArray = np.where(argmax_BRZS >= 0, joint_BRZS, 0.0).max(axis=2)
        return joint_BRS

    def bars(self, argmax_BRZS: FloatArray, powers_S: FloatArray) -> FloatArray:
        """Moments of the argmax that a move must exceed, by the change it makes, to raise the joint moments."""
        if self.mechanism.threshold is None:
            return argmax_BRZS
        test_B1ZS, answer_B1ZS, _ = self._test_terms(powers_S)
        joint_BR1S = self.with_test(argmax_BRZS, powers_S)[:, :, None]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            needed_BRZS = np.log1p((np.expm1(joint_BR1S) - np.expm1(test_B1ZS)) * np.exp(-answer_B1ZS))
        return np.where(np.isfinite(needed_BRZS), np.maximum(needed_BRZS, argmax_BRZS), argmax_BRZS)

    def _test_terms(self, powers_S: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Moments of the threshold test alone and the logarithms of its two terms, by change of the top count: each
        ``[B, 1, Z, S]``."""
        tops_BZ = self.counts_BC.max(axis=1)[:, None] + np.array([-1, 0, 1])
        laws_BZ2 = np.stack(self.mechanism.log_answered_refused(tops_BZ), axis=2)
        here_B12 = laws_BZ2[:, 1:2]
        ratios_BZ2 = laws_BZ2 - here_B12
        states_BZ2 = np.broadcast_to(here_B12, laws_BZ2.shape)
        answer_BZS, refusal_BZS = (here_B12[..., [i]] - powers_S * ratios_BZ2[..., [i]] for i in (0, 1))
        test_XS = log_moments(states_BZ2.reshape(-1, 2), ratios_BZ2.reshape(-1, 2), powers_S)
        return test_XS.reshape(answer_BZS.shape)[:, None], answer_BZS[:, None], refusal_BZS[:, None]

    def upper_bounds(self, powers_K: FloatArray) -> FloatArray:
        """Upper bounds on the argmax's moments of the possible moves, shape ``[B, M, K]``; 0 for the others."""
        log_p_BC, (batch, classes) = self.tables.log_p_BC, self.counts_BC.shape
        top_B = np.argmax(self.counts_BC, axis=1)
        batch_X, move_X = np.nonzero(self.possible_BM)
        a_X, b_X = self.from_M[move_X], self.to_M[move_X]
        total_XK = np.zeros((len(batch_X), len(powers_K)))
        votes_BC = self.counts_BC >= 1
        less_BCC, more_BCC = self.tables.single_vote_laws()
        for laws_BCC, own_BCC, needed_BC, moved_X, other_X in (
            (less_BCC, self.tables.log_own_less_BCC, votes_BC, a_X, b_X),
            (more_BCC, self.tables.log_own_more_BCC, np.ones_like(votes_BC), b_X, a_X),
        ):
            moves_X = np.flatnonzero(moved_X < classes)
            i, j, other = batch_X[moves_X], moved_X[moves_X], other_X[moves_X]
            third_2BCK = _third_class_terms(log_p_BC, laws_BCC, needed_BC, top_B, powers_K)
            total_XK[moves_X] += third_2BCK[(other == top_B[i]).astype(np.int64), i, j]
            ratio_X = np.minimum(own_BCC[i, j, other], 0.0) - log_p_BC[i, j]
            total_XK[moves_X] += excess(log_p_BC[i, j, None], ratio_X[:, None], powers_K)
        bounds_BMK = np.zeros((batch, len(self.from_M), len(powers_K)))
        bounds_BMK[batch_X, move_X] = np.log1p(total_XK)
        return bounds_BMK

    def evaluate(self, wanted_BM: npt.NDArray[np.bool_]) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
        """``(batch_X, move_X, log_q_XC)`` of the wanted moves, in order."""
        batch_X, move_X = np.nonzero(wanted_BM)
        width_B = wanted_BM.sum(axis=1)
        place_X = np.arange(len(batch_X)) - (np.cumsum(width_B) - width_B)[batch_X]
        nobody = self.counts_BC.shape[1]
        step = max(1, _BATCH_ELEMENTS // self.tables.log_p_BC.shape[0] * self.tables.terms.log_BJG.shape[2])
        for first in range(0, int(width_B.max(initial=0)), step):
            here = (place_X >= first) & (place_X < first + step)
            b, m, place = batch_X[here], move_X[here], place_X[here] - first
            moves = np.full((2, len(wanted_BM), min(step, int(width_B.max()) - first)), nobody)
            moves[0, b, place], moves[1, b, place] = self.from_M[m], self.to_M[m]
            yield b, m, self.tables.neighbour_laws(moves[0], moves[1])[b, place]


def neighbour_costs(
    counts_BC: IntArray, mechanism: MechanismLaw, *, teachers: int, orders_A: FloatArray, per_vote: bool
) -> FloatArray:
    """The exact cost of one release for each histogram of a batch.

    Args:
        counts_BC: votes per class, rows of similar range.
        mechanism: the release.
        teachers: the roster.
        orders_A: Renyi orders > 1, increasing.
        per_vote: one maximum for each vote that the moving teacher may have cast (the last row: an abstention)
            instead of one maximum over all teachers.

    Returns:
        ``max_neighbour D_alpha``, nats: shape ``[B, 1 or C+1, 2, A]``; third index 0 is ``D(P_n || P_n')`` and 1 is
        ``D(P_n' || P_n)``; zero where no teacher cast the vote.
    """
    batch = _prepared(np.asarray(counts_BC, dtype=np.int64), mechanism, teachers)
    groups = counts_BC.shape[1] + 1 if per_vote else 1
    group_M = batch.from_M if per_vote else np.zeros_like(batch.from_M)
    powers_S = both_directions(orders_A)
    best_BRZS = np.full((len(counts_BC), groups, batch.changes, len(powers_S)), -1.0)
    knots_K, chords_KA = _chords(orders_A)
    upper_BMK = batch.upper_bounds(both_directions(orders_A[knots_K]))
    seeds_BM = _leaders(batch, upper_BMK, group_M, groups)
    _raise_to_moves(best_BRZS, batch, seeds_BM, group_M, powers_S)
    rest_BM = batch.possible_BM & ~seeds_BM
    floor_S = _FLOOR * np.tile(orders_A - 1, 2)
    bars_BRZS = batch.bars(best_BRZS, powers_S) * (1 + _MARGIN) + floor_S
    rest_BM &= _may_exceed(batch, upper_BMK, bars_BRZS, group_M, knots_K, chords_KA, rest_BM)
    _raise_to_moves(best_BRZS, batch, rest_BM, group_M, powers_S)
    return batch.with_test(best_BRZS, powers_S).reshape(len(counts_BC), groups, 2, -1) / (orders_A - 1)


def batches(counts_QC: IntArray, mechanism: MechanismLaw, orders: int) -> Iterator[slice]:
    """Slices of a list of histograms, sorted by range, that fit into memory together."""
    classes = counts_QC.shape[1]
    stride, fractions_R, _ = mechanism.noise.lattice(classes)
    left_Q, right_Q = mechanism.noise.window(
        counts_QC.min(axis=1).astype(np.float64), counts_QC.max(axis=1).astype(np.float64), classes
    )
    points_Q = (right_Q - left_Q) / stride * len(fractions_R)
    moves = (classes + 1) ** 2
    each_Q = np.maximum(classes * points_Q, moves * max(2 * _KNOTS, orders / 4))
    start = 0
    while start < len(counts_QC):
        within_Q = np.maximum.accumulate(each_Q[start:]) * np.arange(1, len(counts_QC) - start + 1) <= _BATCH_ELEMENTS
        stop = start + max(1, int(within_Q.sum()))
        yield slice(start, stop)
        start = stop


def _prepared(counts_BC: IntArray, mechanism: MechanismLaw, teachers: int) -> _Batch:
    from_M, to_M = all_moves(counts_BC.shape[1])
    change_BM = top_changes(counts_BC, from_M, to_M) + 1
    tested = mechanism.threshold is not None
    return _Batch(
        counts_BC=counts_BC,
        tables=law_tables(counts_BC, mechanism.noise),
        from_M=from_M,
        to_M=to_M,
        possible_BM=possible_moves(counts_BC, from_M, teachers),
        change_BM=change_BM if tested else np.zeros_like(change_BM),
        changes=3 if tested else 1,
        mechanism=mechanism,
    )


def _third_class_terms(
    log_p_BC: FloatArray,
    laws_BCC: FloatArray,
    needed_BC: npt.NDArray[np.bool_],
    top_B: IntArray,
    powers_K: FloatArray,
) -> FloatArray:
    """``sum_j P_j psi(log P[j | one vote moved] - log P_j)`` for each single moved vote that is needed, over all ``j``
    but the moved class, and over all but it and the top class: shape ``[2, B, C, K]``."""
    terms_2BCK = np.zeros((2, *log_p_BC.shape, len(powers_K)))
    i, moved = np.nonzero(needed_BC)
    x, top_X = np.arange(len(i)), top_B[i]
    log_p_XC, ratio_XC = log_p_BC[i], laws_BCC[i, moved] - log_p_BC[i]
    at_top_X1 = np.where(top_X == moved, -np.inf, log_p_XC[x, top_X])[:, None]
    log_p_XC[x, moved] = -np.inf
    log_p_XC[x, top_X] = -np.inf
    rest_XK = excess(log_p_XC, ratio_XC, powers_K)
    terms_2BCK[0, i, moved] = rest_XK + excess(at_top_X1, ratio_XC[x, top_X][:, None], powers_K)
    terms_2BCK[1, i, moved] = rest_XK
    return terms_2BCK


def _leaders(batch: _Batch, upper_BMK: FloatArray, group_M: IntArray, groups: int) -> npt.NDArray[np.bool_]:
    """For each group, change of the top count, knot and direction the possible move with the largest bound."""
    leaders_BM = np.zeros_like(batch.possible_BM)
    for change in range(batch.changes):
        eligible_BM = batch.possible_BM & (batch.change_BM == change)
        ranked_BMK = np.where(eligible_BM[..., None], upper_BMK, -1.0)
        for group in range(groups):
            members = np.flatnonzero(group_M == group)
            leader_BK = members[np.argmax(ranked_BMK[:, members], axis=1)]
            np.put_along_axis(leaders_BM, leader_BK, True, axis=1)
    return leaders_BM & batch.possible_BM


def _may_exceed(
    batch: _Batch,
    upper_BMK: FloatArray,
    bars_BRZS: FloatArray,
    group_M: IntArray,
    knots_K: IntArray,
    chords_KA: FloatArray,
    candidates_BM: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """True where the chords through a move's bounds come above the best moment of its group at some order.

    A move needs no closer look if between any two knots the larger of its two bounds stays below the lowest bar. What
    the floor and the margin leave out is covered by the rounding up of the curves.
    """
    b, m = np.nonzero(candidates_BM)
    group, change = group_M[m], batch.change_BM[b, m]
    upper_X2K = np.minimum(upper_BMK[b, m], 1e280).reshape(len(b), 2, len(knots_K))
    bars_BRZ2A = bars_BRZS.reshape(*bars_BRZS.shape[:3], 2, -1)
    lowest_BRZ2K = bars_BRZ2A[..., knots_K]
    lowest_BRZ2K[..., 1:] = np.minimum(
        lowest_BRZ2K[..., 1:], np.minimum.reduceat(bars_BRZ2A, knots_K, axis=-1)[..., :-1]
    )
    larger_X2K = upper_X2K.copy()
    larger_X2K[..., 1:] = np.maximum(upper_X2K[..., 1:], upper_X2K[..., :-1])
    near_X = np.flatnonzero((larger_X2K > lowest_BRZ2K[b, group, change]).any(axis=(1, 2)))
    above_BM = np.zeros_like(candidates_BM)
    step = max(1, _BATCH_ELEMENTS // bars_BRZS.shape[-1])
    for first in range(0, len(near_X), step):
        x = near_X[first : first + step]
        above_BM[b[x], m[x]] = (upper_X2K[x] @ chords_KA > bars_BRZ2A[b[x], group[x], change[x]]).any(axis=(1, 2))
    return above_BM


def _raise_to_moves(
    best_BRZS: FloatArray, batch: _Batch, wanted_BM: npt.NDArray[np.bool_], group_M: IntArray, powers_S: FloatArray
) -> None:
    for b, m, log_q_XC in batch.evaluate(wanted_BM):
        np.maximum.at(best_BRZS, (b, group_M[m], batch.change_BM[b, m]), batch.moments(b, log_q_XC, powers_S))


def _joint_moments(
    test_XS: FloatArray, answer_XS: FloatArray, refusal_XS: FloatArray, argmax_XS: FloatArray
) -> FloatArray:
    """``log(e^refusal + e^answer e^argmax)`` with the digits kept where it is near 0; ``test`` is its value at
    ``argmax = 0``."""
    exponent_XS = answer_XS + argmax_XS
    with np.errstate(over="ignore", invalid="ignore"):  # where it is not near, the other value is taken
        near_XS = np.log1p(np.expm1(test_XS) + np.exp(answer_XS) * np.expm1(argmax_XS))
    far_XS = np.logaddexp(refusal_XS, exponent_XS)
    joint_XS: FloatArray = np.where(np.maximum(np.maximum(test_XS, exponent_XS), argmax_XS) < 1, near_XS, far_XS)
    return joint_XS


def _chords(orders_A: FloatArray) -> tuple[IntArray, FloatArray]:
    """Indices of the knots, evenly spread on a logarithmic scale of ``alpha - 1``, and the matrix that interpolates
    linearly in ``alpha`` between them, shape ``[K, A]``."""
    position_A = np.log(orders_A - 1)
    targets = np.linspace(position_A[0], position_A[-1], min(_KNOTS, len(orders_A)))
    knots_K = np.unique(np.abs(position_A[:, None] - targets).argmin(axis=0))
    unit_KK = np.eye(len(knots_K))
    return knots_K, np.stack([np.interp(orders_A, orders_A[knots_K], row) for row in unit_KK])

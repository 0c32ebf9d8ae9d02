"""Renyi divergences between the output law of a histogram and those of its neighbours: the exact cost of a release.

For each histogram the largest divergence over all moves of one vote is wanted at every order. Most moves are left
out by a proven upper bound: one vote taken from ``a`` alone and one given to ``b`` alone bound what the move does
to every third class, ``D(alpha)`` is bounded at a few orders, and ``(alpha - 1) D(alpha)`` is convex in ``alpha``,
so chords between those orders bound it everywhere (``docs/accounting_data_dependent.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from pate.accounting.curve import FloatArray
from pate.accounting.divergence import both_directions, excess, log_moments
from pate.accounting.mechanism_law import MechanismLaw, all_moves, possible_moves, top_changes
from pate.accounting.output_law import IntArray, LawTables, law_tables

_KNOTS, _FEW_KNOTS, _MANY_CLASSES = 12, 5, 40
_BATCH_ELEMENTS = 400_000
_FLOOR, _MARGIN = 1e-20, 1e-12  # nats, and relative; what a move may cost more without being evaluated


@final
@dataclass(frozen=True, slots=True)
class _Batch:
    """Histograms worked on together. ``K = 2 x knots`` and ``S = 2 x orders`` hold both directions; the moments
    are ``(alpha - 1) D(alpha)`` in nats."""

    counts_BC: IntArray
    tables: LawTables
    from_M: IntArray
    to_M: IntArray
    possible_BM: npt.NDArray[np.bool_]
    change_BM: IntArray
    mechanism: MechanismLaw

    def moments(self, batch_X: IntArray, move_X: IntArray, log_q_XC: FloatArray, powers_S: FloatArray) -> FloatArray:
        """Moments of ``X`` evaluated moves, shape ``[X, S]``."""
        log_p_XC = self.tables.log_p_BC[batch_X]
        argmax_XS = log_moments(log_p_XC, log_q_XC - log_p_XC, powers_S)
        return self.with_test(batch_X, self.change_BM[batch_X, move_X], argmax_XS, powers_S)

    def with_test(
        self, batch_X: IntArray, change_X: IntArray, argmax_XS: FloatArray, powers_S: FloatArray
    ) -> FloatArray:
        """Moments of the joint law from those of the argmax: ``R + A exp(argmax)`` with ``R`` and ``A`` the terms
        of refusal and answer; the argmax alone where there is no test."""
        if self.mechanism.threshold is None:
            return argmax_XS
        tops_B3 = self.counts_BC.max(axis=1)[:, None] + np.array([-1, 0, 1])
        laws_B32 = np.stack(self.mechanism.log_answered_refused(tops_B3), axis=2)
        ratios_B32 = laws_B32 - laws_B32[:, 1:2]
        batch, states = len(self.counts_BC), np.broadcast_to(laws_B32[:, 1:2], laws_B32.shape)
        test_B3S = log_moments(states.reshape(-1, 2), ratios_B32.reshape(-1, 2), powers_S).reshape(batch, 3, -1)
        terms_B32S = laws_B32[:, 1:2, :, None] - powers_S * ratios_B32[..., None]
        answer_XS, refusal_XS = terms_B32S[batch_X, change_X + 1, 0], terms_B32S[batch_X, change_X + 1, 1]
        return _joint_moments(test_B3S[batch_X, change_X + 1], answer_XS, refusal_XS, argmax_XS)

    def upper_bounds(self, powers_K: FloatArray) -> FloatArray:
        """Upper bounds on the moments of the possible moves, shape ``[B, M, K]``; 0 for the others."""
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
        changes_X = self.change_BM[batch_X, move_X]
        bounds_BMK[batch_X, move_X] = self.with_test(batch_X, changes_X, np.log1p(total_XK), powers_K)
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
        ``D(P_n' || P_n)``; zero where nobody cast the vote.
    """
    batch = _prepared(np.asarray(counts_BC, dtype=np.int64), mechanism, teachers)
    groups = counts_BC.shape[1] + 1 if per_vote else 1
    group_M = batch.from_M if per_vote else np.zeros_like(batch.from_M)
    powers_S = both_directions(orders_A)
    best_BRS = np.zeros((len(counts_BC), groups, len(powers_S)))
    knots_K, chords_KA = _chords(orders_A, _knots(counts_BC.shape[1]))
    upper_BMK = batch.upper_bounds(both_directions(orders_A[knots_K]))
    seeds_BM = _leaders(upper_BMK, batch.possible_BM, group_M, groups)
    _raise_to_moves(best_BRS, batch, seeds_BM, group_M, powers_S)
    rest_BM = batch.possible_BM & ~seeds_BM
    rest_BM &= _may_exceed(upper_BMK, best_BRS, group_M, knots_K, chords_KA, _FLOOR * np.tile(orders_A - 1, 2), rest_BM)
    _raise_to_moves(best_BRS, batch, rest_BM, group_M, powers_S)
    return best_BRS.reshape(len(counts_BC), groups, 2, -1) / (orders_A - 1)


def batches(counts_QC: IntArray, mechanism: MechanismLaw, orders: int) -> Iterator[slice]:
    """Slices of a list of histograms, sorted by range, that fit into memory together."""
    classes = counts_QC.shape[1]
    stride, fractions_R, _ = mechanism.noise.lattice(classes)
    left_Q, right_Q = mechanism.noise.window(
        counts_QC.min(axis=1).astype(np.float64), counts_QC.max(axis=1).astype(np.float64), classes
    )
    points_Q = (right_Q - left_Q) / stride * len(fractions_R)
    moves = (classes + 1) ** 2
    each_Q = np.maximum(classes * points_Q, moves * max(2 * _knots(classes), orders / 4))
    start = 0
    while start < len(counts_QC):
        within_Q = np.maximum.accumulate(each_Q[start:]) * np.arange(1, len(counts_QC) - start + 1) <= _BATCH_ELEMENTS
        stop = start + max(1, int(within_Q.sum()))
        yield slice(start, stop)
        start = stop


def _prepared(counts_BC: IntArray, mechanism: MechanismLaw, teachers: int) -> _Batch:
    from_M, to_M = all_moves(counts_BC.shape[1])
    return _Batch(
        counts_BC=counts_BC,
        tables=law_tables(counts_BC, mechanism.noise),
        from_M=from_M,
        to_M=to_M,
        possible_BM=possible_moves(counts_BC, from_M, teachers),
        change_BM=top_changes(counts_BC, from_M, to_M),
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


def _leaders(
    upper_BMK: FloatArray, possible_BM: npt.NDArray[np.bool_], group_M: IntArray, groups: int
) -> npt.NDArray[np.bool_]:
    """For each group, knot and direction the possible move with the largest bound."""
    leaders_BM = np.zeros_like(possible_BM)
    ranked_BMK = np.where(possible_BM[..., None], upper_BMK, -1.0)
    for group in range(groups):
        members = np.flatnonzero(group_M == group)
        leader_BK = members[np.argmax(ranked_BMK[:, members], axis=1)]
        np.put_along_axis(leaders_BM, leader_BK, True, axis=1)
    return leaders_BM & possible_BM


def _may_exceed(
    upper_BMK: FloatArray,
    best_BRS: FloatArray,
    group_M: IntArray,
    knots_K: IntArray,
    chords_KA: FloatArray,
    floor_S: FloatArray,
    candidates_BM: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Whether the chords through a move's bounds come above the best cost of its group at some order.

    Moments grow with the order, so a move whose bound at each knot stays below the best cost at the knot before it
    needs no closer look. What the floor and the margin leave out is covered by the rounding up of the curves.
    """
    batch, move = np.nonzero(candidates_BM)
    group = group_M[move]
    upper_X2K = np.minimum(upper_BMK[batch, move], 1e280).reshape(len(batch), 2, len(knots_K))
    bar_BR2A = (best_BRS * (1 + _MARGIN) + floor_S).reshape(*best_BRS.shape[:2], 2, -1)
    before_K = knots_K[np.maximum(np.arange(len(knots_K)) - 1, 0)]
    near_X = np.flatnonzero((upper_X2K > bar_BR2A[:, :, :, before_K][batch, group]).any(axis=(1, 2)))
    above_BM = np.zeros_like(candidates_BM)
    step = max(1, _BATCH_ELEMENTS // best_BRS.shape[2])
    for first in range(0, len(near_X), step):
        x = near_X[first : first + step]
        above_BM[batch[x], move[x]] = (upper_X2K[x] @ chords_KA > bar_BR2A[batch[x], group[x]]).any(axis=(1, 2))
    return above_BM


def _raise_to_moves(
    best_BRS: FloatArray, batch: _Batch, wanted_BM: npt.NDArray[np.bool_], group_M: IntArray, powers_S: FloatArray
) -> None:
    for b, m, log_q_XC in batch.evaluate(wanted_BM):
        np.maximum.at(best_BRS, (b, group_M[m]), batch.moments(b, m, log_q_XC, powers_S))


def _joint_moments(
    test_XS: FloatArray, answer_XS: FloatArray, refusal_XS: FloatArray, argmax_XS: FloatArray
) -> FloatArray:
    """``log(e^refusal + e^answer e^argmax)`` with the digits kept where it is near 0; ``test`` is its value at
    ``argmax = 0``."""
    exponent_XS = answer_XS + argmax_XS
    with np.errstate(over="ignore"):
        near_XS = np.log1p(np.expm1(test_XS) + np.exp(answer_XS) * np.expm1(argmax_XS))
    far_XS = np.logaddexp(refusal_XS, exponent_XS)
    joint_XS: FloatArray = np.where(np.maximum(np.maximum(test_XS, exponent_XS), argmax_XS) < 1, near_XS, far_XS)
    return joint_XS


def _knots(classes: int) -> int:
    """Orders at which every move is bounded; fewer where the moves are many and nearly all of them negligible."""
    return _KNOTS if classes <= _MANY_CLASSES else _FEW_KNOTS


def _chords(orders_A: FloatArray, knots: int) -> tuple[IntArray, FloatArray]:
    """Indices of the knots, evenly spread on a logarithmic scale of ``alpha - 1``, and the matrix that interpolates
    linearly in ``alpha`` between them, shape ``[K, A]``."""
    position_A = np.log(orders_A - 1)
    targets = np.linspace(position_A[0], position_A[-1], min(knots, len(orders_A)))
    knots_K = np.unique(np.abs(position_A[:, None] - targets).argmin(axis=0))
    unit_KK = np.eye(len(knots_K))
    return knots_K, np.stack([np.interp(orders_A, orders_A[knots_K], row) for row in unit_KK])

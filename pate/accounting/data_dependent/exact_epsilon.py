"""``exact`` through the recursion: the votes at hand, composed without Renyi-DP in between. Private.

Never above the ``exact`` Renyi bound: the smaller of the two is taken.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from pate.accounting.curve import EpsilonBound, require_delta
from pate.accounting.data_dependent.costs import exact, exact_of_each_teacher
from pate.accounting.data_dependent.instance_recursion import Pairs, instance_curve, instance_epsilon
from pate.accounting.events import PrivacyEvent
from pate.accounting.laws.mechanism import (
    LAW_ERROR,
    MechanismLaw,
    NeighbourLaws,
    mechanism_law,
    neighbour_laws,
    require_fixed,
)
from pate.arrays import FloatArray, IntArray
from pate.votes import VoteHistogram, VoteMatrix

MOST_EVALUATIONS = 150
"""Recursions over single teachers' moves before the bounds found so far are taken as the result."""
MOST_NUMBERS = 2 * 10**8
"""Probabilities of all neighbours together, beyond which the Renyi bound alone is given."""

_POINTS: tuple[int | None, ...] = (1000, None)
"""Grids of a teacher's recursion: a coarse one, then refined until epsilon changes no more."""

Laws: TypeAlias = list[NeighbourLaws]


def exact_epsilon(
    votes: VoteHistogram | VoteMatrix,
    event: PrivacyEvent,
    delta: float,
    *,
    fixed_in_advance: bool,
    continuous: bool = False,
) -> EpsilonBound:
    """Epsilon of a fixed query list for this data set against each of its neighbours.

    From histograms: each query presents its costliest neighbour (``per_query``). From a vote matrix: one teacher's
    own moves on all queries, the costliest teacher counts (``per_teacher``).

    Args:
        votes: the votes on the whole list.
        event: what each query released: ``GNMax``, ``LNMax`` or ``ConfidentGNMax``.
        delta: failure probability.
        fixed_in_advance: the whole list was fixed before the first answer was seen; nothing else has such a cost.
        continuous: account for continuous noise, as the literature does, instead of what is drawn.

    Raises:
        InputError: queries chosen after earlier answers, or an event without a data-dependent cost.
    """
    require_delta(delta)
    require_fixed(fixed_in_advance)
    mechanism = mechanism_law(event, continuous=continuous)
    by_rdp = exact(votes, event, fixed_in_advance=fixed_in_advance, continuous=continuous).epsilon(delta)
    counts = votes.histogram() if isinstance(votes, VoteMatrix) else votes
    queries, classes = counts.counts_QC.shape
    if queries * classes**3 > MOST_NUMBERS or by_rdp.epsilon == 0:
        return by_rdp
    laws, row_Q = _laws(counts, mechanism)
    found = _composed([_pairs(laws[row], None, classes) for row in row_Q], delta, by_rdp.epsilon)
    if isinstance(votes, VoteMatrix):
        costs = exact_of_each_teacher(votes, event, fixed_in_advance=fixed_in_advance, continuous=continuous)
        upper_T = np.array([min(found, own.epsilon(delta).epsilon) for own in costs])
        found = _costliest_teacher(votes, delta, laws, row_Q, upper_T)
    if found >= by_rdp.epsilon:
        return by_rdp
    return EpsilonBound(epsilon=found, delta=delta, kind="private", accountant=by_rdp.accountant)


def _costliest_teacher(votes: VoteMatrix, delta: float, laws: Laws, row_Q: IntArray, upper_T: FloatArray) -> float:
    """The largest over teachers of the cost of one teacher's own moves, by best-first search.

    ``upper_T`` holds a bound for each teacher, at first the Renyi bound. The teacher with the largest bound gets a
    better one, first on a coarse grid, then on a fine one, until the largest bound is a fine one: no other can exceed
    it. Stopping early, after ``MOST_EVALUATIONS``, leaves a valid bound.
    """
    refined_T = np.zeros(len(upper_T), dtype=np.int64)
    for _ in range(MOST_EVALUATIONS):
        teacher = int(np.argmax(upper_T))
        if refined_T[teacher] == len(_POINTS):
            break
        labels_Q = votes.labels_TQ[teacher]
        own = [_pairs(laws[row], int(vote), votes.classes) for row, vote in zip(row_Q, labels_Q, strict=True)]
        points = _POINTS[refined_T[teacher]]
        upper_T[teacher] = min(upper_T[teacher], _composed(own, delta, float(upper_T[teacher]), points))
        refined_T[teacher] += 1
    return float(upper_T.max())


def _composed(queries: list[Pairs], delta: float, reach: float, points: int | None = None) -> float:
    """The recursion's epsilon, with room for errors of ``LAW_ERROR`` in every log-probability.

    ``points`` asks for one grid of that many; else grids are refined until epsilon changes no more.
    """
    error = 2 * LAW_ERROR * len(queries)
    smaller = delta * (1 - error)
    if points is None:
        return min(reach, instance_epsilon(queries, smaller, reach) + error)
    return min(reach, instance_curve(queries, 1.3 * reach / points, 1.3 * reach).epsilon(smaller) + error)


def _laws(counts: VoteHistogram, mechanism: MechanismLaw) -> tuple[Laws, IntArray]:
    """The laws of each distinct histogram and its neighbours, and which one belongs to each query."""
    distinct_UC, row_Q = np.unique(counts.counts_QC, axis=0, return_inverse=True)
    laws = [neighbour_laws(mechanism, counts_C, teachers=counts.teachers) for counts_C in distinct_UC]
    return laws, np.asarray(row_Q).ravel()


def _pairs(laws: NeighbourLaws, vote: int | None, classes: int) -> Pairs:
    """The pairs that any teacher, or one with this vote, can present."""
    if vote is None:
        return laws.log_p_O, laws.log_q_MO
    # An abstention is -1 as a vote and C as the class that a vote is moved from: the remainder maps one to the other.
    return laws.log_p_O, laws.log_q_MO[laws.from_M == vote % (classes + 1)]

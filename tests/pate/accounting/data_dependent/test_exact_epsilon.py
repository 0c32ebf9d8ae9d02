"""``exact`` through the recursion: never above Renyi-DP, never below what enumeration finds, tighter by teacher."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pate.accounting.data_dependent.costs import exact
from pate.accounting.data_dependent.exact_epsilon import exact_epsilon
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent
from pate.accounting.laws.mechanism import mechanism_law, neighbour_laws
from pate.errors import InputError
from pate.votes import VoteHistogram, VoteMatrix

EVENTS = [
    GNMaxEvent(sigma=6.0),
    LNMaxEvent(scale=8.0),
    ConfidentGNMaxEvent(threshold=15, sigma_threshold=8.0, sigma=6.0, max_asked=5, max_answered=5),
]
LABELS = np.array([[0, 1, 2, 2, 1], [0, 1, 2, 0, 1], [0, 2, 2, 2, 0], [0, 1, 2, -1, 1]] * 6)


def labels(queries: int = 5) -> VoteMatrix:
    return VoteMatrix.strict(LABELS[:, :queries], 3)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_never_above_the_renyi_figure_and_by_teacher_never_above_by_query(event) -> None:
    by_teacher, by_query = (
        exact_epsilon(labels(), event, 1e-3, fixed_in_advance=True),
        exact_epsilon(labels().histogram(), event, 1e-3, fixed_in_advance=True),
    )
    assert by_query.epsilon <= exact(labels().histogram(), event, fixed_in_advance=True).epsilon(1e-3).epsilon
    assert by_teacher.epsilon <= exact(labels(), event, fixed_in_advance=True).epsilon(1e-3).epsilon
    assert by_teacher.epsilon <= by_query.epsilon + 1e-12
    assert by_teacher.epsilon < by_query.epsilon, "no teacher has the costliest vote on every query"
    assert by_teacher.kind == by_query.kind == "private"


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_never_below_any_neighbour_that_one_teacher_can_make(event) -> None:
    """Two queries, every change of both votes of every teacher: the divergence at epsilon is below delta."""
    votes, delta = labels(2), 1e-2
    epsilon = exact_epsilon(votes, event, delta, fixed_in_advance=True).epsilon
    mechanism, counts = mechanism_law(event), votes.histogram()
    worst = 0.0
    for row in np.unique(votes.labels_TQ, axis=0):
        laws = [
            neighbour_laws(mechanism, counts.counts_QC[q], teachers=counts.teachers, vote=int(row[q])) for q in (0, 1)
        ]
        for i, j in itertools.product(*(range(len(law.log_q_MO)) for law in laws)):
            p = np.outer(np.exp(laws[0].log_p_O), np.exp(laws[1].log_p_O))
            q = np.outer(np.exp(laws[0].log_q_MO[i]), np.exp(laws[1].log_q_MO[j]))
            worst = max(worst, *(np.maximum(a - math.exp(epsilon) * b, 0).sum() for a, b in ((p, q), (q, p))))
    assert worst <= delta * (1 + 1e-9)
    assert worst > 0.5 * delta, "and not far above it"


def test_unanimous_votes_with_little_noise_cost_next_to_nothing() -> None:
    votes = VoteHistogram.strict(np.tile([200, 0, 0], (50, 1)), 200)
    assert exact_epsilon(votes, GNMaxEvent(sigma=5.0), 1e-5, fixed_in_advance=True).epsilon < 1e-3


def test_adaptive_queries_and_impossible_deltas_are_refused() -> None:
    with pytest.raises(InputError):
        exact_epsilon(labels(), EVENTS[0], 1e-5, fixed_in_advance=False)
    for delta in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError):
            exact_epsilon(labels(), EVENTS[0], delta, fixed_in_advance=True)

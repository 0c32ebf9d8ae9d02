"""The exact epsilon of one pair of neighbours: the smallest at which their outcome laws are within delta.

    epsilon(delta) = max over sets S of outcomes and both directions of  log((P[S] - delta) / Q[S])

The best sets hold the outcomes with the largest likelihood ratios (Neyman and Pearson 1933).
"""

from __future__ import annotations

import math

import numpy as np

from pate.accounting.curve import require_delta
from pate.accounting.events import PrivacyEvent, one_query
from pate.accounting.laws.argmax import output_laws
from pate.accounting.laws.mechanism import mechanism_law
from pate.aggregation.mechanisms import NoisyMax
from pate.arrays import FloatArray, IntArray
from pate.auditing.neighbours import Neighbours


def epsilon_of_pair(mechanism: NoisyMax, pair: Neighbours, delta: float) -> float:
    """Exact epsilon of a pair of neighbours under a mechanism, nats, from its law and not from samples."""
    event = mechanism.worst_case_event(queries=len(pair.first_QC), moved_votes=1)
    one = one_query(event)
    return epsilon_of_laws(_law(one, pair.first_QC), _law(one, pair.second_QC), delta)


def epsilon_of_laws(p_O: FloatArray, q_O: FloatArray, delta: float) -> float:
    """The exact epsilon of two laws over the same outcomes, nats; infinite where delta does not cover an outcome
    that one of them excludes."""
    require_delta(delta)
    return max(0.0, _one_way(p_O, q_O, delta), _one_way(q_O, p_O, delta))


def by_ratio(p_O: FloatArray, q_O: FloatArray) -> IntArray:
    """Outcomes by falling likelihood ratio."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_O = np.where(p_O > 0, p_O / q_O, 0.0)
    order_O: IntArray = np.argsort(-ratio_O, kind="stable")
    return order_O


def _one_way(p_O: FloatArray, q_O: FloatArray, delta: float) -> float:
    order = by_ratio(p_O, q_O)
    in_p, in_q = np.cumsum(p_O[order]) - delta, np.cumsum(q_O[order])
    if ((in_p > 0) & (in_q == 0)).any():
        return math.inf
    worth = in_p > 0
    return float(np.log(in_p[worth] / in_q[worth]).max(initial=0.0))


def _law(event: PrivacyEvent, counts_QC: IntArray) -> FloatArray:
    """Probabilities of the joint outcomes of all queries, the last query's outcome running fastest; of one query
    refusal comes first, then the classes."""
    law = mechanism_law(event)
    log_p_QO = output_laws(counts_QC, law.noise)
    log_answered_Q, log_refused_Q = law.log_answered_refused(counts_QC.max(axis=1))
    p_QO = np.exp(np.concatenate([log_refused_Q[:, None], log_p_QO + log_answered_Q[:, None]], axis=1))
    joint_O = np.ones(1)
    for p_O in p_QO:
        joint_O = np.outer(joint_O, p_O).ravel()
    return joint_O

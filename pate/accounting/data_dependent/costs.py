"""Data-dependent accounts of a list of queries: ``exact`` and ``papernot18``, as Renyi curves of kind ``private``.

They are statements about one data set and its neighbours, functions of the private votes: nothing here may leave
the private side unchanged, and none of it is differential privacy. They hold for query lists fixed before the
first answer and charge the whole list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, final

import numpy as np

from pate.accounting.curve import DEFAULT_ORDERS, BoundKind, EpsilonBound, RDPCurve
from pate.accounting.data_dependent import papernot18 as bounds_2018
from pate.accounting.data_dependent.exact_rdp import batches, neighbour_costs
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent, PrivacyEvent
from pate.accounting.laws.mechanism import LAW_ERROR, MechanismLaw, mechanism_law, require_fixed
from pate.arrays import FloatArray, IntArray
from pate.errors import expected
from pate.values import Redacted
from pate.votes import VoteHistogram, VoteMatrix

Scope: TypeAlias = Literal["per_query", "per_teacher", "expected cost"]

_RELATIVE_ERROR = 1e-9  # covers log-probabilities so large (below e^-5000) that float64 itself is coarser than that


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DataDependentCost(Redacted):
    """A data-dependent account. Private.

    Attributes:
        curve: Renyi costs of the whole list.
        accountant: ``exact`` or ``papernot18``.
        scope: ``per_teacher`` (one teacher's moves on all queries), ``per_query`` (the worst move of each query) or
            ``expected cost`` (the 2018 convention for Confident-GNMax, which is no bound).
    """

    curve: RDPCurve
    accountant: str
    scope: Scope
    kind: BoundKind = field(default="private", init=False)

    def epsilon(self, delta: float) -> EpsilonBound:
        """The account at ``delta`` by the conversion of Canonne, Kamath, Steinke (2020)."""
        epsilon, order = self.curve.epsilon(delta)
        name = f"{self.accountant} ({self.scope})"
        return EpsilonBound(epsilon=epsilon, delta=delta, kind=self.kind, accountant=name, order=order)


def exact(
    votes: VoteHistogram | VoteMatrix,
    event: PrivacyEvent,
    *,
    fixed_in_advance: bool,
    orders_A: FloatArray = DEFAULT_ORDERS,
    continuous: bool = False,
) -> DataDependentCost:
    """Per-instance Renyi cost from the output law itself: this data set against each of its neighbours.

    From a vote matrix: ``max over teachers and directions of sum_i max_b D_alpha`` (``per_teacher``); from histograms
    alone: ``max over directions of sum_i max_neighbour D_alpha`` (``per_query``). Never above the data-independent
    Gaussian cost. Rounded up: by a factor of ``1 + 1e-9``, and each query adds
    ``2e-12 (2 alpha - 1) / (alpha - 1)`` nats for the accuracy of its law.

    Args:
        votes: the votes on the whole list.
        event: what each query released: ``GNMax``, ``LNMax`` or ``ConfidentGNMax``.
        fixed_in_advance: the whole list was fixed before the first answer was seen; nothing else has such a cost.
        orders_A: Renyi orders > 1, increasing.
        continuous: account for continuous noise, as the literature does, instead of what is drawn.

    Raises:
        InputError: queries chosen after earlier answers, or an event without a data-dependent cost.
    """
    require_fixed(fixed_in_advance)
    mechanism, orders_A = mechanism_law(event, continuous=continuous), _checked_orders(orders_A)
    if isinstance(votes, VoteMatrix):
        queries, scope = votes.labels_TQ.shape[1], "per_teacher"
        cost_DA = _per_teacher(votes, mechanism, orders_A)
    else:
        queries, scope = len(votes.counts_QC), "per_query"
        cost_DA = _per_query(votes, mechanism, orders_A)
    curve = _rounded_up(cost_DA.max(axis=0), queries, event, orders_A)
    return DataDependentCost(
        curve=curve, accountant="exact", scope="per_teacher" if scope == "per_teacher" else "per_query"
    )


def exact_of_each_teacher(
    votes: VoteMatrix,
    event: PrivacyEvent,
    *,
    fixed_in_advance: bool,
    orders_A: FloatArray = DEFAULT_ORDERS,
    continuous: bool = False,
) -> list[DataDependentCost]:
    """``exact`` taken teacher by teacher, the worse direction of each: the largest cost of one teacher's own moves.

    ``exact`` of the same votes is the largest of them, order by order; arguments and errors are its own.
    """
    require_fixed(fixed_in_advance)
    mechanism, orders_A = mechanism_law(event, continuous=continuous), _checked_orders(orders_A)
    queries = votes.labels_TQ.shape[1]
    costs_TA = _each_teacher(votes, mechanism, orders_A).max(axis=1)
    return [
        DataDependentCost(curve=_rounded_up(cost_A, queries, event, orders_A), accountant="exact", scope="per_teacher")
        for cost_A in costs_TA
    ]


def papernot18(
    votes: VoteHistogram, event: PrivacyEvent, *, fixed_in_advance: bool, orders_A: FloatArray = DEFAULT_ORDERS
) -> DataDependentCost:
    """The account of Papernot et al. (2018) for continuous noise, for comparison with the literature.

    Confident-GNMax gets the cost that is usually quoted, the test plus ``P[answered]`` times the answer: an
    expectation (scope ``expected cost``).

    Raises:
        InputError: queries chosen after earlier answers, or an event without a data-dependent cost.
    """
    require_fixed(fixed_in_advance)
    mechanism_law(event)
    orders_A, counts_QC = _checked_orders(orders_A), votes.counts_QC.astype(np.float64)
    scope: Scope = "per_query"
    if isinstance(event, GNMaxEvent):
        cost_QA = bounds_2018.gnmax_rdp(bounds_2018.log_q_gnmax(counts_QC, event.sigma), event.sigma, orders_A)
    elif isinstance(event, LNMaxEvent):
        cost_QA = bounds_2018.lnmax_rdp(bounds_2018.log_q_lnmax(counts_QC, event.scale), event.scale, orders_A)
    elif isinstance(event, ConfidentGNMaxEvent):
        scope = "expected cost"
        cost_QA = bounds_2018.confident_gnmax_expected_rdp(
            counts_QC,
            threshold=event.threshold,
            sigma_threshold=event.sigma_threshold,
            sigma=event.sigma,
            orders_A=orders_A,
        )
    return DataDependentCost(curve=RDPCurve(orders_A, cost_QA.sum(axis=0)), accountant="papernot18", scope=scope)


def _per_query(votes: VoteHistogram, mechanism: MechanismLaw, orders_A: FloatArray) -> FloatArray:
    """``sum_i max_neighbour D_alpha`` of both directions, shape ``[2, A]``."""
    distinct_UC, times_U = _distinct(votes.counts_QC)[:2]
    total_DA = np.zeros((2, len(orders_A)))
    for part in batches(distinct_UC, mechanism, len(orders_A)):
        cost_BRDA = neighbour_costs(
            distinct_UC[part], mechanism, teachers=votes.teachers, orders_A=orders_A, per_vote=False
        )
        total_DA += np.einsum("b,bda->da", times_U[part].astype(np.float64), cost_BRDA[:, 0])
    return total_DA


def _rounded_up(cost_A: FloatArray, queries: int, event: PrivacyEvent, orders_A: FloatArray) -> RDPCurve:
    """A summed cost with the errors of its laws added, never above the data-independent one."""
    slack_A = queries * LAW_ERROR * (2 * orders_A - 1) / (orders_A - 1)
    plain_A = queries * _one_release(event, orders_A)
    return RDPCurve(orders_A, np.minimum(cost_A * (1 + _RELATIVE_ERROR) + slack_A, plain_A))


def _per_teacher(votes: VoteMatrix, mechanism: MechanismLaw, orders_A: FloatArray) -> FloatArray:
    """``max_teacher sum_i max_b D_alpha`` of both directions, shape ``[2, A]``."""
    worst_DA: FloatArray = _each_teacher(votes, mechanism, orders_A).max(axis=0, initial=0.0)
    return worst_DA


def _each_teacher(votes: VoteMatrix, mechanism: MechanismLaw, orders_A: FloatArray) -> FloatArray:
    """``sum_i max_b D_alpha`` of each teacher and both directions, shape ``[T, 2, A]``."""
    teachers = len(votes.labels_TQ)
    distinct_UC, _, which_Q = _distinct(votes.histogram().counts_QC)
    total_TDA = np.zeros((teachers, 2, len(orders_A)))
    for part in batches(distinct_UC, mechanism, len(orders_A)):
        cost_BRDA = neighbour_costs(distinct_UC[part], mechanism, teachers=teachers, orders_A=orders_A, per_vote=True)
        for i in np.flatnonzero((which_Q >= part.start) & (which_Q < part.stop)):
            total_TDA += cost_BRDA[which_Q[i] - part.start][votes.labels_TQ[:, i]]  # -1 is the row of abstentions
    return total_TDA


def _distinct(counts_QC: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Distinct histograms in order of their range, how often each occurs, and which of them each query has."""
    distinct_UC, which_Q, times_U = np.unique(counts_QC, axis=0, return_inverse=True, return_counts=True)
    order_U = np.argsort(np.ptp(distinct_UC, axis=1), kind="stable")
    return distinct_UC[order_U], times_U[order_U], np.argsort(order_U)[which_Q.ravel()]


def _one_release(event: PrivacyEvent, orders_A: FloatArray) -> FloatArray:
    if isinstance(event, ConfidentGNMaxEvent):
        test, answer = event.sigma_threshold, event.sigma
        return orders_A / (2 * test**2) + orders_A / answer**2
    return gaussian_rdp(event, orders_A).rdp_A


def _checked_orders(orders_A: FloatArray) -> FloatArray:
    orders_A = np.asarray(orders_A, dtype=np.float64)
    if orders_A.ndim != 1 or not orders_A.size or not (np.isfinite(orders_A) & (orders_A > 1)).all():
        raise expected("finite Renyi orders > 1", "remove the others", orders=orders_A.shape)
    if (np.diff(orders_A) <= 0).any():
        raise expected("increasing Renyi orders", "sort them and drop repetitions", orders=orders_A.shape)
    return orders_A

"""Accounting, planning and auditing of a mechanism, with the arguments that most users need.

Each function is a few lines on ``pate.accounting`` or ``pate.auditing``, which offer more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, final

from pate.accounting import data_independent_epsilon
from pate.accounting.curve import EpsilonBound
from pate.accounting.data_independent.accountants import DEFAULT_ACCOUNTANT
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, PrivacyEvent, RepeatedEvent, one_query
from pate.accounting.planning import calibration, campaign, comparison
from pate.aggregation import ConfidentGNMax, GNMax, LNMax, NoisyMax
from pate.auditing import DELTA, Finding, pairs_for
from pate.auditing import audit as audit_pair
from pate.errors import expected
from pate.values import Private
from pate.votes import VoteMatrix

M = TypeVar("M", GNMax, LNMax, ConfidentGNMax)
_UNLIMITED = 10**9


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A campaign that fits a budget, with the labels to be expected from it.

    Attributes:
        mechanism: to give to ``release``.
        queries: public inputs to ask.
        epsilon: data-independent cost, nats; holds whatever the votes are.
        delta: of that epsilon.
        accountant: that computed it.
        expected_answers: labels to be expected, if teachers agree as assumed.
        label_accuracy: probability that a label is the teachers' most voted class, likewise.
    """

    mechanism: GNMax | ConfidentGNMax
    queries: int
    epsilon: float
    delta: float
    accountant: str
    expected_answers: float
    label_accuracy: float


def epsilon(
    released: NoisyMax | PrivacyEvent,
    delta: float,
    *,
    queries: int | None = None,
    moved_votes: int = 1,
    accountant: str = DEFAULT_ACCOUNTANT,
) -> EpsilonBound:
    """Data-independent cost of a campaign; it holds whatever the votes are, so it may be published.

    Args:
        released: mechanism that answers ``queries`` inputs, or a complete event.
        delta: failure probability in (0, 1), far below one over the number of privacy units.
        queries: inputs to ask; with a mechanism only.
        moved_votes: votes that one privacy unit may move; with a mechanism only.
        accountant: one of ``pate.accounting.ACCOUNTANTS``.

    >>> round(epsilon(GNMax(sigma=40), 1e-5, queries=286, accountant="gaussian").epsilon, 2)
    2.64
    """
    if isinstance(released, PrivacyEvent):
        if queries is not None or moved_votes != 1:
            raise expected("queries and moved_votes with a mechanism only", "the event has them", queries=queries)
        return data_independent_epsilon(released, delta, accountant)
    if queries is None:
        raise expected("queries with a mechanism", "give the number of inputs to ask", queries=None)
    event = released.worst_case_event(queries=queries, moved_votes=moved_votes)
    return data_independent_epsilon(event, delta, accountant)


def calibrate(
    mechanism: M,
    *,
    queries: int,
    epsilon: float,
    delta: float,
    moved_votes: int = 1,
    accountant: str = DEFAULT_ACCOUNTANT,
) -> M:
    """The mechanism with the least noise that a budget allows; ratios of noises, threshold and counts stay.

    Args:
        mechanism: with any noise.
        queries: inputs to ask.
        epsilon: the budget, nats.
        delta: of the budget.
        moved_votes: votes that one privacy unit may move.
        accountant: one of ``pate.accounting.ACCOUNTANTS``.

    Raises:
        InputError: no noise meets the budget.
    """
    event = mechanism.worst_case_event(queries=queries, moved_votes=moved_votes)
    found = one_query(calibration.calibrate(event, epsilon=epsilon, delta=delta, accountant=accountant))
    names = ("scale",) if isinstance(mechanism, LNMax) else ("sigma", "sigma_threshold")
    return replace(mechanism, **{name: getattr(found, name) for name in names if hasattr(mechanism, name)})


def plan(
    *,
    teachers: int,
    classes: int,
    labels: int,
    epsilon: float | None = None,
    accuracy: float | None = None,
    delta: float = 1e-5,
    agreement: float | Mapping[float, float] = 0.9,
    confident: bool = False,
    pool: int | None = None,
    accountant: str = DEFAULT_ACCOUNTANT,
) -> Plan:
    """Most accurate campaign within a budget, or the cheapest one of an accuracy; no data are touched.

    Args:
        teachers: number of teachers.
        classes: of the task.
        labels: wanted.
        epsilon: the budget, nats.
        accuracy: instead of a budget: label accuracy wanted, in (0, 1).
        delta: of the budget.
        agreement: fraction of teachers that vote for the most voted class; or several, each with its share of queries.
            It is an assumption from public knowledge: labels depend on it, the cost does not.
        confident: plan Confident-GNMax, which refuses inputs without a clear majority, instead of GNMax.
        pool: public inputs that can be asked at most; default: no limit.
        accountant: one of ``pate.accounting.ACCOUNTANTS``.

    Raises:
        InputError: not exactly one of epsilon and accuracy, or no such campaign.
    """
    if (epsilon is None) == (accuracy is None):
        raise expected("exactly one of epsilon and accuracy", "give one of them", epsilon=epsilon, accuracy=accuracy)
    if pool is not None and labels > pool:
        raise expected(f"labels <= pool={pool}", "ask for fewer", labels=labels)
    kinds = agreement if isinstance(agreement, Mapping) else {agreement: 1.0}
    votes = campaign.ExpectedVotes(
        teachers=teachers, classes=classes, agreement=tuple(kinds), share=tuple(kinds.values())
    )
    if accuracy is not None:
        found = campaign.least_epsilon(
            votes, labels=labels, accuracy=accuracy, delta=delta, confident=confident, pool=pool, accountant=accountant
        )
    elif epsilon is not None and confident:
        found = campaign.plan_confident(
            votes, labels=labels, epsilon=epsilon, delta=delta, pool=pool, accountant=accountant
        )
    else:
        found = campaign.plan_gnmax(
            votes, labels=labels, epsilon=float(epsilon or 0), delta=delta, accountant=accountant
        )
    return _planned(found, accountant)


def compare(
    votes: VoteMatrix, mechanism: NoisyMax, *, delta: float, moved_votes: int = 1
) -> Private[dict[str, comparison.Row]]:
    """Cost of these votes by every accountant, by its name.

    Args:
        votes: of every teacher on every query, on a list that was fixed in advance.
        mechanism: that answers them.
        delta: of every epsilon.
        moved_votes: votes that one privacy unit may move.

    Returns:
        Private: all rows but ``gaussian``, ``worst_case_rdp`` and ``worst_case`` depend on the votes.
    """
    event = one_query(mechanism.worst_case_event(queries=votes.labels_TQ.shape[1], moved_votes=moved_votes))
    return comparison.compare(votes.histogram(), event, delta=delta, fixed_in_advance=True, labels=votes)


def audit(
    mechanism: NoisyMax, *, samples: int = 20_000, delta: float = DELTA, accountant: str = DEFAULT_ACCOUNTANT
) -> tuple[Finding, ...]:
    """Black-box audit: lower-bound epsilon on synthetic neighbouring votes, and compare it with the claim.

    Campaigns of a few queries are audited, so ``max_answered`` of ``ConfidentGNMax`` plays no role.

    Args:
        mechanism: asked behind a real ledger, with real noise.
        samples: campaigns asked of each neighbour.
        delta: of every epsilon.
        accountant: whose claim is tested.

    Returns:
        A finding for each pair of neighbours; ``broken`` is ``True`` if the lower bound exceeds the claim.
    """
    if isinstance(mechanism, ConfidentGNMax):
        mechanism = replace(mechanism, max_answered=_UNLIMITED)
    return tuple(
        audit_pair(mechanism, pair, samples=samples, delta=delta, accountant=accountant)
        for pair in pairs_for(mechanism)
    )


def _planned(found: campaign.CampaignPlan, accountant: str) -> Plan:
    event = found.event
    one = one_query(event)
    mechanism: GNMax | ConfidentGNMax
    if isinstance(one, ConfidentGNMaxEvent):
        queries = one.max_asked
        mechanism = ConfidentGNMax(
            threshold=one.threshold,
            sigma_threshold=one.sigma_threshold,
            sigma=one.sigma,
            max_answered=one.max_answered,
        )
    elif isinstance(one, GNMaxEvent) and isinstance(event, RepeatedEvent):
        queries, mechanism = event.count, GNMax(sigma=one.sigma)
    else:
        raise expected("a planned campaign", "GNMax repeated or Confident-GNMax", event=type(event).__name__)
    return Plan(
        mechanism=mechanism,
        queries=queries,
        epsilon=found.epsilon,
        delta=found.delta,
        accountant=accountant,
        expected_answers=found.expected_answers,
        label_accuracy=found.label_accuracy,
    )

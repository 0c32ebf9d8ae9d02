"""One query list under every accountant, side by side: the release and its cost by each account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from pate.accounting.curve import EpsilonBound, RDPCurve, require_delta
from pate.accounting.data_dependent.costs import DataDependentCost, exact, papernot18
from pate.accounting.data_dependent.exact_epsilon import exact_epsilon
from pate.accounting.data_independent.accountants import data_independent_epsilon
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import (
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
)
from pate.accounting.laws.mechanism import mechanism_law
from pate.accounting.sanitised.gap_sensitivity import BASIS, MOST_TEACHERS, gap_inputs
from pate.accounting.sanitised.smooth_sensitivity import sanitised_inputs
from pate.errors import expected
from pate.values import Private
from pate.votes import VoteHistogram, VoteMatrix


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One accountant's answer.

    Attributes:
        bound: epsilon with its delta, kind, accountant and order.
        note: remark on its interpretation.
        standard_deviation: of a sanitised estimate, in epsilon; ``None`` for the others.
    """

    bound: EpsilonBound
    note: str
    standard_deviation: float | None = None


def compare(
    votes: VoteHistogram,
    event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent,
    *,
    delta: float,
    fixed_in_advance: bool,
    labels: VoteMatrix | None = None,
    sanitised: SanitisedReleaseEvent | None = None,
    continuous: bool = False,
) -> Private[dict[str, Row]]:
    """Every account of a query list that was fixed in advance, by name.

    Args:
        votes: the histograms of the whole list.
        event: what each query released; of ``ConfidentGNMax`` the counts ``max_asked`` and ``max_answered`` are what
            the data-independent rows charge.
        delta: failure probability.
        fixed_in_advance: the whole list was fixed before the first answer was seen; nothing else is compared.
        labels: every teacher's votes on the same list, for the rows by teacher.
        sanitised: the noisy release to price, its fields fixed before the votes were seen.
        continuous: the data-dependent rows account for continuous noise, as the literature does. The
            data-independent rows hold for the discrete noise that is drawn.

    Returns:
        ``gaussian``, ``worst_case_rdp``, ``worst_case``, ``papernot18``, ``papernot18_2017_conversion``,
        ``exact_rdp``, ``exact``; with labels ``exact_rdp_per_teacher`` and ``exact_per_teacher``; with a release
        ``sanitised``, what pate would show, and ``sanitised_papernot18``, that of the literature at its true
        cost. Private as a whole: all but the first three are functions of the votes.
    """
    require_delta(delta)
    campaign = _campaign(event, len(votes.counts_QC))
    rows = {
        name: Row(bound=data_independent_epsilon(campaign, delta, name), note="a guarantee, whatever the votes are")
        for name in ("gaussian", "worst_case_rdp", "worst_case")
    }
    literature = papernot18(votes, event, fixed_in_advance=fixed_in_advance)
    rows["papernot18"] = _row(literature, delta)
    rows["papernot18_2017_conversion"] = _old_conversion(literature, delta)

    def by_law(given: VoteHistogram | VoteMatrix) -> tuple[Row, Row]:
        """The exact cost in Renyi-DP, and composed without it."""
        cost = exact(given, event, fixed_in_advance=fixed_in_advance, continuous=continuous)
        bound = exact_epsilon(given, event, delta, fixed_in_advance=fixed_in_advance, continuous=continuous)
        return _row(cost, delta), Row(bound=bound, note=cost.scope)

    rows["exact_rdp"], rows["exact"] = by_law(votes)
    if labels is not None:
        rows["exact_rdp_per_teacher"], rows["exact_per_teacher"] = by_law(labels)
    if sanitised is not None:
        if isinstance(event, LNMaxEvent):
            raise expected("GNMax or ConfidentGNMax", "no smooth sensitivity is known for it", event="LNMax")
        if votes.teachers <= MOST_TEACHERS:
            inputs = gap_inputs(votes, event, sanitised, fixed_in_advance=fixed_in_advance)
            rows["sanitised"] = _sanitised(BASIS, inputs, sanitised, delta)
        inputs = sanitised_inputs(votes, event, sanitised, fixed_in_advance=fixed_in_advance)
        rows["sanitised_papernot18"] = _sanitised("papernot18", inputs, sanitised, delta)
    return Private(rows)


def expected_answered(votes: VoteHistogram, event: PrivacyEvent) -> Private[float]:
    """Expected number of queries that the mechanism answers."""
    top_Q = votes.counts_QC.max(axis=1)
    return Private(float(np.exp(mechanism_law(event).log_answered_refused(top_Q)[0]).sum()))


def _campaign(event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent, queries: int) -> PrivacyEvent:
    return event if isinstance(event, ConfidentGNMaxEvent) else RepeatedEvent(event=event, count=queries)


def _row(cost: DataDependentCost, delta: float) -> Row:
    return Row(bound=cost.epsilon(delta), note=cost.scope)


def _old_conversion(cost: DataDependentCost, delta: float) -> Row:
    epsilon, order = cost.curve.epsilon_2017(delta)
    bound = EpsilonBound(epsilon=epsilon, delta=delta, kind="private", accountant="papernot18", order=order)
    return Row(bound=bound, note=f"{cost.scope}, conversion of 2017, for comparison with the literature")


def _sanitised(basis: str, inputs: tuple[float, float], release: SanitisedReleaseEvent, delta: float) -> Row:
    """Mean and standard deviation of the released estimate, its own cost included."""
    cost, sensitivity = inputs
    order_1 = np.array([release.order])
    own = gaussian_rdp(release, order_1).rdp_A[0]
    spread = release.sigma_ss * (sensitivity + release.floor)
    epsilon, _ = RDPCurve(order_1, np.array([cost + own])).epsilon(delta)
    bound = EpsilonBound(
        epsilon=epsilon, delta=delta, kind="private", accountant=f"{basis}, sanitised", order=release.order
    )
    return Row(bound=bound, note="mean of what a release would show, its own cost included", standard_deviation=spread)


def to_dict(row: Row) -> dict[str, Any]:
    """The row as plain JSON."""
    bound = row.bound
    content: dict[str, Any] = {"epsilon": bound.epsilon, "delta": bound.delta, "kind": bound.kind, "note": row.note}
    if bound.order is not None:
        content["order"] = bound.order
    if row.standard_deviation is not None:
        content["standard_deviation"] = row.standard_deviation
    return content

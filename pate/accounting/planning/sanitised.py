"""Parameters of a sanitised estimate for a price, from public parameters and an assumed agreement of the teachers.

A wrong assumption makes the estimate noisier than planned; its cost does not depend on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from pate.accounting.data_independent.accountants import DEFAULT_ACCOUNTANT, data_independent_epsilon
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    kind_of,
)
from pate.accounting.planning.campaign import ExpectedVotes
from pate.accounting.rounding import significant
from pate.accounting.sanitised.gap_sensitivity import BASIS, cost_and_sensitivities
from pate.accounting.sanitised.release import SanitisedEpsilon, sanitised_estimate
from pate.accounting.sanitised.smoothing import smooth_sensitivity
from pate.arrays import FloatArray
from pate.errors import expected
from pate.votes import VoteHistogram

_ORDERS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 27.0, 33.0)
_BETAS = tuple(float(f"{beta:.2g}") for beta in np.geomspace(0.004, 0.12, 12))
_SHARES = (0.03, 0.1, 0.25)  # of the price, for the width
_ROUNDS = 8


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatePlan:
    """An estimate for a campaign, and its expected value.

    Attributes:
        release: to declare in the configuration.
        epsilon: data-independent cost of the campaign and the estimate, nats.
        without: that of the campaign alone.
        shown: mean of the estimate if teachers agree as expected.
    """

    release: SanitisedReleaseEvent
    epsilon: float
    without: float
    shown: SanitisedEpsilon


def plan_estimate(
    event: PrivacyEvent, votes: ExpectedVotes, *, price: float, delta: float, accountant: str = DEFAULT_ACCOUNTANT
) -> EstimatePlan:
    """The estimate with the lowest expected upper bound that adds at most ``price`` to the cost of a campaign.

    The search takes the estimate's Renyi cost at the campaign's own order for its price; the accountant then checks the
    choice, and the noise is adjusted until it holds.

    Args:
        event: ``GNMax`` repeated, or ``ConfidentGNMax``.
        votes: how teachers are expected to vote.
        price: epsilon that the estimate may add, nats.
        delta: failure probability.
        accountant: one of ``ACCOUNTANTS``.

    Raises:
        InputError: no estimate is possible at this price.
    """
    search = _Search(*_campaign(event, votes), delta, worst_case_rdp(event).epsilon(delta)[1])
    without = data_independent_epsilon(event, delta, accountant).epsilon
    rdp_price = price
    for _ in range(_ROUNDS):
        release = search.best(rdp_price)
        epsilon = data_independent_epsilon(ComposedEvent(events=(event, release)), delta, accountant).epsilon
        added = epsilon - without
        if 0.85 * price <= added <= price:
            break
        rdp_price *= price / added * 0.97
    if added > price:
        raise expected("a price that some estimate meets", "allow more", price=price)
    return EstimatePlan(release=release, epsilon=epsilon, without=without, shown=search.shown(release))


def _campaign(event: PrivacyEvent, votes: ExpectedVotes) -> tuple[GNMaxEvent | ConfidentGNMaxEvent, VoteHistogram]:
    """One query's event, and the histograms of the whole list as expected."""
    each: GNMaxEvent | ConfidentGNMaxEvent
    if isinstance(event, ConfidentGNMaxEvent):
        each, queries = event, event.max_asked
    elif isinstance(event, RepeatedEvent) and isinstance(event.event, GNMaxEvent):
        each, queries = event.event, event.count
    else:
        raise expected("GNMax repeated or ConfidentGNMax", "plan one campaign", event=kind_of(event))
    ends = np.round(np.cumsum(votes.share) * queries).astype(int)
    rows_QC = np.repeat(votes.histograms().astype(np.int64), np.diff(ends, prepend=0), axis=0)
    return each, VoteHistogram(counts_QC=rows_QC, teachers=votes.teachers)


@final
class _Search:
    """Looks for the release with the lowest expected upper bound; caches the tables of each order."""

    __slots__ = ("_at_order", "_counts", "_delta", "_each", "_known")

    def __init__(
        self, each: GNMaxEvent | ConfidentGNMaxEvent, counts: VoteHistogram, delta: float, at_order: float
    ) -> None:
        self._each, self._counts, self._delta, self._at_order = each, counts, delta, at_order
        self._known: dict[float, tuple[float, FloatArray]] = {}

    def best(self, rdp_price: float) -> SanitisedReleaseEvent:
        """The release whose Renyi cost at the campaign's order is the price. The bound falls and then rises with the
        order of the estimate, so orders are tried from the middle outwards as long as it falls."""
        start = len(_ORDERS) // 2
        best = self._at(start, rdp_price)
        for step in (-1, 1):
            place, last = start + step, best
            while 0 <= place < len(_ORDERS):
                found = self._at(place, rdp_price)
                if found is not None and (best is None or found[0] < best[0]):
                    best = found
                elif last is not None:
                    break
                place, last = place + step, found
        if best is None:
            raise expected("a price that some estimate meets", "allow more", price=rdp_price)
        return best[1]

    def shown(self, release: SanitisedReleaseEvent) -> SanitisedEpsilon:
        """Estimate that the release shows with no noise."""
        order = release.order
        if order not in self._known:
            self._known[order] = cost_and_sensitivities(self._counts, self._each, order, fixed_in_advance=True)
        cost, local_D = self._known[order]
        sensitivity = smooth_sensitivity(local_D, release.beta)
        return sanitised_estimate(
            release, cost=cost, smooth_sensitivity=sensitivity, cost_noise=0, log_noise=0, basis=BASIS
        ).epsilon(self._delta)

    def _at(self, place: int, rdp_price: float) -> tuple[float, SanitisedReleaseEvent] | None:
        """The best release of one order with its expected upper bound, or ``None`` if there is none at this price."""
        found = [
            (self.shown(release).upper, release)
            for beta in _BETAS
            for share in _SHARES
            if (release := _release(_ORDERS[place], beta, share, rdp_price, self._at_order)) is not None
        ]
        return min(found, key=lambda pair: pair[0], default=None)


def _release(
    order: float, beta: float, share: float, rdp_price: float, at_order: float
) -> SanitisedReleaseEvent | None:
    """The release of this order and smoothness that costs the price at ``at_order``, or ``None`` if there is none."""
    kappa = 1 - (at_order - 1) * math.expm1(2 * beta)
    if kappa <= 0.02 or order >= 0.98 * (1 + 1 / math.expm1(2 * beta)):
        return None
    room = (1 - share) * rdp_price + beta + math.log(kappa) / (2 * (at_order - 1))
    if room <= 0:
        return None
    sigma_ss = math.sqrt(at_order / (2 * kappa * room))
    tau_s = 65 / 64 * beta * math.sqrt(at_order / (2 * share * rdp_price))
    return SanitisedReleaseEvent(order=order, beta=beta, sigma_ss=significant(sigma_ss, 3), tau_s=significant(tau_s, 3))

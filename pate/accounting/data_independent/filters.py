"""Filters: budgets that hold although later campaigns are chosen after earlier answers were seen.

Adding up curves is for campaigns whose counts and noise are fixed in advance. Where they may depend on answers, costs
have to be numbers, and the most that they may add up to a number fixed at registration. Two are proven in
``docs/explanation/accounting.md``, section 8: Gaussian information for ``worst_case`` accounts, and Renyi-DP at one
order for those that are kept in Renyi-DP. Both follow from an account's epsilon, delta and accountant alone, so none
of the constants here, nor ``DEFAULT_ORDERS``, may change: accounts that were opened under them are held to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, final

import numpy as np

from pate.accounting.curve import DEFAULT_ORDERS
from pate.accounting.data_independent.accountants import data_independent_epsilon
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.gaussian_domination import (
    gaussian_epsilon,
    gaussian_information,
    information_terms,
)
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import PrivacyEvent
from pate.arrays import FloatArray

MOST_TERMS = 100
"""A term costs at least this fraction of the capacity, which bounds the number of terms."""
SPARED = 0.01
"""The fraction of delta that a Gaussian filter reserves for the outcomes that its terms spare."""


class CampaignFilter(Protocol):
    """Decides from costs alone; the order of campaigns and how they interleave do not matter."""

    @property
    def name(self) -> str:
        """Filter and accountant, such as ``gdp_filter(worst_case)``."""

    @property
    def order(self) -> float | None:
        """The Renyi order, or ``None`` where none is involved."""

    def admits(self, campaigns: Sequence[PrivacyEvent]) -> bool:
        """True if these campaigns together stay within the capacity."""

    def epsilon(self, campaigns: Sequence[PrivacyEvent], delta: float) -> float:
        """Epsilon at ``delta`` of everything that costs as much as these campaigns, nats; 0 for none."""

    def rdp(self, campaigns: Sequence[PrivacyEvent], orders_A: FloatArray) -> FloatArray:
        """Their cost in Renyi-DP, infinite at orders where the filter gives no bound. Shape ``[A]``."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianFilter:
    """Gaussian information of campaigns adds up to at most what ``(epsilon, delta)`` allows (Smith, Thakurta 2022, and
    Koskela, Tobaben, Honkela 2023, for Gaussian noise).

    Attributes:
        epsilon_granted: the account's budget.
        delta_granted: its failure probability.
    """

    epsilon_granted: float
    delta_granted: float

    @property
    def name(self) -> str:
        """See ``CampaignFilter``."""
        return "gdp_filter(worst_case)"

    @property
    def order(self) -> float | None:
        """See ``CampaignFilter``."""
        return None

    def admits(self, campaigns: Sequence[PrivacyEvent]) -> bool:
        """See ``CampaignFilter``."""
        return math.fsum(self._terms(campaigns)) <= _information(self.epsilon_granted, self.delta_granted)

    def epsilon(self, campaigns: Sequence[PrivacyEvent], delta: float) -> float:
        """See ``CampaignFilter``."""
        terms = self._terms(campaigns)
        return gaussian_epsilon(math.fsum(terms), delta - len(terms) * self._spare)

    def rdp(self, campaigns: Sequence[PrivacyEvent], orders_A: FloatArray) -> FloatArray:
        """See ``CampaignFilter``; that of the Gaussian pair, apart from spared outcomes."""
        return math.fsum(self._terms(campaigns)) / 2 * orders_A

    @property
    def _spare(self) -> float:
        return SPARED * self.delta_granted / MOST_TERMS

    def _terms(self, campaigns: Sequence[PrivacyEvent]) -> list[float]:
        """Costs; of a campaign together never less than what its own epsilon alone amounts to."""
        least = _information(self.epsilon_granted, self.delta_granted) / MOST_TERMS
        found: list[float] = []
        for campaign in campaigns:
            terms = [max(term, least) for term in information_terms(campaign, self._spare)]
            alone = _information_alone(campaign, self.delta_granted)
            terms[:1] = [max(terms[0], alone - math.fsum(terms[1:]))] if terms else []
            found += terms
        return found


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RenyiFilter:
    """Renyi-DP of campaigns at one order adds up to at most what ``(epsilon, delta)`` allows at it (Feldman, Zrnic
    2021, and Lecuyer 2021: Renyi filters).

    The order is the one at which costs in proportion to the order, as all costs nearly are, may be largest.

    Attributes:
        epsilon_granted: the account's budget.
        delta_granted: its failure probability.
        accountant: ``gaussian`` or ``worst_case_rdp``.
    """

    epsilon_granted: float
    delta_granted: float
    accountant: str

    @property
    def name(self) -> str:
        """See ``CampaignFilter``."""
        return f"renyi_filter({self.accountant})"

    @property
    def order(self) -> float | None:
        """See ``CampaignFilter``."""
        return self._order

    @property
    def _order(self) -> float:
        rate_A = (self.epsilon_granted - _conversion(DEFAULT_ORDERS, self.delta_granted)) / DEFAULT_ORDERS
        return float(DEFAULT_ORDERS[int(np.argmax(rate_A))])

    def admits(self, campaigns: Sequence[PrivacyEvent]) -> bool:
        """See ``CampaignFilter``."""
        return self._cost(campaigns) <= self._capacity

    def epsilon(self, campaigns: Sequence[PrivacyEvent], delta: float) -> float:
        """See ``CampaignFilter``; by the conversion of Canonne, Kamath, Steinke 2020, proposition 12."""
        cost = self._cost(campaigns)
        if cost == 0:
            return 0.0
        if delta == self.delta_granted:  # never above the budget by rounding while the filter admits it
            return max(0.0, self.epsilon_granted - (self._capacity - cost))
        return max(0.0, cost + float(_conversion(np.array([self._order]), delta)[0]))

    def rdp(self, campaigns: Sequence[PrivacyEvent], orders_A: FloatArray) -> FloatArray:
        """See ``CampaignFilter``; Renyi divergence does not fall in the order, so the cost holds below it too."""
        return np.where(orders_A <= self._order, self._cost(campaigns), np.inf)

    @property
    def _capacity(self) -> float:
        return self.epsilon_granted - float(_conversion(np.array([self._order]), self.delta_granted)[0])

    def _cost(self, campaigns: Sequence[PrivacyEvent]) -> float:
        return math.fsum(_rdp_at(campaign, self._order, self.accountant) for campaign in campaigns)


def filter_of(*, epsilon: float, delta: float, accountant: str) -> CampaignFilter:
    """The filter of an account with this budget."""
    if accountant == "worst_case":
        return GaussianFilter(epsilon_granted=epsilon, delta_granted=delta)
    return RenyiFilter(epsilon_granted=epsilon, delta_granted=delta, accountant=accountant)


def _conversion(orders_A: FloatArray, delta: float) -> FloatArray:
    """Epsilon above Renyi-DP: Canonne, Kamath, Steinke 2020, proposition 12."""
    above_A: FloatArray = np.log1p(-1 / orders_A) - (math.log(delta) + np.log(orders_A)) / (orders_A - 1)
    return above_A


@lru_cache(maxsize=4096)
def _rdp_at(campaign: PrivacyEvent, order: float, accountant: str) -> float:
    curve = gaussian_rdp if accountant == "gaussian" else worst_case_rdp
    return float(curve(campaign, np.array([order])).rdp_A[0])


@lru_cache(maxsize=256)
def _information(epsilon: float, delta: float) -> float:
    return gaussian_information(epsilon, (1 - SPARED) * delta)


@lru_cache(maxsize=4096)
def _information_alone(campaign: PrivacyEvent, delta: float) -> float:
    """Rounded up: at this information and full ``delta`` epsilon is not below that of the campaign alone."""
    epsilon = data_independent_epsilon(campaign, delta, "worst_case").epsilon
    return gaussian_information(epsilon, delta) * (1 + 3e-7) if math.isfinite(epsilon) else math.inf

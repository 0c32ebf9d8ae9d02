"""Campaigns that an account accepts, and the total of everything charged to it: the one source of both.

A filter covers campaigns that are decided later; a composed curve is smaller and covers what was fixed before the first
answer. An account is held to one of the two from its first charge on (``docs/explanation/accounting.md``, section 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pate.accounting.curve import EpsilonBound
from pate.accounting.data_independent.accountants import ACCOUNTANTS, data_independent_epsilon
from pate.accounting.data_independent.filters import CampaignFilter, filter_of
from pate.accounting.events import ComposedEvent, PrivacyEvent, leaves

EXCEEDED = "exceeded "
"""Before a filter's name: charged before filters were in force, or to an account that was linked later."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRule:
    """The rule that an account's first registration fixes.

    Attributes:
        epsilon: the budget, nats.
        delta: its failure probability.
        accountant: one of ``ACCOUNTANTS``; bounds on what was fixed in advance are its own.
        declared: campaigns that were fixed at registration.
    """

    epsilon: float
    delta: float
    accountant: str
    declared: tuple[PrivacyEvent, ...] = ()

    @property
    def filter(self) -> CampaignFilter:
        """Limit on campaigns that are decided later."""
        return filter_of(epsilon=self.epsilon, delta=self.delta, accountant=self.accountant)

    @property
    def bound(self) -> bool:
        """True if only declared campaigns are accepted: together they exceed what the filter allows."""
        return bool(self.declared) and not self.filter.admits(self.declared)

    def admits(self, campaigns: Sequence[PrivacyEvent]) -> bool:
        """True if the account may be charged for these campaigns, of which the last is new."""
        if self.bound:
            return within(campaigns, self.declared) and self._composed(self.declared) <= self.epsilon
        alone = len(campaigns) == 1 and self._composed(campaigns) <= self.epsilon
        return alone or self.filter.admits(campaigns)

    def total(self, campaigns: Sequence[PrivacyEvent]) -> EpsilonBound:
        """Total cost of campaigns; the accountant's name contains the rule."""
        name, order = self.accountant, None
        if self._decided_later(campaigns):
            held = not self.bound and self.filter.admits(campaigns)
            name, order = self.filter.name if held else EXCEEDED + self.filter.name, self.filter.order
        return self._bound(name, campaigns, order)

    def fixed(self, campaigns: Sequence[PrivacyEvent]) -> EpsilonBound:
        """The account's accountant on campaigns that are fixed in advance, composed."""
        return self._bound(self.accountant, campaigns, None)

    def left(self, campaigns: Sequence[PrivacyEvent]) -> float:
        """Epsilon that the rule still allows after these campaigns, nats; 0 where nothing more is accepted."""
        if self.bound:
            inside = within(campaigns, self.declared)
            return max(0.0, self._composed(self.declared) - self._composed(campaigns)) if inside else 0.0
        if not campaigns:
            return self.epsilon
        if not self.filter.admits(campaigns):
            return 0.0
        return max(0.0, self.epsilon - self.filter.epsilon(campaigns, self.delta))

    def epsilon_by(self, name: str, campaigns: Sequence[PrivacyEvent], delta: float) -> float:
        """Epsilon of campaigns at any ``delta`` by the rule that ``total`` named."""
        if name in ACCOUNTANTS:
            return self._composed(campaigns, delta)
        return self.filter.epsilon(campaigns, delta)

    def _bound(self, name: str, campaigns: Sequence[PrivacyEvent], order: float | None) -> EpsilonBound:
        epsilon = self.epsilon_by(name, campaigns, self.delta)
        return EpsilonBound(epsilon=epsilon, delta=self.delta, kind="data-independent", accountant=name, order=order)

    def _decided_later(self, campaigns: Sequence[PrivacyEvent]) -> bool:
        if len(campaigns) < 2:
            return False
        return not (self.bound and within(campaigns, self.declared))

    def _composed(self, campaigns: Sequence[PrivacyEvent], delta: float | None = None) -> float:
        """By the composed curve, or Renyi-DP at its best order: for what is fixed in advance."""
        event = campaigns[0] if len(campaigns) == 1 else ComposedEvent(events=tuple(campaigns))
        return data_independent_epsilon(event, delta or self.delta, self.accountant).epsilon


def accountant_of(name: str) -> str:
    """The accountant inside the name of a rule.

    >>> accountant_of("exceeded renyi_filter(gaussian)")
    'gaussian'
    """
    return name.rpartition("(")[2].removesuffix(")")


def within(campaigns: Sequence[PrivacyEvent], declared: Sequence[PrivacyEvent]) -> bool:
    """True if campaigns release no more of any kind than was declared, in any order and portions."""
    asked, allowed = (leaves(ComposedEvent(events=tuple(part))) for part in (campaigns, declared))
    return asked <= allowed

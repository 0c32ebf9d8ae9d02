"""The least noise, or the most releases, that a budget allows; every answer is checked by the accountant itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr

from pate.accounting.curve import require_delta
from pate.accounting.data_independent.accountants import DEFAULT_ACCOUNTANT, data_independent_epsilon
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    ThresholdTestEvent,
    leaves,
)
from pate.accounting.rounding import significant
from pate.errors import expected

_DIGITS = 5  # of noise, so that equal noises share the accountants' tables
TEST_INFORMATION = 0.638
"""Squared shift of the unit Gaussian that costs what one threshold test costs, per ``1/sigma^2``: about ``2/pi``."""
LOOSENESS = {"worst_case": 1.0, "worst_case_rdp": 1.15, "gaussian": 1.8}
"""Shares of other accountants, roughly; they steer searches only."""
_MOST_FACTOR = 1e9


def calibrate(
    event: PrivacyEvent, *, epsilon: float, delta: float, accountant: str = DEFAULT_ACCOUNTANT, tolerance: float = 2e-3
) -> PrivacyEvent:
    """The event with all its noise scaled by the smallest common factor that keeps its cost within a budget.

    Args:
        event: what is to be released; the ratios between its noises are kept, counts and threshold too.
        epsilon: the budget, nats.
        delta: its failure probability.
        accountant: one of ``ACCOUNTANTS``.
        tolerance: how far above the smallest factor the result may lie, relatively. A cost within it below the budget
            ends the search, as epsilon falls at least as fast as one over the noise.

    Returns:
        The event with its noise rounded up to five digits; ``accountant`` charges it at most ``epsilon``.

    Raises:
        InputError: no noise meets the budget.
    """
    _require_budget(epsilon, delta)

    def cost(factor: float) -> float:
        return data_independent_epsilon(scaled(event, factor), delta, accountant).epsilon

    if not leaves(event):
        return event
    low, high = 0.0, math.inf
    factor = _guess(event, epsilon, delta, accountant) * (1 + tolerance / 2)
    while high > low * (1 + tolerance):
        factor = significant(factor, _DIGITS)
        if factor > _MOST_FACTOR:
            raise expected("a budget that some noise meets", "raise epsilon or delta", epsilon=epsilon, delta=delta)
        found = cost(factor)
        if found <= epsilon:
            high = factor
            if found >= epsilon * (1 - tolerance):
                break
        else:
            low = factor
        factor = _next(factor, found / epsilon, low, high, tolerance)
    return scaled(event, high)


def most_releases(event: PrivacyEvent, *, epsilon: float, delta: float, accountant: str = DEFAULT_ACCOUNTANT) -> int:
    """The largest count of an event that a budget pays for; 0 where it does not pay for one.

    Args:
        event: one release or campaign.
        epsilon: the budget, nats.
        delta: its failure probability.
        accountant: one of ``ACCOUNTANTS``.

    Raises:
        InputError: the event costs nothing, so there is no largest count.
    """
    _require_budget(epsilon, delta)
    if not leaves(event):
        raise expected("an event that costs something", "there is no largest count of it", releases=0)

    def affordable(count: int) -> bool:
        return data_independent_epsilon(RepeatedEvent(event=event, count=count), delta, accountant).epsilon <= epsilon

    low, high = 0, None
    allowed, count = gaussian_budget(epsilon, delta) / LOOSENESS.get(accountant, 1.0), 1
    for _ in range(8):
        count = max(1, round(count * allowed / gaussian_share(RepeatedEvent(event=event, count=count), delta)))
    while high is None or high > low + 1:
        if affordable(count):
            low = count
            count = math.ceil(low * 1.05) + 1 if high is None else (low + high) // 2
        else:
            high = count
            count = math.floor(high / 1.05) if low == 0 and high > 20 else (low + high) // 2
        if high == 1:
            return 0
        if high is not None:
            count = min(max(count, low + 1), high - 1)
    return low


def scaled(event: PrivacyEvent, factor: float) -> PrivacyEvent:
    """The event with the noise of every vote multiplied by a factor; a sanitised estimate keeps its own."""
    if isinstance(event, ComposedEvent):
        return ComposedEvent(events=tuple(scaled(part, factor) for part in event.events))
    if isinstance(event, RepeatedEvent):
        return RepeatedEvent(event=scaled(event.event, factor), count=event.count)
    if isinstance(event, LNMaxEvent):
        return replace(event, scale=significant(event.scale * factor, _DIGITS))
    if isinstance(event, ConfidentGNMaxEvent):
        return replace(
            event,
            sigma=significant(event.sigma * factor, _DIGITS),
            sigma_threshold=significant(event.sigma_threshold * factor, _DIGITS),
        )
    if isinstance(event, GNMaxEvent | ThresholdTestEvent):
        return replace(event, sigma=significant(event.sigma * factor, _DIGITS))
    return event


def gaussian_share(event: PrivacyEvent, delta: float) -> float:
    """Roughly the squared shift ``mu^2`` of the unit Gaussian that costs what the event costs; steers searches only."""
    total = 0.0
    for leaf, count in leaves(event).items():
        if isinstance(leaf, LNMaxEvent):
            pure = 2 * leaf.moved_votes / leaf.scale
            total += count * 2 * pure * math.tanh(pure / 2)
        elif isinstance(leaf, ThresholdTestEvent):
            total += count * TEST_INFORMATION * (leaf.moved_votes / leaf.sigma) ** 2
        elif isinstance(leaf, GNMaxEvent):
            per_vote = argmax_information(count, delta) if leaf.moved_votes == 1 else 2.3
            total += count * per_vote * (leaf.moved_votes / leaf.sigma) ** 2
        else:
            total += count * 2 * float(gaussian_rdp(leaf, np.array([leaf.order])).rdp_A[0]) / leaf.order
    return total


def argmax_information(count: int, delta: float) -> float:
    """Squared shift of the unit Gaussian per argmax release and ``1/sigma^2``: 2 for a single one, falling to a little
    over ``4/pi``. Fitted to ``worst_case`` within 2% from three releases on; steers searches only."""
    return min(2.0, 1.2915 + (1.15 - 0.105 * math.log(delta)) / (count + 2))


@lru_cache(maxsize=256)
def gaussian_budget(epsilon: float, delta: float) -> float:
    """The squared shift ``mu^2`` of a unit Gaussian that costs exactly ``(epsilon, delta)`` (Balle, Wang 2018)."""

    def excess(mu: float) -> float:
        first = math.exp(log_ndtr(mu / 2 - epsilon / mu))
        return first - math.exp(min(epsilon + float(log_ndtr(-mu / 2 - epsilon / mu)), 0.0)) - delta

    low, high = 1e-9, 1.0
    while excess(high) < 0:
        high *= 2
    while excess(low) > 0:
        low /= 1e3
    root: Callable[..., float] = brentq
    return float(root(excess, low, high, rtol=1e-10)) ** 2


def _guess(event: PrivacyEvent, epsilon: float, delta: float, accountant: str) -> float:
    allowed = gaussian_budget(epsilon, delta) / LOOSENESS.get(accountant, 1.0)
    low, high = 1e-12, 1e12
    for _ in range(100):
        mid = math.sqrt(low * high)
        low, high = (low, mid) if gaussian_share(scaled(event, mid), delta) <= allowed else (mid, high)
    return high


def _next(factor: float, excess: float, low: float, high: float, tolerance: float) -> float:
    """Next factor to try: epsilon falls about as one over the noise; a little beyond, to end within the tolerance."""
    if math.isfinite(excess) and excess > 0:
        factor *= excess**0.9 * (1 + tolerance / 2)
    else:
        factor *= 4 if excess > 1 else 0.25
    if low > 0 and math.isfinite(high):
        inner = (high / low) ** 0.1
        factor = min(max(factor, low * inner), high / inner)
    return factor


def rounded_down(value: float) -> float:
    """At most ``value``, with five significant digits."""
    return significant(value * (1 - 1e-4), _DIGITS)


def _require_budget(epsilon: float, delta: float) -> None:
    require_delta(delta)
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise expected("a finite epsilon > 0", "give the budget in nats", epsilon=epsilon)

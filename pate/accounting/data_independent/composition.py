"""The certified curve of any event: releases counted by kind, one recursion per kind, curves composed.

Any interleaving of fixed numbers of releases of several kinds is dominated by the composition of the kinds' own
curves (``docs/explanation/accounting.md``), so an event is first flattened into counts.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeGuard

from pate.accounting.data_independent.dominating import (
    Family,
    argmax_family,
    randomised_response_family,
    threshold_family,
)
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.outcome_pairs import MOST_NOISE, MOST_TEST_NOISE
from pate.accounting.data_independent.recursion import adaptive_curve
from pate.accounting.events import GNMaxEvent, Leaf, LNMaxEvent, PrivacyEvent, ThresholdTestEvent, leaves
from pate.accounting.privacy_curve import PrivacyCurve, from_rdp, no_release

MOST_STEPS = 700
"""Beyond, a curve is composed with itself, which takes far less time and costs 0.1% to 0.4% of epsilon."""
_SMALLEST_DELTA = 1e-16  # grids end where Renyi-DP bounds delta by this
_LARGEST_REACH = 100.0  # nats; larger budgets are not worth the recursion's time
_MOST_POINTS = 20_000
_RDP_POINTS = 2000


def privacy_curve(event: PrivacyEvent, *, most_steps: int = MOST_STEPS) -> PrivacyCurve | None:
    """The certified (epsilon, delta) curve of an event, for storing and for composing with later ones.

    Args:
        event: what is released.
        most_steps: steps of a recursion before its curve is composed with itself instead; fewer take less time and
            loosen the bound, 80 of 300 by 1%.

    Returns:
        The curve, or ``None`` where so little noise was used that epsilon would be in the hundreds. Releases that the
        recursion does not know (a noisy argmax with several votes moved, a sanitised estimate) enter by their
        Renyi-DP.
    """
    return _composed_curve(frozenset(leaves(event).items()), most_steps)


@lru_cache(maxsize=512)
def _composed_curve(counts: frozenset[tuple[Leaf, int]], most_steps: int) -> PrivacyCurve | None:
    curves = [kind_curve(leaf, count, most_steps) for leaf, count in counts]
    known = [curve for curve in curves if curve is not None]
    if len(known) < len(curves):
        return None
    known.sort(key=lambda curve: len(curve.forward_G) * curve.step)
    total = known[0] if known else no_release()
    for curve in known[1:]:
        total = total.compose(curve)
    return total


@lru_cache(maxsize=512)
def kind_curve(leaf: Leaf, count: int, most_steps: int = MOST_STEPS) -> PrivacyCurve | None:
    whole = _reach(leaf, count)
    if whole > _LARGEST_REACH:
        return None
    if not _has_family(leaf):
        cost = gaussian_rdp(leaf).repeated(count)
        return from_rdp(cost, whole / _RDP_POINTS, whole) if whole > 0 else no_release()
    doublings = max(0, math.ceil(math.log2(count / most_steps)))
    steps = math.ceil(count / 2**doublings)
    family, reach = _family(leaf), _reach(leaf, steps)
    if reach / family.step > _MOST_POINTS:
        return None
    return adaptive_curve(family, steps, reach).repeated(doublings)


def _reach(leaf: Leaf, count: int) -> float:
    """End of a grid: about where ``delta`` falls below ``_SMALLEST_DELTA``; curves are bounds wherever it ends.
    At orders well below sigma releases of one vote cost less than the Gaussian bound (``worst_case_rdp.py``)."""
    reach, order = gaussian_rdp(leaf).repeated(count).epsilon(_SMALLEST_DELTA)
    low_order = isinstance(leaf, GNMaxEvent | ThresholdTestEvent) and order <= leaf.sigma / (2 * leaf.moved_votes)
    if low_order and _has_family(leaf):
        return 0.85 * reach
    return reach


def _has_family(leaf: Leaf) -> TypeGuard[GNMaxEvent | LNMaxEvent | ThresholdTestEvent]:
    if isinstance(leaf, GNMaxEvent):
        return leaf.moved_votes == 1 and leaf.sigma <= MOST_NOISE
    return isinstance(leaf, LNMaxEvent) or (isinstance(leaf, ThresholdTestEvent) and leaf.sigma <= MOST_TEST_NOISE)


def _family(leaf: GNMaxEvent | LNMaxEvent | ThresholdTestEvent) -> Family:
    if isinstance(leaf, GNMaxEvent):
        return argmax_family(leaf.sigma)
    if isinstance(leaf, ThresholdTestEvent):
        return threshold_family(leaf.sigma, leaf.moved_votes)
    return randomised_response_family(2 * leaf.moved_votes / leaf.scale)

"""Check that a charge covers what a campaign may release; refusals are threshold tests and must be covered too."""

from __future__ import annotations

from pate.accounting.events import GNMaxEvent, LNMaxEvent, PrivacyEvent, ThresholdTestEvent, leaves
from pate.errors import expected


def require_paid(event: PrivacyEvent, *, queries: int, max_answered: int) -> None:
    """Refuse a campaign that may release more than it is charged for.

    Args:
        event: the charge.
        queries: inputs that the campaign may ask.
        max_answered: answers other than refusals that it may give.

    Raises:
        InputError: fewer argmax releases than answers, or refusals without threshold tests.
    """
    charged = leaves(event)
    tests = sum(count for leaf, count in charged.items() if isinstance(leaf, ThresholdTestEvent))
    argmaxes = sum(count for leaf, count in charged.items() if isinstance(leaf, GNMaxEvent | LNMaxEvent))
    refusals = queries > max_answered
    if argmaxes < max_answered or (refusals and tests < queries):
        raise expected(
            "a charge for every answer and every refusal",
            "charge the mechanism's worst_case_event",
            queries=queries,
            max_answered=max_answered,
            threshold_tests_charged=tests,
            argmaxes_charged=argmaxes,
        )

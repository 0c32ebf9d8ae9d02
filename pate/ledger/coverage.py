"""Whether a charge pays for what a campaign may release: refusals are threshold tests and are paid for too."""

from __future__ import annotations

from functools import singledispatch

from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    kind_of,
)
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
    tests, argmaxes = _releases(event)
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


@singledispatch
def _releases(event: PrivacyEvent) -> tuple[int, int]:
    """Threshold tests and argmax releases in an event."""
    raise expected("a privacy event", "events.py lists them", event=kind_of(event))


@_releases.register(GNMaxEvent)
@_releases.register(LNMaxEvent)
def _(event: GNMaxEvent | LNMaxEvent) -> tuple[int, int]:
    return 0, 1


@_releases.register
def _(event: ThresholdTestEvent) -> tuple[int, int]:
    return 1, 0


@_releases.register
def _(event: SanitisedReleaseEvent) -> tuple[int, int]:
    return 0, 0


@_releases.register
def _(event: ConfidentGNMaxEvent) -> tuple[int, int]:
    return event.max_asked, event.max_answered


@_releases.register
def _(event: RepeatedEvent) -> tuple[int, int]:
    tests, argmaxes = _releases(event.event)
    return tests * event.count, argmaxes * event.count


@_releases.register
def _(event: ComposedEvent) -> tuple[int, int]:
    parts = [_releases(part) for part in event.events]
    return sum(part[0] for part in parts), sum(part[1] for part in parts)

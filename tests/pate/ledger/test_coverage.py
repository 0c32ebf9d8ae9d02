"""A charge is measured by what it pays for, however it is composed."""

from __future__ import annotations

import pytest

from pate.accounting import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    RepeatedEvent,
    ThresholdTestEvent,
)
from pate.accounting.events import LEAVES
from pate.errors import InputError
from pate.ledger import coverage

TESTS = RepeatedEvent(event=ThresholdTestEvent(sigma=40.0), count=6)
ANSWERS = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=3)
CONFIDENT = ConfidentGNMaxEvent(threshold=9, sigma_threshold=4.0, sigma=4.0, max_asked=6, max_answered=3)


def test_every_event_is_covered() -> None:
    kinds = set(coverage._releases.registry)
    assert {*LEAVES.values(), RepeatedEvent, ComposedEvent} <= kinds


@pytest.mark.parametrize("event", [CONFIDENT, ComposedEvent(events=(TESTS, ANSWERS))])
def test_tests_pay_for_refusals_and_argmaxes_for_answers(event) -> None:
    coverage.require_paid(event, queries=6, max_answered=3)
    for queries, max_answered in ((7, 3), (6, 4)):
        with pytest.raises(InputError):
            coverage.require_paid(event, queries=queries, max_answered=max_answered)


def test_a_campaign_that_answers_everything_needs_no_tests() -> None:
    coverage.require_paid(RepeatedEvent(event=LNMaxEvent(scale=2.0), count=5), queries=5, max_answered=5)
    coverage.require_paid(ComposedEvent(events=()), queries=0, max_answered=0)

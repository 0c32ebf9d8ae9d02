"""A charge is measured by what it pays for, however it is composed."""

from __future__ import annotations

import typing

import pytest

from pate.accounting import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    RepeatedEvent,
    ThresholdTestEvent,
)
from pate.accounting.events import Leaf, SanitisedReleaseEvent
from pate.errors import InputError
from pate.ledger import coverage

TESTS = RepeatedEvent(event=ThresholdTestEvent(sigma=40.0), count=6)
ANSWERS = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=3)
CONFIDENT = ConfidentGNMaxEvent(threshold=9, sigma_threshold=4.0, sigma=4.0, max_asked=6, max_answered=3)


def test_every_release_pays_for_one_test_or_one_answer_or_for_neither() -> None:
    paid = {
        GNMaxEvent(sigma=1.0): (0, 1),
        LNMaxEvent(scale=1.0): (0, 1),
        ThresholdTestEvent(sigma=1.0): (1, 0),
        SanitisedReleaseEvent(order=2.0, beta=0.1, sigma_ss=1.0, tau_s=1.0): (0, 0),
    }
    assert {type(leaf) for leaf in paid} == set(typing.get_args(Leaf))
    for leaf, (tests, answers) in paid.items():
        charge = RepeatedEvent(event=leaf, count=5)
        coverage.require_paid(charge, queries=5 * (tests + answers), max_answered=5 * answers)
        for queries, max_answered in ((5 * answers + 1, 5 * answers + 1), (5 * tests + 1, 0)):
            with pytest.raises(InputError):
                coverage.require_paid(charge, queries=queries, max_answered=max_answered)


@pytest.mark.parametrize("event", [CONFIDENT, ComposedEvent(events=(TESTS, ANSWERS))])
def test_tests_pay_for_refusals_and_argmaxes_for_answers(event) -> None:
    coverage.require_paid(event, queries=6, max_answered=3)
    for queries, max_answered in ((7, 3), (6, 4)):
        with pytest.raises(InputError):
            coverage.require_paid(event, queries=queries, max_answered=max_answered)


def test_a_campaign_that_answers_everything_needs_no_tests() -> None:
    coverage.require_paid(RepeatedEvent(event=LNMaxEvent(scale=2.0), count=5), queries=5, max_answered=5)
    coverage.require_paid(ComposedEvent(events=()), queries=0, max_answered=0)

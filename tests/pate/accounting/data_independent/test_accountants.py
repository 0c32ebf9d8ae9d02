"""Accountants give a cost for each release and add up: the same as a recursion over the event, however it is nested."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.accounting.curve import DEFAULT_ORDERS, RDPCurve
from pate.accounting.data_independent.accountants import ACCOUNTANTS, data_independent_epsilon
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    Leaf,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    leaves,
)
from pate.errors import InputError

LEAVES: list[Leaf] = [
    GNMaxEvent(sigma=20.0),
    GNMaxEvent(sigma=20.0, moved_votes=2),
    LNMaxEvent(scale=30.0),
    ThresholdTestEvent(sigma=25.0),
    SanitisedReleaseEvent(order=8.0, beta=0.02, sigma_ss=6.0, tau_s=0.5),
]
counts = st.integers(1, 7)
campaigns = st.builds(
    lambda answered, more: ConfidentGNMaxEvent(
        threshold=30.0, sigma_threshold=25.0, sigma=20.0, max_asked=answered + more, max_answered=answered
    ),
    counts,
    counts,
)
composed = st.recursive(
    st.one_of(st.sampled_from(LEAVES), campaigns),
    lambda parts: st.one_of(
        st.builds(lambda event, count: RepeatedEvent(event=event, count=count), parts, counts),
        st.builds(lambda events: ComposedEvent(events=tuple(events)), st.lists(parts, max_size=4)),
    ),
    max_leaves=8,
)


def parts(event: PrivacyEvent) -> list[tuple[PrivacyEvent, int]]:
    """One level of an event: what it is made of, and how often."""
    if isinstance(event, ComposedEvent):
        return [(part, 1) for part in event.events]
    if isinstance(event, RepeatedEvent):
        return [(event.event, event.count)]
    if isinstance(event, ConfidentGNMaxEvent):
        test = ThresholdTestEvent(sigma=event.sigma_threshold, moved_votes=event.moved_votes)
        return [
            (test, event.max_asked),
            (GNMaxEvent(sigma=event.sigma, moved_votes=event.moved_votes), event.max_answered),
        ]
    return []


def by_recursion(event: PrivacyEvent, rdp: Callable[[PrivacyEvent], RDPCurve]) -> RDPCurve:
    if type(event) in {type(leaf) for leaf in LEAVES}:
        return rdp(event)
    total = RDPCurve(DEFAULT_ORDERS, np.zeros(len(DEFAULT_ORDERS)))
    for part, count in parts(event):
        total = total + by_recursion(part, rdp).repeated(count)
    return total


def listed(event: PrivacyEvent) -> list[PrivacyEvent]:
    """Every single release, one by one."""
    if type(event) in {type(leaf) for leaf in LEAVES}:
        return [event]
    return [leaf for part, count in parts(event) for _ in range(count) for leaf in listed(part)]


@settings(max_examples=300, deadline=None)
@given(composed)
def test_costs_in_renyi_dp_are_those_of_a_recursion(event: PrivacyEvent) -> None:
    for rdp in (gaussian_rdp, worst_case_rdp):
        np.testing.assert_allclose(rdp(event).rdp_A, by_recursion(event, rdp).rdp_A, rtol=1e-13)


@settings(max_examples=100, deadline=None)
@given(composed)
def test_leaves_are_all_single_releases(event: PrivacyEvent) -> None:
    one_by_one = listed(event)
    assert leaves(event) == {leaf: one_by_one.count(leaf) for leaf in one_by_one}
    assert list(leaves(event)) == list(dict.fromkeys(one_by_one)), "in order, so that sums are the same every time"


@pytest.mark.parametrize("accountant", sorted(ACCOUNTANTS))
@settings(max_examples=15, deadline=None)
@given(composed)
def test_epsilon_depends_on_how_many_releases_there_are_and_on_nothing_else(
    accountant: str, event: PrivacyEvent
) -> None:
    flat = ComposedEvent(events=tuple(RepeatedEvent(event=leaf, count=n) for leaf, n in leaves(event).items()))
    assert data_independent_epsilon(event, 1e-5, accountant) == data_independent_epsilon(flat, 1e-5, accountant)


@pytest.mark.parametrize("count", [1, 3, 286])
@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: type(leaf).__name__)
def test_one_campaign_costs_bit_for_bit_its_release_times_its_count(leaf: Leaf, count: int) -> None:
    for rdp in (gaussian_rdp, worst_case_rdp):
        assert rdp(RepeatedEvent(event=leaf, count=count)).rdp_A.tolist() == (rdp(leaf).rdp_A * count).tolist()


def test_what_is_no_event_has_no_cost() -> None:
    for no_event in (ComposedEvent(events=(RepeatedEvent(event="GNMax", count=2),)), {"event": "GNMax"}):  # type: ignore[arg-type]
        with pytest.raises(InputError, match="a privacy event"):
            leaves(no_event)  # type: ignore[arg-type]

"""The vocabulary: round trip, refusals, and that every accountant knows every event."""

import json
import math
import typing
from collections.abc import Callable

import numpy as np
import pytest

from pate.accounting import ACCOUNTANTS, data_independent_epsilon, events
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    from_dict,
    to_dict,
)
from pate.errors import InputError

CONFIDENT = ConfidentGNMaxEvent(threshold=20.5, sigma_threshold=15.0, sigma=4.0, max_asked=64, max_answered=28)
EXAMPLES: list[PrivacyEvent] = [
    GNMaxEvent(sigma=40.0),
    GNMaxEvent(sigma=40.0, moved_votes=2),
    LNMaxEvent(scale=20.0),
    ThresholdTestEvent(sigma=150.0),
    CONFIDENT,
    SanitisedReleaseEvent(order=12.0, beta=0.02, sigma_ss=6.0, tau_s=0.5),
    RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=286),
    ComposedEvent(events=()),
    ComposedEvent(events=(CONFIDENT, RepeatedEvent(event=ComposedEvent(events=(LNMaxEvent(scale=3.0),)), count=2))),
]


def test_examples_show_every_event() -> None:
    kinds = set(typing.get_args(PrivacyEvent))
    assert kinds == {type(event) for event in EXAMPLES}
    assert set(events.KINDS.values()) == kinds - {RepeatedEvent, ComposedEvent}


@pytest.mark.parametrize("event", EXAMPLES, ids=repr)
def test_an_event_survives_a_ledger_row(event: PrivacyEvent) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(event)))) == event


@pytest.mark.parametrize("event", EXAMPLES, ids=repr)
@pytest.mark.parametrize("accountant", sorted(ACCOUNTANTS))
def test_every_accountant_covers_every_event(event: PrivacyEvent, accountant: str) -> None:
    bound = data_independent_epsilon(event, 1e-5, accountant)
    assert bound.kind == "data-independent"
    assert bound.accountant == accountant
    assert math.isfinite(bound.epsilon)


@pytest.mark.parametrize("event", EXAMPLES, ids=repr)
def test_rdp_grows_with_order(event: PrivacyEvent) -> None:
    rdp = gaussian_rdp(event).rdp_A
    assert (np.diff(rdp[np.isfinite(rdp)]) >= 0).all()
    assert np.isinf(rdp[np.isfinite(rdp).sum() :]).all()


def test_an_unknown_accountant_and_a_bad_delta_are_refused() -> None:
    with pytest.raises(InputError, match="accountant"):
        data_independent_epsilon(GNMaxEvent(sigma=1.0), 1e-5, "optimistic")
    with pytest.raises(InputError, match="delta"):
        data_independent_epsilon(GNMaxEvent(sigma=1.0), 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "build",
    [
        lambda v: GNMaxEvent(sigma=v),
        lambda v: LNMaxEvent(scale=v),
        lambda v: ThresholdTestEvent(sigma=v),
        lambda v: ConfidentGNMaxEvent(threshold=1.0, sigma_threshold=v, sigma=1.0, max_asked=1, max_answered=1),
        lambda v: ConfidentGNMaxEvent(threshold=1.0, sigma_threshold=1.0, sigma=v, max_asked=1, max_answered=1),
    ],
)
def test_noise_must_be_finite_and_positive(build: Callable[[float], PrivacyEvent], value: float) -> None:
    with pytest.raises(InputError):
        build(value)


@pytest.mark.parametrize("count", [0, -1, 1.0, True])
def test_counts_must_be_positive_integers(count: object) -> None:
    with pytest.raises(InputError):
        RepeatedEvent(event=GNMaxEvent(sigma=1.0), count=count)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        GNMaxEvent(sigma=1.0, moved_votes=count)  # type: ignore[arg-type]


def test_no_more_can_be_answered_than_asked_and_the_threshold_is_finite() -> None:
    with pytest.raises(InputError, match="max_answered <= max_asked"):
        ConfidentGNMaxEvent(threshold=1.0, sigma_threshold=1.0, sigma=1.0, max_asked=2, max_answered=3)
    with pytest.raises(InputError, match="finite threshold"):
        ConfidentGNMaxEvent(threshold=math.inf, sigma_threshold=1.0, sigma=1.0, max_asked=2, max_answered=2)


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"event": "Unheard"},
        {"event": "GNMax"},
        {"event": "GNMax", "sigma": 1.0, "scale": 2.0},
        {"event": "Repeated", "count": 2},
        {"event": "Composed"},
    ],
)
def test_an_altered_row_is_refused(row: dict[str, object]) -> None:
    with pytest.raises(InputError):
        from_dict(row)

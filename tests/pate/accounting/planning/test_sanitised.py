"""A planned estimate keeps its price by the accountant itself, and is better than its neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pate.accounting import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    data_independent_epsilon,
)
from pate.accounting.planning.campaign import ExpectedVotes
from pate.accounting.planning.sanitised import plan_estimate
from pate.accounting.sanitised.gap_sensitivity import gap_inputs
from pate.accounting.sanitised.release import require_finite, sanitised_estimate
from pate.errors import InputError
from pate.votes import VoteHistogram

VOTES = ExpectedVotes(teachers=60, classes=3, agreement=(0.95, 0.6), share=(0.75, 0.25))
PLAIN = RepeatedEvent(event=GNMaxEvent(sigma=12.0), count=40)
CONFIDENT = ConfidentGNMaxEvent(threshold=45, sigma_threshold=30.0, sigma=12.0, max_asked=60, max_answered=40)


@pytest.mark.parametrize("event", [PLAIN, CONFIDENT], ids=["gnmax", "confident"])
@pytest.mark.parametrize("price", [0.15, 0.5])
@pytest.mark.parametrize("accountant", ["gaussian", "worst_case_rdp"])
def test_campaign_and_estimate_cost_what_is_said_and_no_more_than_the_price(
    event: PrivacyEvent, price: float, accountant: str
) -> None:
    found = plan_estimate(event, VOTES, price=price, delta=1e-5, accountant=accountant)
    require_finite(found.release)
    alone = data_independent_epsilon(event, 1e-5, accountant).epsilon
    both = data_independent_epsilon(ComposedEvent(events=(event, found.release)), 1e-5, accountant).epsilon
    assert (found.without, found.epsilon) == (alone, both)
    assert 0.5 * price < both - alone <= price


def test_what_it_should_show_is_what_a_estimate_of_such_votes_shows() -> None:
    found = plan_estimate(PLAIN, VOTES, price=0.3, delta=1e-5, accountant="gaussian")
    rows = np.repeat(VOTES.histograms().astype(np.int64), [30, 10], axis=0)
    cost, sensitivity = gap_inputs(
        VoteHistogram.strict(rows, 60), GNMaxEvent(sigma=12.0), found.release, fixed_in_advance=True
    )
    drawn = sanitised_estimate(
        found.release, cost=cost, smooth_sensitivity=sensitivity, cost_noise=0, log_noise=0, basis="b"
    ).epsilon(1e-5)
    for name in ("epsilon", "standard_deviation", "upper"):
        assert getattr(found.shown, name) == pytest.approx(getattr(drawn, name), rel=2e-2)


def test_a_higher_price_buys_a_better_figure() -> None:
    cheap, dear = (plan_estimate(PLAIN, VOTES, price=p, delta=1e-5, accountant="gaussian").shown for p in (0.1, 0.5))
    assert dear.standard_deviation < cheap.standard_deviation
    assert dear.upper < cheap.upper


def test_another_campaign_than_one_of_gnmax_is_refused() -> None:
    for event in (RepeatedEvent(event=LNMaxEvent(scale=9.0), count=9), ComposedEvent(events=(PLAIN, PLAIN))):
        with pytest.raises(InputError, match="GNMax repeated or ConfidentGNMax"):
            plan_estimate(event, VOTES, price=0.2, delta=1e-5, accountant="gaussian")


def test_a_wrong_guess_changes_what_it_shows_but_not_what_it_costs() -> None:
    found = plan_estimate(PLAIN, VOTES, price=0.3, delta=1e-5, accountant="gaussian")
    other = plan_estimate(PLAIN, replace(VOTES, agreement=(0.7, 0.5)), price=0.3, delta=1e-5, accountant="gaussian")
    assert other.epsilon - other.without <= 0.3
    assert other.shown.epsilon > found.shown.epsilon

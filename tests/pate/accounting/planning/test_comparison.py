"""All accounts of one query list, side by side, in the order that theory demands."""

from __future__ import annotations

import numpy as np
import pytest

from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent, SanitisedReleaseEvent
from pate.accounting.planning.comparison import compare, expected_answered, to_dict
from pate.errors import PrivacyViolation
from pate.values import Released
from pate.votes import VoteHistogram

RELEASE = SanitisedReleaseEvent(order=14.0, beta=0.02, sigma_ss=5.0, tau_s=0.2)


@pytest.fixture
def votes() -> VoteHistogram:
    rng = np.random.default_rng(4)
    rows = [rng.permutation(rng.multinomial(120, [0.8, 0.1, 0.05, 0.05])) for _ in range(40)]
    return VoteHistogram.strict(np.array(rows), 120)


@pytest.mark.parametrize(
    "event",
    [
        GNMaxEvent(sigma=20.0),
        LNMaxEvent(scale=20.0),
        ConfidentGNMaxEvent(threshold=80, sigma_threshold=50.0, sigma=20.0, max_asked=40, max_answered=25),
    ],
    ids=lambda e: type(e).__name__,
)
def test_tighter_accounts_are_never_larger(votes: VoteHistogram, event) -> None:
    sanitised = None if isinstance(event, LNMaxEvent) else RELEASE
    rows = compare(votes, event, delta=1e-5, sanitised=sanitised, fixed_in_advance=True).reveal()
    epsilon = {name: row.bound.epsilon for name, row in rows.items()}
    assert epsilon["worst_case"] <= epsilon["worst_case_rdp"] <= epsilon["gaussian"]
    assert epsilon["exact"] <= epsilon["exact_rdp"]
    assert epsilon["papernot18"] <= epsilon["papernot18_2017_conversion"]
    kinds = {name: row.bound.kind for name, row in rows.items()}
    public = {name for name, kind in kinds.items() if kind == "data-independent"}
    assert public == {"gaussian", "worst_case_rdp", "worst_case"}
    if sanitised is not None:
        own, literature = to_dict(rows["sanitised"]), to_dict(rows["sanitised_papernot18"])
        assert 0 < own["standard_deviation"] < literature["standard_deviation"]
        assert own["epsilon"] > epsilon["exact_rdp"]
        assert literature["epsilon"] > epsilon["papernot18"]


def test_the_comparison_as_a_whole_cannot_be_released(votes: VoteHistogram) -> None:
    with pytest.raises(PrivacyViolation):
        Released.public(compare(votes, GNMaxEvent(sigma=20.0), delta=1e-5, fixed_in_advance=True))


def test_answers_are_counted_as_the_threshold_test_gives_them(votes: VoteHistogram) -> None:
    always = ConfidentGNMaxEvent(threshold=-1e6, sigma_threshold=1.0, sigma=20.0, max_asked=40, max_answered=40)
    never = ConfidentGNMaxEvent(threshold=1e6, sigma_threshold=1.0, sigma=20.0, max_asked=40, max_answered=40)
    assert expected_answered(votes, always).reveal() == pytest.approx(40)
    assert expected_answered(votes, never).reveal() == pytest.approx(0)
    assert expected_answered(votes, GNMaxEvent(sigma=1.0)).reveal() == 40

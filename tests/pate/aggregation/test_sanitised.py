"""The estimate that a campaign buys: charged with it, drawn once, and nothing else about the votes gets out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pate.accounting import ComposedEvent, data_independent_epsilon
from pate.accounting.events import SanitisedReleaseEvent
from pate.accounting.sanitised.gap_sensitivity import gap_inputs, largest_cost
from pate.aggregation import (
    ConfidentGNMax,
    ExactNoise,
    GNMax,
    InsecureSeededNoise,
    LNMax,
    NoisyMax,
    campaign_event,
    require_affordable,
    sanitised,
)
from pate.aggregation.release import release
from pate.errors import BudgetExceeded, InputError
from pate.ledger import Account, PrivacyLedger
from pate.values import Released
from pate.votes import VoteHistogram

RELEASE = SanitisedReleaseEvent(order=6.0, beta=0.05, sigma_ss=6.0, tau_s=0.3)
CONFIDENT = ConfidentGNMax(threshold=60, sigma_threshold=30.0, sigma=20.0, max_answered=5)
SETTINGS = {"epsilon": 100.0, "delta": 1e-5, "accountant": "gaussian", "unit": "patient"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[PrivacyLedger]:
    with PrivacyLedger(tmp_path / "ledger") as opened:
        opened.register(Account(name="ward", **SETTINGS))  # type: ignore[arg-type]
        yield opened


def histogram(queries: int, seed: int = 0) -> VoteHistogram:
    rng = np.random.default_rng(seed)
    shares = rng.beta(8, 1, queries)[:, None] * np.eye(4)[np.arange(queries) % 4]
    shares += (1 - shares.sum(axis=1, keepdims=True)) / 4
    counts = np.stack([rng.multinomial(100, row) for row in shares]).astype(np.int64)
    return VoteHistogram(counts_QC=counts, teachers=100)


def keys(queries: int) -> list[bytes]:
    return [f"q{i}".encode() for i in range(queries)]


def ask(ledger: PrivacyLedger, queries: int = 20, **changes: Any) -> Released:
    settings: dict[str, Any] = {
        "account": "ward",
        "task": "t",
        "mechanism": CONFIDENT,
        "votes": histogram(queries),
        "query_keys": keys(queries),
        "noise": ExactNoise(),
        "moved_votes": 1,
        "sanitised": RELEASE,
        "batch_size": 7,
    }
    return release(ledger, **{**settings, **changes})


def kinds(ledger: PrivacyLedger) -> list[str]:
    return [entry.kind for entry in ledger.entries("ward")]


def test_the_estimate_is_charged_with_the_campaign_and_drawn_before_it_is_settled(ledger) -> None:
    answers = ask(ledger).value
    assert answers.event == ComposedEvent(events=(CONFIDENT.worst_case_event(queries=20, moved_votes=1), RELEASE))
    assert answers.total == ledger.spent("ward")
    assert answers.estimate == ledger.estimates("ward")[0]
    assert kinds(ledger)[0:2] == ["register", "reserve"]
    assert kinds(ledger)[-2:] == ["figure", "settle"]
    ledger.verify()


def test_a_campaign_without_a_estimate_costs_less_and_shows_none(ledger, tmp_path: Path) -> None:
    with PrivacyLedger(tmp_path / "other") as other:
        other.register(Account(name="ward", **SETTINGS))
        without = ask(other, sanitised=None).value
    assert without.estimate is None
    assert without.total.epsilon < ask(ledger).value.total.epsilon


def test_asked_again_the_stored_estimate_comes_back(ledger) -> None:
    first = ask(ledger).value
    for votes in (histogram(20), histogram(20, seed=1)):  # the votes may have been lost and collected anew
        again = ask(ledger, votes=votes).value
        assert again.estimate == first.estimate
        assert again.total == first.total
    assert kinds(ledger).count("figure") == 1


def test_the_same_inputs_with_another_estimate_in_mind_are_not_charged_again_and_show_none(ledger) -> None:
    ask(ledger, mechanism=GNMax(sigma=20.0))
    spent = ledger.spent("ward")
    other = SanitisedReleaseEvent(order=5.0, beta=0.05, sigma_ss=6.0, tau_s=0.3)
    again = ask(ledger, mechanism=GNMax(sigma=20.0), sanitised=other).value
    assert (again.estimate, again.event, again.total) == (None, None, spent)


def test_the_estimate_is_that_of_the_reserved_list_whatever_was_asked_of_it(ledger, monkeypatch) -> None:
    """Inputs that were answered before are not part of it, inputs that were never asked are, duplicates count once."""
    seen: list[np.ndarray] = []
    drawn = sanitised.draw_estimate

    def look(votes: VoteHistogram, **settings: Any) -> Any:
        seen.append(votes.counts_QC)
        return drawn(votes, **settings)

    monkeypatch.setattr(sanitised, "draw_estimate", look)
    few = keys(30)[:4]
    ask(ledger, votes=VoteHistogram(counts_QC=histogram(30).counts_QC[:4], teachers=100), query_keys=few,
        sanitised=None, mechanism=GNMax(sigma=20.0))  # fmt: skip
    counts = histogram(30).counts_QC
    whole = VoteHistogram(counts_QC=np.concatenate([counts, counts[-2:]]), teachers=100)
    answers = ask(ledger, votes=whole, query_keys=[*keys(30), *keys(30)[-2:]]).value
    assert answers.asked < 30
    (counts_QC,) = seen
    np.testing.assert_array_equal(counts_QC, counts[4:])


def test_a_second_process_in_between_leaves_one_figure(ledger, tmp_path: Path, monkeypatch) -> None:
    """While this process draws, another one draws, writes and settles: this draw is thrown away."""
    drawn, shown = sanitised.draw_estimate, []

    def interrupted(votes: VoteHistogram, **settings: Any) -> Any:
        if not shown:
            shown.append(None)
            with PrivacyLedger(tmp_path / "ledger") as other:
                shown.append(ask(other).value)
        return drawn(votes, **settings)

    monkeypatch.setattr(sanitised, "draw_estimate", interrupted)
    mine = ask(ledger).value
    assert mine.estimate == shown[1].estimate == ledger.estimates("ward")[0]
    assert kinds(ledger).count("figure") == 1
    ledger.verify()


def test_a_crash_after_the_draw_draws_again_under_the_same_charge(ledger, monkeypatch) -> None:
    def power_cut(*_: Any) -> bool:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(PrivacyLedger, "persist_estimate", power_cut)
        with pytest.raises(RuntimeError, match="power cut"):
            ask(ledger)
    spent = ledger.spent("ward")
    assert ledger.estimates("ward") == []
    answers = ask(ledger).value
    assert answers.estimate is not None
    assert answers.total == spent
    assert kinds(ledger).count("reserve") == 1


def test_a_budget_without_room_for_the_estimate_refuses_the_campaign_and_draws_nothing(ledger) -> None:
    alone = CONFIDENT.worst_case_event(queries=20, moved_votes=1)
    budget = data_independent_epsilon(alone, 1e-5, "gaussian").epsilon * 1.001
    ledger.register(Account(name="poor", **{**SETTINGS, "epsilon": budget}))
    request = {"account": "poor", "task": "t", "mechanism": CONFIDENT, "query_keys": keys(20), "noise": ExactNoise(),
               "moved_votes": 1}  # fmt: skip
    require_affordable(ledger, **request)
    with pytest.raises(BudgetExceeded):
        require_affordable(ledger, **request, sanitised=RELEASE)
    with pytest.raises(BudgetExceeded):
        ask(ledger, account="poor")
    assert ledger.spent("poor").epsilon == 0
    assert ledger.estimates("poor") == []


def test_more_teachers_than_the_tables_hold_are_refused_before_the_charge(ledger) -> None:
    votes = VoteHistogram(counts_QC=histogram(20).counts_QC, teachers=1001)
    with pytest.raises(InputError, match="at most 1000 teachers"):
        ask(ledger, votes=votes)
    assert ledger.spent("ward").epsilon == 0
    assert ask(ledger, votes=votes, sanitised=None).value.asked > 0


def test_predictable_noise_is_kept_apart(ledger) -> None:
    seeded = ask(ledger, noise=InsecureSeededNoise(1)).value
    assert not seeded.secure
    assert seeded.estimate is not None
    real = ask(ledger).value
    assert real.secure
    assert real.estimate != seeded.estimate
    assert kinds(ledger).count("figure") == 2


def test_the_ledger_and_the_answers_hold_the_two_noisy_integers_and_no_other_figure(ledger, monkeypatch) -> None:
    """The true cost, the smooth sensitivity and the width stay where they were computed."""
    private: list[float] = []
    inputs, scales = sanitised.gap_inputs, sanitised.sanitiser_noise

    def looked(*arguments: Any, **settings: Any) -> Any:
        found = inputs(*arguments, **settings)
        private.extend(found)
        return found

    def looked_too(event: SanitisedReleaseEvent, sensitivity: float) -> Any:
        found = scales(event, sensitivity)
        private.extend([found.cost_sigma, found.log_sigma, event.sigma_ss * (sensitivity + event.floor)])
        return found

    monkeypatch.setattr(sanitised, "gap_inputs", looked)
    monkeypatch.setattr(sanitised, "sanitiser_noise", looked_too)
    answers = ask(ledger)
    public = "\n".join([*ledger.export(), repr(answers), json.dumps(str(answers.value.estimate.epsilon(1e-5)))])
    data_dependent = [x for x in private if not math.isclose(x, RELEASE.tau_s * 64 / RELEASE.beta)]
    assert len(data_dependent) >= 4
    for value in data_dependent:
        assert f"{value:.6g}"[:7] not in public
        assert repr(value)[:8] not in public


POSSIBLE = [GNMax(sigma=20.0), CONFIDENT]


@pytest.mark.parametrize("mechanism", POSSIBLE, ids=lambda m: type(m).__name__)
def test_what_is_charged_is_the_campaign_and_the_release(mechanism: NoisyMax) -> None:
    answers = mechanism.worst_case_event(queries=9, moved_votes=1)
    assert campaign_event(mechanism, queries=9, moved_votes=1) == answers
    found = campaign_event(mechanism, queries=9, moved_votes=1, sanitised=RELEASE)
    assert found == ComposedEvent(events=(answers, RELEASE))


@pytest.mark.parametrize(
    ("mechanism", "moved_votes", "fields", "message"),
    [
        (LNMax(scale=20.0), 1, {}, "gnmax or confident-gnmax"),
        (GNMax(sigma=20.0), 2, {}, "one vote moved"),
        (CONFIDENT, 3, {}, "one vote moved"),
        (GNMax(sigma=20.0), 1, {"beta": 0.1}, "privacy.sanitised.beta < 0.09116 at order 6"),
        (GNMax(sigma=20.0), 1, {"sigma_ss": 0.05}, "raise privacy.sanitised.sigma_ss"),
        (GNMax(sigma=20.0), 1, {"sigma_ss": 1e15}, "2^50"),
        (GNMax(sigma=20.0), 1, {"tau_s": 1e13}, "2^50"),
    ],
)
def test_an_estimate_that_cannot_be_had_is_refused_before_votes_exist(
    mechanism: NoisyMax, moved_votes: int, fields: dict, message: str
) -> None:
    event = SanitisedReleaseEvent(**{"order": 6.0, "beta": 0.05, "sigma_ss": 6.0, "tau_s": 0.3, **fields})
    with pytest.raises(InputError) as error:
        campaign_event(mechanism, queries=9, moved_votes=moved_votes, sanitised=event)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_no_votes_need_more_noise_than_was_checked_beforehand() -> None:
    """The widest noise over many vote tables is within the bound from public parameters."""
    answers = CONFIDENT.worst_case_event(queries=5, moved_votes=1)
    rng = np.random.default_rng(3)
    widest = sanitised.sanitiser_noise(RELEASE, 5 * largest_cost(answers, RELEASE.order)).cost_sigma
    for _ in range(20):
        counts = rng.multinomial(100, rng.dirichlet([0.3] * 4), 5)
        votes = VoteHistogram.strict(counts, 100)
        _, sensitivity = gap_inputs(votes, answers, RELEASE, fixed_in_advance=True)
        assert sanitised.sanitiser_noise(RELEASE, sensitivity).cost_sigma <= widest

"""Accounts whose later campaigns are chosen after earlier answers were seen, and those that declared them before."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import gammaln

from pate.accounting import ComposedEvent, GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.accounting.rounding import down, up
from pate.arrays import FloatArray
from pate.errors import BudgetExceeded, InputError, PateError
from pate.ledger import Account, PrivacyLedger

EPSILON, DELTA = 21.38, 0.0033483
FIRST, ONE, OTHER = (4.5, 40), (0.28, 1), (1.7612, 40)
FORTY = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=40)


def answers(campaign: tuple[float, int]) -> RepeatedEvent:
    return RepeatedEvent(event=GNMaxEvent(sigma=campaign[0]), count=campaign[1])


def ward(**changes: object) -> Account:
    settings = {"name": "ward", "epsilon": 2.0, "delta": 1e-5, "accountant": "worst_case", "unit": "patient"}
    return Account(**{**settings, **changes})  # type: ignore[arg-type]


def spend(ledger: PrivacyLedger, name: str, event: RepeatedEvent, mark: str) -> None:
    queries = ledger.key.queries([f"{mark}/{i}".encode() for i in range(event.count)])
    ledger.reserve(name, campaign=mark, task="t", event=event, queries=queries, max_answered=event.count)


def takes(ledger: PrivacyLedger, name: str, event: RepeatedEvent, mark: str) -> bool:
    """True if the charge is accepted."""
    try:
        spend(ledger, name, event, mark)
    except PateError:
        return False
    return True


def laws(campaign: tuple[float, int], gap: int) -> tuple[FloatArray, FloatArray]:
    """Logarithms of the laws of how often one of two classes wins, at a gap of votes and at the neighbour's."""
    sigma, count = campaign
    far = int(12 * sigma) + 40
    noise = np.exp(-((np.arange(-far, far + 1) / sigma) ** 2) / 2)
    both = np.convolve(noise, noise) / noise.sum() ** 2
    difference, wins = np.arange(-2 * far, 2 * far + 1), np.arange(count + 1)
    choose = gammaln(count + 1) - gammaln(wins + 1) - gammaln(count - wins + 1)
    here, there = (
        choose + wins * np.log(both[won].sum()) + (count - wins) * np.log(both[~won].sum())
        for won in (difference + gap >= 0, difference + gap - 2 >= 0)
    )
    return here, there


def delta_of(campaign: tuple[float, int], eps_K: FloatArray) -> FloatArray:
    """The largest ``sum (P - e^eps Q)_+`` over gaps, exact for two classes. Shape ``[K]``."""
    found = []
    for gap in range(-3, 5):
        here, there = laws(campaign, gap)
        found.append(np.maximum(np.exp(here) - np.exp(np.minimum(eps_K[:, None] + there, 700)), 0).sum(axis=1))
    largest_K: FloatArray = np.max(found, axis=0)
    return largest_K


def adaptive_delta(continuations: list[tuple[float, int]]) -> float:
    """Exact delta at the budget's epsilon of asking the first campaign, looking at its likelihood ratio, and going on
    with whichever continuation gives most away."""
    best = 0.0
    for gap in range(-4, 5):
        here, there = laws(FIRST, gap)
        left_K = EPSILON - (here - there)
        then_K = np.max([np.maximum(0, 1 - np.exp(left_K)), *(delta_of(one, left_K) for one in continuations)], axis=0)
        best = max(best, float(np.exp(here) @ then_K))
    return best


def test_continuations_chosen_by_earlier_answers_never_leak_more_than_was_granted(tmp_path: Path) -> None:
    """Each of the two fits the composed curve; accepting either, a ledger would leak 1.22 times what was granted."""
    assert adaptive_delta([ONE]) <= DELTA
    assert adaptive_delta([OTHER]) <= DELTA
    assert adaptive_delta([ONE, OTHER]) > 1.2 * DELTA
    accepted = []
    for number, continuation in enumerate((ONE, OTHER)):
        with PrivacyLedger(tmp_path / str(number)) as ledger:
            ledger.register(ward(epsilon=EPSILON, delta=DELTA))
            spend(ledger, "ward", answers(FIRST), "first")
            if takes(ledger, "ward", answers(continuation), "second"):
                accepted.append(continuation)
    assert adaptive_delta(accepted) <= DELTA


def test_of_declared_continuations_one_is_taken_and_the_other_refused_from_the_start(ledger: PrivacyLedger) -> None:
    both = (answers(FIRST), answers(OTHER))
    ledger.register(ward(epsilon=EPSILON, delta=DELTA, declared=both))
    with pytest.raises(BudgetExceeded, match=r"beyond what was declared.*for what was declared\); ask no more than"):
        spend(ledger, "ward", answers(ONE), "not declared")
    assert takes(ledger, "ward", both[0], "first")
    assert not takes(ledger, "ward", answers(ONE), "not declared")
    assert takes(ledger, "ward", both[1], "second")
    assert ledger.spent("ward").accountant == "worst_case"
    assert (
        ledger.spent("ward").epsilon
        == data_independent_epsilon(ComposedEvent(events=both), DELTA, "worst_case").epsilon
    )
    assert ledger.left("ward") == 0
    assert ledger.account("ward").declared == both
    ledger.verify()


def test_the_total_names_the_rule_that_holds_it(ledger: PrivacyLedger) -> None:
    ledger.register(ward())
    assert (ledger.spent("ward").epsilon, ledger.spent("ward").accountant) == (0, "worst_case")
    spend(ledger, "ward", FORTY, "a")
    assert ledger.spent("ward") == data_independent_epsilon(FORTY, 1e-5, "worst_case")
    spend(ledger, "ward", FORTY, "b")
    composed = data_independent_epsilon(RepeatedEvent(event=FORTY.event, count=80), 1e-5, "worst_case").epsilon
    assert ledger.spent("ward").accountant == "gdp_filter(worst_case)"
    assert composed <= ledger.spent("ward").epsilon <= composed * 1.03


def test_a_refusal_says_what_the_filter_leaves(ledger: PrivacyLedger) -> None:
    ledger.register(ward(epsilon=1.0))
    spend(ledger, "ward", FORTY, "a")
    left = ledger.left("ward")
    with pytest.raises(BudgetExceeded) as error:
        spend(ledger, "ward", RepeatedEvent(event=FORTY.event, count=70), "b")
    text, rule = str(error.value), ledger.account("ward").rule
    assert f"{down(left, 4)} is left, accountant gdp_filter(worst_case)" in text
    assert (
        f"got {up(rule.total((FORTY, RepeatedEvent(event=FORTY.event, count=70))).epsilon, 4)} with this campaign"
        in text
    )


def test_a_first_campaign_that_uses_all_of_the_budget_is_the_only_one(ledger: PrivacyLedger) -> None:
    ledger.register(ward(epsilon=data_independent_epsilon(FORTY, 1e-5, "worst_case").epsilon))
    spend(ledger, "ward", FORTY, "a")
    assert ledger.left("ward") == 0
    with pytest.raises(BudgetExceeded, match="nothing can follow; publish what was already answered"):
        spend(ledger, "ward", RepeatedEvent(event=GNMaxEvent(sigma=4000.0), count=1), "b")


def test_a_declaration_is_fixed_and_must_fit(ledger: PrivacyLedger) -> None:
    ledger.register(ward(declared=(FORTY, FORTY)))
    ledger.register(ward(declared=(FORTY, FORTY)))
    for other in ((), (FORTY,), (FORTY, RepeatedEvent(event=FORTY.event, count=41))):
        with pytest.raises(InputError, match=r"first registered.*2 campaigns declared"):
            ledger.register(ward(declared=other))
    with pytest.raises(InputError, match="Expected declared campaigns within epsilon=2"):
        ledger.register(ward(name="much", declared=(FORTY,) * 20))
    assert [account.name for account in ledger.accounts()] == ["ward"]


def test_a_linked_account_is_held_by_the_rule_of_each(ledger: PrivacyLedger) -> None:
    unit = ledger.key.units([b"anna"])
    whole = data_independent_epsilon(RepeatedEvent(event=FORTY.event, count=80), 1e-5, "worst_case").epsilon
    ledger.register(ward(epsilon=whole, declared=(FORTY, FORTY)), units=unit)
    ledger.register(ward(name="clinic", epsilon=9.0), units=unit)
    with pytest.raises(PateError) as error:
        spend(ledger, "clinic", RepeatedEvent(event=GNMaxEvent(sigma=80.0), count=1), "other noise")
    assert "declared" not in str(error.value), "which other data hold the same patients is private"
    assert "beyond what was declared" in str(error.value.private_detail)
    assert takes(ledger, "clinic", FORTY, "of the declared kind")
    assert takes(ledger, "ward", FORTY, "the other one")
    assert not takes(ledger, "clinic", FORTY, "a third")
    assert ledger.spent("ward", linked=True).accountant == "worst_case"
    assert ledger.spent("clinic", linked=True).accountant == "gdp_filter(worst_case)"


def test_an_account_that_turns_out_to_be_linked_says_that_its_filter_was_not_kept(ledger: PrivacyLedger) -> None:
    units = ledger.key.units([b"anna", b"bert"])
    ledger.register(ward(epsilon=1.0), units=units[:1])
    ledger.register(ward(name="clinic", epsilon=1.0), units=units[1:])
    eighty = RepeatedEvent(event=FORTY.event, count=80)
    for name, campaign in (("ward", "a"), ("clinic", "b")):
        spend(ledger, name, eighty, campaign)
        intent = ledger.intent(campaign)
        assert intent is not None
        ledger.settle(intent)
    ledger.register(ward(epsilon=1.0), units=units)
    for name in ("ward", "clinic"):
        spent = ledger.spent(name, linked=True)
        assert spent.accountant == "exceeded gdp_filter(worst_case)"
        assert spent.epsilon > 1.0
        assert ledger.left(name, linked=True) == 0
        assert not takes(ledger, name, RepeatedEvent(event=GNMaxEvent(sigma=4000.0), count=1), f"{name} again")


@pytest.fixture
def unfiltered(folder: Path) -> Path:
    """A ledger of schema 3, whose account accepted three campaigns by their composed curve, to the budget's end."""
    composed = data_independent_epsilon(RepeatedEvent(event=FORTY.event, count=120), 1e-5, "worst_case").epsilon
    with PrivacyLedger(folder) as ledger:
        ledger.register(ward(epsilon=composed, declared=(FORTY, FORTY, FORTY)))
        ledger.register(ward(name="wide", epsilon=2.0))
        for number in range(3):
            spend(ledger, "ward", FORTY, f"ward {number}")
            spend(ledger, "wide", FORTY, f"wide {number}")
    return forget_declarations(folder)


def forget_declarations(folder: Path) -> Path:
    """Take a ledger back to schema 3: no column, and a chain that never heard of declarations."""
    with sqlite3.connect(folder / "ledger.sqlite3") as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        rows = db.execute("SELECT seq, account, kind, body, at FROM entries ORDER BY seq").fetchall()
        previous = "0" * 64
        for seq, account, kind, body, at in rows:
            text = json.dumps({k: v for k, v in json.loads(body).items() if k != "declared"}, separators=(",", ":"))
            digest = hashlib.sha256(json.dumps([seq, account, kind, text, at, previous]).encode()).hexdigest()
            db.execute(
                "UPDATE entries SET body = ?, previous = ?, hash = ? WHERE seq = ?", (text, previous, digest, seq)
            )
            previous = digest
        for _, sql in triggers:
            db.execute(sql)
        db.execute("ALTER TABLE accounts DROP COLUMN declared")
        db.execute("PRAGMA user_version = 3")
    db.close()
    (folder / "anchor.json").write_text(json.dumps({"length": len(rows), "head": previous}))
    return folder


def test_an_old_account_beyond_its_filter_keeps_its_charges_and_takes_no_more(unfiltered: Path) -> None:
    with PrivacyLedger(unfiltered) as ledger:
        assert [entry.kind for entry in ledger.entries()][-1] == "schema"
        ledger.verify()
        spent, account = ledger.spent("ward"), ledger.account("ward")
        assert spent.accountant == "exceeded gdp_filter(worst_case)"
        assert account.epsilon < spent.epsilon < account.epsilon * 1.05
        assert len(ledger.events("ward").events) == 3
        assert not takes(ledger, "ward", RepeatedEvent(event=GNMaxEvent(sigma=4000.0), count=1), "one more")
        assert ledger.spent("wide").accountant == "gdp_filter(worst_case)"
        assert takes(ledger, "wide", FORTY, "one more")
        assert ledger.register(replace(account)) == account, "its settings are what they were"
        ledger.verify()


def test_an_old_campaign_goes_on_under_its_charge(unfiltered: Path) -> None:
    with PrivacyLedger(unfiltered) as ledger:
        intent = ledger.intent("ward 2")
        assert intent is not None
        before = ledger.spent("ward")
        assert ledger.persist(intent, [(query, 1) for query in ledger.open_queries(intent)])
        ledger.settle(intent)
        assert ledger.spent("ward") == before
        ledger.verify()

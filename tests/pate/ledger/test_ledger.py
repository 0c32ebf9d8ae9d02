"""Budgets are fixed, charges come first and stay, answers are final, and tampering is found."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pate.accounting import GNMax, Repeated, data_independent_epsilon
from pate.errors import BudgetExceeded, InputError, LedgerError
from pate.ledger import Account, PrivacyLedger

EVENT = GNMax(sigma=40.0)
DELTA = 1e-5


def cost(count: int) -> float:
    return data_independent_epsilon(Repeated(event=EVENT, count=count), DELTA).epsilon


def account(name: str = "ward", releases: int = 10, **changes: object) -> Account:
    settings = {"epsilon": cost(releases) + 1e-9, "delta": DELTA, "accountant": "gaussian", "unit": "patient"}
    return Account(name=name, **{**settings, **changes})  # type: ignore[arg-type]


def spend(ledger: PrivacyLedger, name: str, campaign: str, count: int = 1) -> None:
    queries = ledger.key.queries([f"{campaign}/{i}".encode() for i in range(count)])
    event = Repeated(event=EVENT, count=count)
    ledger.reserve(name, campaign=campaign, task="t", event=event, queries=queries, max_answered=count)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[PrivacyLedger]:
    opened = PrivacyLedger(tmp_path / "ledger")
    yield opened
    opened.close()


def test_folder_and_key_are_for_the_owner_alone(ledger: PrivacyLedger, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "ledger" / "key").stat().st_mode) == 0o600


def test_every_charge_counts_and_none_is_refunded(ledger: PrivacyLedger) -> None:
    ledger.register(account())
    seen = [0.0]
    for number in range(10):
        spend(ledger, "ward", f"c{number}")
        seen.append(ledger.spent("ward").epsilon)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(cost(10))
    intent = ledger.intent("c3")
    assert intent is not None
    ledger.settle(intent)
    assert ledger.spent("ward").epsilon == pytest.approx(cost(10))


def test_the_budget_holds_and_a_refusal_says_what_is_left_and_charges_nothing(ledger: PrivacyLedger) -> None:
    ledger.register(account(releases=10))
    spend(ledger, "ward", "first", 9)
    before = ledger.spent("ward").epsilon
    with pytest.raises(BudgetExceeded, match=f"{cost(9):.4f} is spent") as error:
        spend(ledger, "ward", "second", 2)
    assert f"{cost(11):.4f}" in str(error.value)
    assert ledger.spent("ward").epsilon == before
    assert ledger.intent("second") is None
    spend(ledger, "ward", "third", 1)


def test_the_first_registration_fixes_the_budget(ledger: PrivacyLedger) -> None:
    ledger.register(account())
    ledger.register(account())
    for change in ({"epsilon": 99.0}, {"delta": 1e-3}, {"unit": "hospital"}, {"benchmark": True}):
        with pytest.raises(InputError, match="first registered"):
            ledger.register(account(**change))


def test_accounts_that_share_a_unit_are_charged_together(ledger: PrivacyLedger) -> None:
    units = ledger.key.units([b"anna", b"bert", b"carl"])
    ledger.register(account("one", releases=10), units=units[:2])
    ledger.register(account("two", releases=10), units=units[1:])
    ledger.register(account("far", releases=10), units=ledger.key.units([b"dora"]))
    spend(ledger, "one", "a", 7)
    assert ledger.linked("one") == ["two"]
    assert ledger.spent("two").epsilon == pytest.approx(cost(7))
    assert ledger.spent("far").epsilon == 0
    with pytest.raises(BudgetExceeded):
        spend(ledger, "two", "b", 4)
    spend(ledger, "far", "c", 10)


def test_a_renamed_data_set_with_one_record_more_finds_the_old_spend(ledger: PrivacyLedger) -> None:
    units = ledger.key.units([f"p{i}".encode() for i in range(50)])
    ledger.register(account("old"), units=units)
    spend(ledger, "old", "a", 10)
    ledger.register(account("new"), units=[*units, *ledger.key.units([b"one more"])])
    with pytest.raises(BudgetExceeded):
        spend(ledger, "new", "b", 1)


def test_simulated_accounts_are_linked_to_none(ledger: PrivacyLedger) -> None:
    units = ledger.key.units([b"x"])
    ledger.register(account("demo-1", benchmark=True), units=units)
    ledger.register(account("demo-2", benchmark=True), units=units)
    spend(ledger, "demo-1", "a", 10)
    spend(ledger, "demo-2", "b", 10)


def test_a_campaign_is_charged_once(ledger: PrivacyLedger) -> None:
    ledger.register(account())
    spend(ledger, "ward", "same", 4)
    spend(ledger, "ward", "same", 4)
    assert ledger.spent("ward").epsilon == pytest.approx(cost(4))


def test_an_input_of_an_open_campaign_is_not_given_to_another(ledger: PrivacyLedger) -> None:
    ledger.register(account())
    query = ledger.key.queries([b"x"])
    ledger.reserve("ward", campaign="a", task="t", event=EVENT, queries=query, max_answered=1)
    with pytest.raises(InputError, match="no other open campaign"):
        ledger.reserve("ward", campaign="b", task="t", event=EVENT, queries=query, max_answered=1)
    assert ledger.spent("ward").epsilon == pytest.approx(cost(1))
    ledger.reserve("ward", campaign="c", task="other", event=EVENT, queries=query, max_answered=1)


def test_answers_are_final_and_never_more_than_charged(ledger: PrivacyLedger, tmp_path: Path) -> None:
    ledger.register(account())
    queries = ledger.key.queries([b"1", b"2", b"3"])
    intent = ledger.reserve("ward", campaign="a", task="t", event=EVENT, queries=queries, max_answered=2)
    with pytest.raises(LedgerError, match="at most 2"):
        ledger.persist(intent, [(query, 0) for query in queries])
    assert ledger.stored_answers("ward", "t", queries) == [None, None, None]
    assert ledger.persist(intent, [(queries[0], 4), (queries[1], -1)])
    assert not ledger.persist(intent, [(queries[0], 5), (queries[1], 5)])
    assert ledger.stored_answers("ward", "t", queries) == [4, -1, None]
    with sqlite3.connect(tmp_path / "ledger" / "ledger.sqlite3") as db:
        for statement in (
            "UPDATE queries SET answer = 9",
            "DELETE FROM queries WHERE answer = 4",
            "UPDATE entries SET body = ''",
            "DELETE FROM entries",
            "UPDATE accounts SET epsilon = 99",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(statement)


def test_an_unasked_input_of_a_settled_campaign_may_be_asked_by_another(ledger: PrivacyLedger) -> None:
    ledger.register(account())
    queries = ledger.key.queries([b"1", b"2"])
    intent = ledger.reserve("ward", campaign="a", task="t", event=EVENT, queries=queries, max_answered=1)
    ledger.persist(intent, [(queries[0], 1)])
    ledger.settle(intent)
    other = ledger.reserve("ward", campaign="b", task="t", event=EVENT, queries=queries[1:], max_answered=1)
    assert ledger.open_queries(other) == [queries[1]]
    assert not ledger.persist(intent, [(queries[1], 1)])


def _client(folder: Path, number: int) -> int:
    ledger = PrivacyLedger(folder)
    try:
        spend(ledger, "ward", f"client-{number}")
    except BudgetExceeded:
        return 0
    finally:
        ledger.close()
    return 1


def test_32_clients_on_a_budget_of_10_get_exactly_10(ledger: PrivacyLedger, tmp_path: Path) -> None:
    ledger.register(account(releases=10))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        outcomes = pool.starmap(_client, [(tmp_path / "ledger", number) for number in range(32)])
    assert sum(outcomes) == 10
    assert ledger.spent("ward").epsilon == pytest.approx(cost(10))
    last = ledger.verify()
    assert last is not None
    assert last.seq == 11


def _raw(folder: Path) -> sqlite3.Connection:
    """Somebody who has the file and knows how to drop a trigger."""
    db = sqlite3.connect(folder / "ledger.sqlite3")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    return db


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "ledger"
    ledger = PrivacyLedger(folder)
    ledger.register(account())
    for number in range(3):
        spend(ledger, "ward", f"c{number}", 2)
        intent = ledger.intent(f"c{number}")
        assert intent is not None
        ledger.persist(intent, [(query, 1) for query in ledger.open_queries(intent)])
        ledger.settle(intent)
    ledger.verify()
    ledger.close()
    return folder


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE entries SET body = replace(body, '40.0', '90.0') WHERE seq = 5", "row 5"),
        ("UPDATE entries SET at = '2020-01-01' WHERE seq = 2", "row 2"),
        ("DELETE FROM entries WHERE seq = 4", "row 4"),
        ("DELETE FROM entries WHERE seq > 8", "anchored"),
        ("UPDATE queries SET answer = 7 WHERE answer = 1", "answers of ledger row 3"),
    ],
)
def test_tampering_is_found_and_the_row_named(written: Path, statement: str, message: str) -> None:
    db = _raw(written)
    db.execute(statement)
    db.commit()
    db.close()
    ledger = PrivacyLedger(written)
    with pytest.raises(LedgerError, match=message):
        ledger.verify()
    ledger.close()


def test_a_restored_older_copy_is_found(written: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup"
    shutil.copy(written / "ledger.sqlite3", copy)
    ledger = PrivacyLedger(written)
    spend(ledger, "ward", "later", 1)
    ledger.close()
    shutil.copy(copy, written / "ledger.sqlite3")
    ledger = PrivacyLedger(written)
    with pytest.raises(LedgerError, match="older copy"):
        ledger.verify()
    ledger.close()


def test_a_garbled_file_is_one_clear_error(written: Path) -> None:
    (written / "ledger.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError, match="nothing was released") as error:
        PrivacyLedger(written)
    assert str(written) not in str(error.value)

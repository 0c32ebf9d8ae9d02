"""A campaign shows one sanitised estimate at most, only one that it paid for, and what was written stays."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pate.accounting import ComposedEvent, GNMaxEvent, RepeatedEvent
from pate.accounting.events import SanitisedReleaseEvent, to_dict
from pate.accounting.sanitised.release import SanitisedEstimate
from pate.errors import LedgerError
from pate.ledger import Intent, PrivacyLedger, chain, schema, verify_lines

RELEASE = SanitisedReleaseEvent(order=6.0, beta=0.02, sigma_ss=8.0, tau_s=0.3)
FIGURE = SanitisedEstimate(release=RELEASE, cost_steps=41234, width_steps=-777, basis="b")


def bought(ledger: PrivacyLedger, words, name: str = "c", *, estimates: int = 1) -> Intent:
    ledger.register(words.account(releases=1000))
    queries = ledger.key.queries([f"{name}/{i}".encode() for i in range(3)])
    event = ComposedEvent(events=(RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=3), *[RELEASE] * estimates))
    return ledger.reserve("ward", campaign=name, task="t", event=event, queries=queries, max_answered=3)


def answer(ledger: PrivacyLedger, intent: Intent) -> None:
    ledger.persist(intent, [(query, 1) for query in ledger.open_queries(intent)])


def test_the_second_estimate_of_a_campaign_is_not_written(ledger: PrivacyLedger, words) -> None:
    intent = bought(ledger, words)
    assert ledger.estimate("c") is None
    assert ledger.persist_estimate(intent, FIGURE)
    assert not ledger.persist_estimate(intent, replace(FIGURE, cost_steps=1))
    assert ledger.estimate("c") == FIGURE
    assert ledger.estimates("ward") == [FIGURE]
    ledger.verify()


def test_each_campaign_has_its_own(ledger: PrivacyLedger, words) -> None:
    other = replace(FIGURE, cost_steps=2)
    assert ledger.persist_estimate(bought(ledger, words, "c"), FIGURE)
    assert ledger.persist_estimate(bought(ledger, words, "d"), other)
    assert (ledger.estimate("c"), ledger.estimate("d")) == (FIGURE, other)


def test_a_settled_campaign_shows_no_estimate_any_more(ledger: PrivacyLedger, words) -> None:
    intent = bought(ledger, words)
    answer(ledger, intent)
    ledger.settle(intent)
    assert not ledger.persist_estimate(intent, FIGURE)
    assert ledger.estimate("c") is None


def test_a_estimate_that_was_not_paid_for_is_refused(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account(releases=1000))
    free = words.spend(ledger, "ward", "free", 3)
    with pytest.raises(LedgerError, match="charged for"):
        ledger.persist_estimate(free, FIGURE)
    with pytest.raises(LedgerError, match="charged for"):
        ledger.persist_estimate(bought(ledger, words), replace(FIGURE, release=replace(RELEASE, sigma_ss=1.0)))
    assert ledger.estimates("ward") == []


def test_a_estimate_costs_what_its_release_costs_and_more_than_none(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account("other", releases=1000))
    words.spend(ledger, "other", "without", 3)
    bought(ledger, words)
    assert ledger.spent("ward").epsilon > ledger.spent("other").epsilon


def test_all_reserved_inputs_are_known_until_the_campaign_is_settled(ledger: PrivacyLedger, words) -> None:
    intent = bought(ledger, words)
    queries = ledger.open_queries(intent)
    ledger.persist(intent, [(queries[0], 2)])
    assert ledger.reserved_queries(intent) == queries
    assert ledger.open_queries(intent) == queries[1:]


def test_the_database_itself_refuses_a_second_figure(ledger: PrivacyLedger, words, folder: Path) -> None:
    ledger.persist_estimate(bought(ledger, words), FIGURE)
    ledger.close()
    db = schema.connect(str(folder / "ledger.sqlite3"))
    with pytest.raises(sqlite3.IntegrityError, match="one_figure"):
        chain.append(db, account="ward", kind="figure", body={"campaign": "c"})
    db.close()


@pytest.mark.parametrize("case", ["twice", "settled", "unpaid", "two paid"])
def test_a_chain_with_a_estimate_too_many_does_not_verify(
    ledger: PrivacyLedger, words, folder: Path, case: str
) -> None:
    """Rows as somebody would write them who has the file and this code."""
    intent = bought(ledger, words, estimates=2 if case == "two paid" else 1)
    body = {"campaign": "c", "release": to_dict(RELEASE), "basis": "b", "cost_steps": 1, "width_steps": 1}
    if case == "settled":
        answer(ledger, intent)
        ledger.settle(intent)
    if case == "unpaid":
        body["release"]["sigma_ss"] = 1.0
    ledger.close()
    db = schema.connect(str(folder / "ledger.sqlite3"))
    if case == "twice":
        db.execute("DROP INDEX one_figure")
        chain.append(db, account="ward", kind="figure", body=body)
    chain.append(db, account="ward", kind="figure", body=body)
    db.close()
    error = "one sanitised estimate of an open campaign that paid for it"
    with PrivacyLedger(folder) as again, pytest.raises(LedgerError, match=error):
        again.verify()


def test_a_changed_estimate_is_found(ledger: PrivacyLedger, words, folder: Path) -> None:
    ledger.persist_estimate(bought(ledger, words), FIGURE)
    row = ledger.head().length
    ledger.close()
    words.tamper(folder, f"UPDATE entries SET body = replace(body, '41234', '31234') WHERE seq = {row}")
    with PrivacyLedger(folder) as again, pytest.raises(LedgerError, match=f"row {row}"):
        again.verify()


def test_an_export_holds_the_estimate_and_can_be_checked(ledger: PrivacyLedger, words) -> None:
    ledger.persist_estimate(bought(ledger, words), FIGURE)
    lines = list(ledger.export())
    assert verify_lines(lines, ledger.head()) == ledger.head()
    body = json.loads(json.loads(lines[-1])["body"])
    assert set(body) == {"campaign", "release", "basis", "cost_steps", "width_steps"}


def test_a_ledger_of_schema_2_keeps_its_chain_and_takes_figures(folder: Path, words) -> None:
    with PrivacyLedger(folder) as old:
        intent = bought(old, words)
        answer(old, intent)
        before = old.entries()
    with sqlite3.connect(folder / "ledger.sqlite3") as db:
        db.execute("DROP INDEX one_figure")
        db.execute("ALTER TABLE accounts DROP COLUMN declared")
        db.execute("PRAGMA user_version = 2")
    db.close()
    with PrivacyLedger(folder) as ledger:
        assert ledger.entries()[: len(before)] == before
        assert [entry.kind for entry in ledger.entries()[len(before) :]] == ["schema"]
        assert ledger.persist_estimate(intent, FIGURE)
        ledger.verify()

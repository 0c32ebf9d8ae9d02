"""A campaign is charged once, for all it may release; its answers are final."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pate.accounting import ConfidentGNMaxEvent, GNMaxEvent, RepeatedEvent
from pate.errors import InputError, LedgerError
from pate.ledger import PrivacyLedger


def confident(max_asked: int, max_answered: int) -> ConfidentGNMaxEvent:
    return ConfidentGNMaxEvent(
        threshold=60, sigma_threshold=40.0, sigma=40.0, max_asked=max_asked, max_answered=max_answered
    )


def test_a_campaign_is_charged_once(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account())
    words.spend(ledger, "ward", "same", 4)
    words.spend(ledger, "ward", "same", 4)
    assert ledger.spent("ward").epsilon == pytest.approx(words.cost(4))


@pytest.mark.parametrize(
    ("event", "queries", "max_answered"),
    [
        (GNMaxEvent(sigma=40.0), 2, 2),
        (RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=3), 4, 4),
        (RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=2), 3, 2),
        (confident(3, 2), 4, 2),
        (confident(4, 2), 4, 3),
    ],
    ids=["one for two", "three for four", "refusals for nothing", "a refusal too many", "an answer too many"],
)
def test_a_charge_below_what_may_be_released_is_refused(
    ledger: PrivacyLedger, words, event, queries: int, max_answered: int
) -> None:
    ledger.register(words.account(releases=1000))
    hashes = ledger.key.queries([str(i).encode() for i in range(queries)])
    with pytest.raises(InputError, match="every answer and every refusal"):
        ledger.reserve("ward", campaign="c", task="t", event=event, queries=hashes, max_answered=max_answered)
    assert ledger.spent("ward").epsilon == 0


def test_a_campaign_of_one_account_is_not_continued_for_another(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account("one"))
    ledger.register(words.account("two"))
    words.spend(ledger, "one", "same")
    with pytest.raises(LedgerError, match="this account and task"):
        words.spend(ledger, "two", "same")


def test_an_input_of_an_open_campaign_is_not_given_to_another(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account())
    query = ledger.key.queries([b"x"])
    ledger.reserve("ward", campaign="a", task="t", event=words.EVENT, queries=query, max_answered=1)
    with pytest.raises(InputError, match="no other open campaign"):
        ledger.reserve("ward", campaign="b", task="t", event=words.EVENT, queries=query, max_answered=1)
    assert ledger.spent("ward").epsilon == pytest.approx(words.cost(1))
    ledger.reserve("ward", campaign="c", task="other", event=words.EVENT, queries=query, max_answered=1)


def test_answers_are_final_and_never_more_than_charged(ledger: PrivacyLedger, folder: Path, words) -> None:
    ledger.register(words.account())
    queries = ledger.key.queries([b"1", b"2", b"3"])
    intent = ledger.reserve("ward", campaign="a", task="t", event=confident(3, 2), queries=queries, max_answered=2)
    with pytest.raises(LedgerError, match="at most 2"):
        ledger.persist(intent, [(query, 0) for query in queries])
    assert ledger.stored_answers("ward", "t", queries) == [None, None, None]
    assert ledger.persist(intent, [(queries[0], 4), (queries[1], -1)])
    assert not ledger.persist(intent, [(queries[0], 5), (queries[1], 5)])
    assert ledger.stored_answers("ward", "t", queries) == [4, -1, None]
    with sqlite3.connect(folder / "ledger.sqlite3") as db:
        row = "SELECT account, task, query, intent, position, 9 FROM queries WHERE answer = 4"
        for statement in (
            "UPDATE queries SET answer = 9",
            "UPDATE queries SET task = 'u' WHERE answer IS NULL",
            "DELETE FROM queries WHERE answer = 4",
            f"INSERT OR REPLACE INTO queries {row}",
            "UPDATE entries SET body = ''",
            "DELETE FROM entries",
            "INSERT OR REPLACE INTO entries SELECT seq, account, kind, '{}', at, previous, hash FROM entries",
            "UPDATE accounts SET epsilon = 99",
            "INSERT OR REPLACE INTO accounts SELECT name, 99, delta, accountant, unit, benchmark, '[]' FROM accounts",
            "UPDATE intents SET max_answered = 99",
            "DELETE FROM intents",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(statement)
    db.close()


def test_an_unasked_input_of_a_settled_campaign_may_be_asked_by_another(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account())
    queries = ledger.key.queries([b"1", b"2"])
    intent = ledger.reserve("ward", campaign="a", task="t", event=confident(2, 1), queries=queries, max_answered=1)
    ledger.persist(intent, [(queries[0], 1)])
    ledger.settle(intent)
    other = ledger.reserve("ward", campaign="b", task="t", event=words.EVENT, queries=queries[1:], max_answered=1)
    assert ledger.open_queries(other) == [queries[1]]
    assert not ledger.persist(intent, [(queries[1], 1)])
    assert ledger.verify() is not None


def test_a_purge_stands_in_the_chain(ledger: PrivacyLedger, words) -> None:
    ledger.register(words.account())
    ledger.record_purge("ward", run="digits-1", retention_days=30, removed=["votes", "teachers"])
    last = ledger.verify()
    assert last is not None
    assert (last.kind, last.body["removed"]) == ("purge", ["teachers", "votes"])

"""A ledger, and short words for what is done with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pate.accounting import GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.ledger import Account, Intent, PrivacyLedger

EVENT = GNMaxEvent(sigma=40.0)
DELTA = 1e-5


class Words:
    """Frequent operations of the tests."""

    EVENT = EVENT

    def cost(self, count: int) -> float:
        return data_independent_epsilon(RepeatedEvent(event=EVENT, count=count), DELTA, "gaussian").epsilon

    def account(self, name: str = "ward", releases: int = 10, **changes: Any) -> Account:
        settings = {"epsilon": self.cost(releases) + 1e-9, "delta": DELTA, "accountant": "gaussian", "unit": "patient"}
        return Account(name=name, **{**settings, **changes})

    def spend(self, ledger: PrivacyLedger, name: str, campaign: str, count: int = 1) -> Intent:
        queries = ledger.key.queries([f"{campaign}/{i}".encode() for i in range(count)])
        event = RepeatedEvent(event=EVENT, count=count)
        return ledger.reserve(name, campaign=campaign, task="t", event=event, queries=queries, max_answered=count)

    def raw(self, folder: Path) -> sqlite3.Connection:
        """Somebody who has the file and knows how to drop a trigger, and to put it back."""
        db = sqlite3.connect(folder / "ledger.sqlite3", isolation_level=None)
        self.triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in self.triggers:
            db.execute(f"DROP TRIGGER {name}")
        return db

    def tamper(self, folder: Path, *statements: str) -> None:
        """Change rows and leave no other trace."""
        db = self.raw(folder)
        for statement in (*statements, *(sql for _, sql in self.triggers)):
            db.execute(statement)
        db.close()


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def ledger(folder: Path) -> Iterator[PrivacyLedger]:
    with PrivacyLedger(folder) as opened:
        yield opened


@pytest.fixture
def written(folder: Path, words: Words) -> Path:
    """The folder of a ledger with two linked accounts and four campaigns, the last one open; rows 2 to 14."""
    with PrivacyLedger(folder) as ledger:
        ledger.register(words.account(), units=ledger.key.units([b"anna", b"bert"]))
        ledger.register(words.account("clinic"), units=ledger.key.units([b"bert"]))
        for number in range(4):
            intent = words.spend(ledger, "ward", f"c{number}", 2)
            if number == 3:
                ledger.persist(intent, [(ledger.open_queries(intent)[0], 1)])
                continue
            ledger.persist(intent, [(query, 1) for query in ledger.open_queries(intent)])
            ledger.settle(intent)
        ledger.verify()
    return folder

"""Campaigns: charged before the first query, answered once, never refunded. All inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pate.accounting.events import PrivacyEvent, from_dict, to_dict
from pate.errors import InputError, LedgerError
from pate.ledger import budgets, chain
from pate.ledger.coverage import require_paid


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A charged campaign: its queries and its largest number of answers.

    Attributes:
        id: name of the campaign.
        account: that is charged.
        task: the labelling task.
        max_answered: the most answers other than refusals.
        settled: no further query will be asked under it.
    """

    id: str
    account: str
    task: str
    max_answered: int
    settled: bool


def find(db: sqlite3.Connection, campaign: str) -> Intent | None:
    """The campaign of that name, if it was reserved."""
    row = db.execute(
        "SELECT id, account, task, max_answered, settled FROM intents WHERE id = ?", (campaign,)
    ).fetchone()
    if row is None:
        return None
    return Intent(id=row[0], account=row[1], task=row[2], max_answered=row[3], settled=bool(row[4]))


def reserve(
    db: sqlite3.Connection,
    account: str,
    *,
    campaign: str,
    task: str,
    event: PrivacyEvent,
    queries: Sequence[bytes],
    max_answered: int,
) -> Intent:
    """See ``PrivacyLedger.reserve``."""
    known = find(db, campaign)
    if known is not None:
        return require_own(known, account, task)
    require_paid(event, queries=len(queries), max_answered=max_answered)
    budgets.require_within_budget(db, account, event)
    db.execute(
        "INSERT INTO intents (id, account, task, max_answered) VALUES (?, ?, ?, ?)",
        (campaign, account, task, max_answered),
    )
    try:
        db.executemany(
            "INSERT INTO queries VALUES (?, ?, ?, ?, ?, NULL)",
            [(account, task, query, campaign, position) for position, query in enumerate(queries)],
        )
    except sqlite3.IntegrityError as error:
        raise InputError(
            f"Expected inputs of task={task!r} that no other open campaign has reserved, got at least one; "
            "finish the other run first (`pate run` on its configuration resumes it)"
        ) from error
    body = {
        "campaign": campaign,
        "task": task,
        "event": to_dict(event),
        "queries": len(queries),
        "queries_sha256": queries_digest(queries),
        "max_answered": max_answered,
    }
    chain.append(db, account=account, kind="reserve", body=body)
    return Intent(id=campaign, account=account, task=task, max_answered=max_answered, settled=False)


def require_own(intent: Intent, account: str, task: str) -> Intent:
    """Refuse a campaign of another account or task under this name.

    Raises:
        LedgerError: it would be answered from one data set and charged to another.
    """
    if (intent.account, intent.task) != (account, task):
        raise LedgerError("Expected a campaign of this account and task, got one of another; name it otherwise")
    return intent


def open_queries(db: sqlite3.Connection, intent: Intent, limit: int = -1) -> list[bytes]:
    """The reserved inputs that have no answer yet, in order; at most ``limit`` of them, -1 for all."""
    rows = db.execute(
        "SELECT query FROM queries WHERE intent = ? AND answer IS NULL ORDER BY position LIMIT ?", (intent.id, limit)
    )
    return [row[0] for row in rows]


def reserved_queries(db: sqlite3.Connection, intent: Intent) -> list[bytes]:
    """All inputs that an open campaign reserved, answered or not, in order."""
    rows = db.execute("SELECT query FROM queries WHERE intent = ? ORDER BY position", (intent.id,))
    return [row[0] for row in rows]


def answered(db: sqlite3.Connection, intent: Intent) -> int:
    """Number of answers other than refusals that the campaign has."""
    row = db.execute("SELECT count(*) FROM queries WHERE intent = ? AND answer >= 0", (intent.id,)).fetchone()
    return int(row[0])


def persist(db: sqlite3.Connection, intent: Intent, answers: Sequence[tuple[bytes, int]]) -> bool:
    """See ``PrivacyLedger.persist``."""
    known = find(db, intent.id)
    following = open_queries(db, intent, len(answers))
    if known is None or known.settled or following != [query for query, _ in answers]:
        return False
    db.executemany(
        "UPDATE queries SET answer = ? WHERE account = ? AND task = ? AND query = ?",
        [(answer, known.account, known.task, query) for query, answer in answers],
    )
    if answered(db, known) > known.max_answered:
        raise LedgerError(f"Expected at most {known.max_answered} answers, got more; nothing was released")
    body = {"campaign": known.id, "answers": len(answers), "answers_sha256": answers_digest(answers)}
    chain.append(db, account=known.account, kind="answers", body=body)
    return True


def settle(db: sqlite3.Connection, intent: Intent) -> None:
    """See ``PrivacyLedger.settle``."""
    known = find(db, intent.id)
    if known is None or known.settled:
        return
    db.execute("DELETE FROM queries WHERE intent = ? AND answer IS NULL", (known.id,))
    db.execute("UPDATE intents SET settled = 1 WHERE id = ?", (known.id,))
    body = {"campaign": known.id, "answered": answered(db, known)}
    chain.append(db, account=known.account, kind="settle", body=body)


def stored_answers(db: sqlite3.Connection, account: str, task: str, queries: Sequence[bytes]) -> list[int | None]:
    """For each keyed input hash its persisted answer, or ``None``."""
    statement = "SELECT answer FROM queries WHERE account = ? AND task = ? AND query = ?"
    rows = (db.execute(statement, (account, task, query)).fetchone() for query in queries)
    return [None if row is None else row[0] for row in rows]


def charged_event(db: sqlite3.Connection, campaign: str) -> PrivacyEvent | None:
    """Event that a campaign was charged for, or ``None`` if it never was."""
    known = find(db, campaign)
    if known is None:
        return None
    for entry in chain.entries(db, known.account, "reserve"):
        if entry.body["campaign"] == campaign:
            return from_dict(entry.body["event"])
    return None


def queries_digest(queries: Sequence[bytes]) -> str:
    """SHA-256 of keyed input hashes in order."""
    return hashlib.sha256(b"".join(queries)).hexdigest()


def answers_digest(answers: Sequence[tuple[bytes, int]]) -> str:
    """SHA-256 of keyed input hashes and their answers in order."""
    return hashlib.sha256(json.dumps([[query.hex(), answer] for query, answer in answers]).encode()).hexdigest()

"""The append-only, hash-chained list of events.

``hash = SHA-256(JSON of [seq, account, kind, body, at, previous])`` with ``body`` the row's JSON text as stored and
the JSON as Python's ``json.dumps`` writes it, so that an exported chain can be checked with a few lines of code.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, final

from pate.errors import LedgerError
from pate.ledger.anchor import GENESIS, Anchor

Row: TypeAlias = tuple[int, str, str, str, str, str, str]
"""A stored row: seq, account, kind, body, at, previous, hash."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the chain.

    Attributes:
        seq: 1, 2, 3, ... without gaps.
        account: the account it belongs to; empty for the whole ledger.
        kind: ``schema``, ``register``, ``extend``, ``reserve``, ``answers``, ``figure``, ``settle`` or ``purge``; a
            ``figure`` is a sanitised estimate.
        body: the content; privacy events, never epsilons.
        at: time, UTC, ISO 8601.
        previous: hash of the row before it.
        hash: SHA-256 of all of the above.
    """

    seq: int
    account: str
    kind: str
    body: dict[str, Any]
    at: str
    previous: str
    hash: str


def append(db: sqlite3.Connection, *, account: str, kind: str, body: dict[str, Any]) -> Entry:
    """Add a row, inside the caller's transaction."""
    last = head(db)
    seq, at = last.length + 1, datetime.now(UTC).isoformat(timespec="milliseconds")
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = _digest(seq, account, kind, text, at, last.head)
    row = (seq, account, kind, text, at, last.head, digest)
    db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    return _entry(row)


def head(db: sqlite3.Connection) -> Anchor:
    """The chain's length and the hash of its last row."""
    last = db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    return Anchor(length=0, head=GENESIS) if last is None else Anchor(length=last[0], head=last[1])


def rows(db: sqlite3.Connection) -> Iterator[Row]:
    """All rows as stored, in order."""
    return iter(db.execute("SELECT seq, account, kind, body, at, previous, hash FROM entries ORDER BY seq"))


def entries(db: sqlite3.Connection, account: str | None = None, kind: str | None = None) -> Iterator[Entry]:
    """The rows, in order: all, of one account, of one kind."""
    found = db.execute(
        "SELECT seq, account, kind, body, at, previous, hash FROM entries "
        "WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR kind = ?2) ORDER BY seq",
        (account, kind),
    )
    for row in found:
        yield _entry(row)


def checked(rows: Iterable[Row]) -> Iterator[Entry]:
    """The rows, each after its number, link and hash were verified.

    Raises:
        LedgerError: naming the first altered row.
    """
    previous = GENESIS
    for number, row in enumerate(rows, start=1):
        if row[0] != number:
            raise LedgerError(f"Expected ledger row {number}, got row {row[0]}; a row is missing, restore a backup")
        if row[5] != previous or row[6] != _digest(*row[:6]):
            raise altered(number)
        try:
            yield _entry(row)
        except ValueError as error:
            raise altered(number) from error
        previous = row[6]


def altered(row: int) -> LedgerError:
    """The error that names an altered row."""
    return LedgerError(f"Expected ledger row {row} as it was written, got an altered one; restore a backup")


def require_contains(db: sqlite3.Connection, anchor: Anchor, source: str) -> None:
    """Refuse a chain that does not match an anchor.

    Raises:
        LedgerError: the tail was dropped, an older copy was restored, or the chain was replaced.
    """
    if anchor.length == 0:
        return
    found = db.execute("SELECT hash FROM entries WHERE seq = ?", (anchor.length,)).fetchone()
    if found is None or found[0] != anchor.head:
        raise LedgerError(
            f"Expected ledger row {anchor.length} with the anchored hash ({source}), got {head(db).length} rows; the "
            "tail was dropped or an older copy was restored: restore the newest one, nothing was released"
        )


def _digest(*fields: object) -> str:
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


def _entry(row: Row) -> Entry:
    seq, account, kind, body, at, previous, digest = row
    content = json.loads(body)
    if not isinstance(content, dict):
        raise ValueError("a body that is no object")
    return Entry(seq=seq, account=account, kind=kind, body=content, at=at, previous=previous, hash=digest)

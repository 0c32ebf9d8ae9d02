"""The append-only, hash-chained list of what happened, and its anchor in a second file."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from pate.errors import LedgerError

GENESIS = "0" * 64


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the chain.

    Attributes:
        seq: 1, 2, 3, ... without gaps.
        account: the account it belongs to.
        kind: ``register``, ``extend``, ``reserve``, ``answers`` or ``settle``.
        body: what happened; events, never epsilons.
        at: when, UTC, ISO 8601.
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
    last = db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = (1, GENESIS) if last is None else (last[0] + 1, last[1])
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = _digest(seq, account, kind, text, at, previous)
    db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", (seq, account, kind, text, at, previous, digest))
    return Entry(seq=seq, account=account, kind=kind, body=body, at=at, previous=previous, hash=digest)


def entries(db: sqlite3.Connection, account: str | None = None) -> Iterator[Entry]:
    """All rows, or those of one account, in order."""
    clause, values = ("", ()) if account is None else (" WHERE account = ?", (account,))
    for row in db.execute(f"SELECT * FROM entries{clause} ORDER BY seq", values):  # noqa: S608 - constant text
        yield _entry(row)


def verify(db: sqlite3.Connection, anchor: Path) -> Entry | None:
    """Recompute every hash and compare with the anchor; returns the last row.

    Raises:
        LedgerError: naming the first row that is not what was written, or what the anchor misses.
    """
    previous, last, at_anchor = GENESIS, None, None
    anchored = read_anchor(anchor)
    for number, row in enumerate(db.execute("SELECT * FROM entries ORDER BY seq"), start=1):
        if row[0] != number:
            raise LedgerError(f"Expected ledger row {number}, got row {row[0]}; a row is missing, restore a backup")
        if row[5] != previous or row[6] != _digest(*row[:6]):
            raise LedgerError(f"Expected ledger row {number} as it was written, got an altered one; restore a backup")
        last, previous = _entry(row), row[6]
        if anchored and number == anchored[0]:
            at_anchor = row[6]
    if anchored and at_anchor != anchored[1]:
        length = 0 if last is None else last.seq
        raise LedgerError(
            f"Expected ledger row {anchored[0]} with the anchored hash, got {length} rows; the tail was dropped or an "
            "older copy was restored"
        )
    if last is not None and not anchored:
        raise LedgerError("Expected the ledger's anchor file, got none; restore it from its backup")
    return last


def write_anchor(anchor: Path, *, seq: int, digest: str) -> None:
    """Record the chain's length and head, atomically; an older process never moves the anchor back."""
    now = read_anchor(anchor)
    if now and now[0] >= seq:
        return
    temporary = anchor.with_name(f"{anchor.name}.{os.getpid()}.new")
    with temporary.open("w") as file:
        json.dump({"length": seq, "head": digest}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(anchor)


def read_anchor(anchor: Path) -> tuple[int, str] | None:
    """``(length, head hash)``, or ``None`` where there is no anchor.

    Raises:
        LedgerError: the file is not an anchor.
    """
    if not anchor.exists():
        return None
    try:
        content = json.loads(anchor.read_text())
        return int(content["length"]), str(content["head"])
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError("Expected a ledger anchor with length and head, got another file; restore it") from error


def _digest(seq: int, account: str, kind: str, body: str, at: str, previous: str) -> str:
    return hashlib.sha256(json.dumps([seq, account, kind, body, at, previous]).encode()).hexdigest()


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, account, kind, body, at, previous, digest = row
    return Entry(seq=seq, account=account, kind=kind, body=json.loads(body), at=at, previous=previous, hash=digest)

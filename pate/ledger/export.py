"""The chain as JSON lines, for auditors: verifiable without the ledger and its key."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from pate.errors import LedgerError
from pate.ledger import chain
from pate.ledger.anchor import Anchor

FIELDS = ("seq", "account", "kind", "body", "at", "previous", "hash")


def lines(db: sqlite3.Connection) -> Iterator[str]:
    """One JSON object for each row; ``body`` is the stored text, since the hash is over that text."""
    for row in chain.rows(db):
        yield json.dumps(dict(zip(FIELDS, row, strict=True)))


def verify_lines(text: Iterable[str], anchor: Anchor | None = None) -> Anchor:
    """Check an exported chain.

    Args:
        text: the lines of the file.
        anchor: published length and head; the chain must contain them.

    Returns:
        Length and head of the export.

    Raises:
        LedgerError: naming the first altered row.
    """
    last = Anchor(length=0, head="")
    try:
        for entry in chain.checked(_rows(text)):
            last = Anchor(length=entry.seq, head=entry.hash)
            if anchor is not None and anchor.length == entry.seq and anchor.head != entry.hash:
                raise LedgerError(f"Expected ledger row {entry.seq} with the anchored hash, got another chain")
    except RecursionError as error:
        raise chain.altered(last.length + 1) from error
    if anchor is not None and anchor.length > last.length:
        raise LedgerError(f"Expected at least {anchor.length} rows, got {last.length}; the tail was dropped")
    return last


def _rows(text: Iterable[str]) -> Iterator[chain.Row]:
    for number, line in enumerate(text, start=1):
        try:
            content = json.loads(line)
            row = tuple(content[field] for field in FIELDS)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LedgerError(f"Expected a ledger row on line {number}, got something else; export again") from error
        if set(content) != set(FIELDS):
            raise LedgerError(f"Expected the fields of a ledger row on line {number}, got others; export again")
        if type(row[0]) is not int or not all(type(field) is str for field in row[1:]):
            raise LedgerError(f"Expected a number and texts in the fields of line {number}, got others; export again")
        yield row

"""The ledger's tables. Rows are immutable: triggers refuse to change or remove them.

A new database runs all steps, an older one those it lacks, in one transaction that also adds a ``schema`` row to
the chain: no step touches a row of the chain, so its hashes stay. To change the tables, add a step at the end.
"""

from __future__ import annotations

import sqlite3

from pate.errors import LedgerError
from pate.ledger import chain

_FIRST = """
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    at TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL UNIQUE);
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;

CREATE TABLE accounts (
    name TEXT PRIMARY KEY, epsilon REAL NOT NULL, delta REAL NOT NULL, accountant TEXT NOT NULL,
    unit TEXT NOT NULL, benchmark INTEGER NOT NULL);
CREATE TRIGGER accounts_stay BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'budgets are fixed'); END;
CREATE TRIGGER accounts_remain BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'accounts remain'); END;

CREATE TABLE units (
    hash BLOB NOT NULL, account TEXT NOT NULL REFERENCES accounts(name), PRIMARY KEY (hash, account)) WITHOUT ROWID;
CREATE INDEX units_by_account ON units(account);

CREATE TABLE intents (
    id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts(name), task TEXT NOT NULL,
    max_answered INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0);

CREATE TABLE queries (
    account TEXT NOT NULL, task TEXT NOT NULL, query BLOB NOT NULL, intent TEXT NOT NULL REFERENCES intents(id),
    position INTEGER NOT NULL, answer INTEGER, PRIMARY KEY (account, task, query)) WITHOUT ROWID;
CREATE INDEX queries_by_intent ON queries(intent, position);
CREATE TRIGGER answers_stay BEFORE UPDATE ON queries WHEN OLD.answer IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'answers never change'); END;
CREATE TRIGGER answers_remain BEFORE DELETE ON queries WHEN OLD.answer IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'answers remain'); END;
"""

_FASTER_AND_STRICTER = """
CREATE INDEX entries_by_account ON entries(account, kind);
CREATE TRIGGER entries_are_new BEFORE INSERT ON entries WHEN EXISTS (SELECT 1 FROM entries WHERE seq = NEW.seq)
    BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER accounts_are_new BEFORE INSERT ON accounts WHEN EXISTS (SELECT 1 FROM accounts WHERE name = NEW.name)
    BEGIN SELECT RAISE(ABORT, 'budgets are fixed'); END;

CREATE TRIGGER units_stay BEFORE UPDATE ON units BEGIN SELECT RAISE(ABORT, 'units stay'); END;
CREATE TRIGGER units_remain BEFORE DELETE ON units BEGIN SELECT RAISE(ABORT, 'units remain'); END;

CREATE TRIGGER intents_stay BEFORE UPDATE ON intents
    WHEN OLD.settled <> 0 OR (OLD.id, OLD.account, OLD.task, OLD.max_answered)
        IS NOT (NEW.id, NEW.account, NEW.task, NEW.max_answered)
    BEGIN SELECT RAISE(ABORT, 'intents never change'); END;
CREATE TRIGGER intents_remain BEFORE DELETE ON intents BEGIN SELECT RAISE(ABORT, 'intents remain'); END;
CREATE TRIGGER intents_are_new BEFORE INSERT ON intents WHEN EXISTS (SELECT 1 FROM intents WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'intents never change'); END;

CREATE TRIGGER queries_stay BEFORE UPDATE ON queries
    WHEN (OLD.account, OLD.task, OLD.query, OLD.intent, OLD.position)
        IS NOT (NEW.account, NEW.task, NEW.query, NEW.intent, NEW.position)
    BEGIN SELECT RAISE(ABORT, 'queries never change'); END;
CREATE TRIGGER queries_are_new BEFORE INSERT ON queries
    WHEN EXISTS (SELECT 1 FROM queries WHERE account = NEW.account AND task = NEW.task AND query = NEW.query)
    BEGIN SELECT RAISE(ABORT, 'one answer for each input'); END;
"""

_ONE_FIGURE = """
CREATE UNIQUE INDEX one_figure ON entries(json_extract(body, '$.campaign')) WHERE kind = 'figure';
"""

_DECLARED = """
ALTER TABLE accounts ADD COLUMN declared TEXT NOT NULL DEFAULT '[]';
"""

STEPS = (_FIRST, _FASTER_AND_STRICTER, _ONE_FIGURE, _DECLARED)
VERSION = len(STEPS)


def connect(path: str) -> sqlite3.Connection:
    """Open the database; every commit reaches the disk before it returns."""
    db = sqlite3.connect(path, timeout=60.0, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except sqlite3.Error:
        db.close()
        raise
    return db


def version(db: sqlite3.Connection) -> int:
    """Number of migrations applied to the database; 0 if it is new."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def require_known(db: sqlite3.Connection) -> None:
    """Refuse a database of a later pate.

    Raises:
        LedgerError: its schema is not known here.
    """
    found = version(db)
    if not 0 <= found <= VERSION:
        raise LedgerError(f"Expected a ledger of schema {VERSION} or older, got {found}; use the pate that wrote it")


def migrate(db: sqlite3.Connection, key_digest: str) -> None:
    """Run the missing steps and record them in the chain, atomically.

    Args:
        db: the database.
        key_digest: opaque identifier of this ledger's key.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        run_steps(db, version(db))
        chain.append(db, account="", kind="schema", body={"version": VERSION, "key": key_digest})
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def run_steps(db: sqlite3.Connection, done: int) -> None:
    """Run the steps after the first ``done``."""
    for step in STEPS[done:]:
        for statement in _statements(step):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def objects(db: sqlite3.Connection) -> dict[str, str | None]:
    """Name -> definition of every table, index and trigger."""
    return dict(db.execute("SELECT type || ' ' || name, sql FROM sqlite_master").fetchall())


def _statements(script: str) -> list[str]:
    """Split at the semicolons that end a statement (``executescript`` would commit the open transaction)."""
    found, buffer = [], ""
    for piece in script.split(";"):
        buffer += piece + ";"
        if sqlite3.complete_statement(buffer):
            found.append(buffer)
            buffer = ""
    return found

"""The ledger's tables. What is written stays: triggers refuse to change or remove it."""

from __future__ import annotations

import sqlite3

from pate.errors import LedgerError

VERSION = 1

_TABLES = """
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


def connect(path: str) -> sqlite3.Connection:
    """Open the database, creating its tables once; every commit reaches the disk before it returns."""
    db = sqlite3.connect(path, timeout=60.0, isolation_level=None)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    if _version(db) == 0:
        db.execute("BEGIN IMMEDIATE")
        if _version(db) == 0:
            for statement in _statements(_TABLES):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    if _version(db) != VERSION:
        raise LedgerError(f"Expected a ledger of schema {VERSION}, got {_version(db)}; use the pate that wrote it")
    return db


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> list[str]:
    """Split at the semicolons that end a statement (``executescript`` would commit the open transaction)."""
    found, buffer = [], ""
    for piece in script.split(";"):
        buffer += piece + ";"
        if sqlite3.complete_statement(buffer):
            found.append(buffer)
            buffer = ""
    return found

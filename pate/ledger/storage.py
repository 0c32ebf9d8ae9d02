"""The ledger's folder: opened if complete, else refused; one transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from pate.errors import LedgerError
from pate.ledger import anchor, chain, schema
from pate.ledger.keys import LedgerKey


@final
class Storage:
    """``ledger.sqlite3``, ``key``, ``anchor.json`` and ``lock`` in one folder (mode 0700).

    They are created in the order anchor, key, database, so that a folder that lost one of them is distinguished from a
    new one.

    Attributes:
        db: the database.
        key: of the keyed hashes.
        anchor: path of the anchor.
    """

    __slots__ = ("_folder", "anchor", "db", "key")

    def __init__(self, folder: Path) -> None:
        with readable():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            self._folder = folder
            self.anchor = folder / "anchor.json"
            with anchor.locked(folder):
                self._require_whole()
                if not _has_content(folder / "ledger.sqlite3"):
                    anchor.advance(self.anchor, anchor.Anchor(length=0, head=anchor.GENESIS))
                self.key = LedgerKey(folder)
                self.db = schema.connect(str(folder / "ledger.sqlite3"))
                try:
                    self._bring_up_to_date()
                except BaseException:
                    self.db.close()
                    raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Transaction of a single writer; a chain that does not match its anchor is not continued."""
        with readable():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                self._require_anchored()
                yield
                self.db.execute("COMMIT")
            finally:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
            with anchor.locked(self._folder):
                anchor.advance(self.anchor, chain.head(self.db))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Consistent reads, while other processes write."""
        with readable():
            self.db.execute("BEGIN")
            try:
                yield
            finally:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")

    def _require_whole(self) -> None:
        """Refuse to start an empty ledger where database, key or anchor was lost."""
        known = anchor.read(self.anchor)
        rows = known is not None and known.length > 0
        database, key = (_has_content(self._folder / name) for name in ("ledger.sqlite3", "key"))
        missing = None
        if not database and (rows or (key and known is None)):
            missing = "database"
        elif not key and (database or rows):
            missing = "key"
        if missing is not None:
            raise _missing(missing)

    def _bring_up_to_date(self) -> None:
        schema.require_known(self.db)
        done = schema.version(self.db)
        if done > 0:
            self._require_anchored()
        else:
            known = anchor.read(self.anchor)
            if known is None or known.length > 0:  # a new ledger has its anchor first
                raise _missing("database")
        if 0 < done < schema.VERSION:
            for _ in chain.checked(chain.rows(self.db)):
                pass
        if done < schema.VERSION:
            schema.migrate(self.db, self.key.digest)
            anchor.advance(self.anchor, chain.head(self.db))
        digests = [entry.body["key"] for entry in chain.entries(self.db, account="", kind="schema")]
        if any(digest != self.key.digest for digest in digests):
            raise LedgerError("Expected the key that this ledger was written with, got another; restore the key file")

    def _require_anchored(self) -> None:
        known = anchor.read(self.anchor)
        if known is None:
            if chain.head(self.db).length:
                raise LedgerError("Expected the ledger's anchor file, got none; restore it from its backup")
            return
        chain.require_contains(self.db, known, "anchor.json")


@contextmanager
def readable() -> Iterator[None]:
    """SQLite's and the disk's errors as one clear line; the open transaction is already rolled back."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LedgerError(
            f"Expected a readable and writable ledger, got {type(error).__name__} ({reason}); nothing was released; "
            "check the disk and the folder's permissions, then run again",
            private_detail=str(error),
        ) from error


def _missing(what: str) -> LedgerError:
    return LedgerError(
        f"Expected the {what} of a ledger that was in use, got none; restore it from its backup: a new one would not "
        "contain what was spent"
    )


def _has_content(path: Path) -> bool:
    """Treat an empty file as missing: SQLite takes it for a new database, and interrupted copies leave one."""
    return path.exists() and path.stat().st_size > 0

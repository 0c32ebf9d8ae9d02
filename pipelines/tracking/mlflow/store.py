"""The local SQLite store: made in a temporary file and renamed when complete, by one process at a time.

MLflow makes a store by dozens of migrations that are not one transaction: when interrupted, they leave a database that
no later MLflow opens. Here they run on a temporary file in the same folder, so that the store is complete or absent.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy.exc import SQLAlchemyError

from pate.files import sync
from pipelines.tracking.destination import Destination
from pipelines.tracking.relocation import follow

LOCK = "setup.lock"
_VERSION = "alembic_version"
_OWN = frozenset({_VERSION, "sqlite_sequence", "experiments", "workspaces"})
"""Tables into which a set-up writes rows."""
_FAULTS = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another process",
    sqlite3.SQLITE_FULL: "has no room left on its disk",
    sqlite3.SQLITE_IOERR: "cannot be read or written by its disk",
    sqlite3.SQLITE_READONLY: "cannot be written",
    sqlite3.SQLITE_PERM: "cannot be written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore its file, or move it away for a new one",
    sqlite3.SQLITE_NOTADB: "is no SQLite database; move the file away for a new one",
}


class StoreFault(Exception):
    """The store cannot be used; the text gives the reason, without its path."""


def have_store(where: Destination, on_making: Callable[[bool], None] = lambda _: None) -> str | None:
    """Make sure that a local store exists, with the tables that this MLflow needs.

    Args:
        where: a local destination.
        on_making: called with ``True`` before tables are made, which takes seconds and should not be cut short, and
            ``False`` when the store is in place.

    Returns:
        A remark for the user, in public words, or ``None``.

    Raises:
        StoreFault: the file is neither a store of this MLflow nor the rest of an interrupted set-up.
    """
    folder, database = where.database.parent, where.database
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for rest in folder.glob(f".{database.name}.*.new*"):  # of a set-up that was killed
            rest.unlink()
        if database.exists() and _is_ready(database):
            _follow(where)
            return None
        aside = _set_aside(database) if database.exists() else None
        on_making(True)
        _make(where)
        on_making(False)
    if aside is None:
        return None
    return (
        f"{where.shown} had been left half-made by a set-up that was killed; it is kept as {aside.name}, a new one made"
    )


def _follow(where: Destination) -> None:
    try:
        follow(where)
    except sqlite3.Error as error:
        raise StoreFault(f"the local MLflow store {fault_of(error) or 'cannot be written'}") from error


def fault_of(error: BaseException) -> str | None:
    """Return the fault of the store's file, as a predicate; ``None`` for another kind of error."""
    seen: BaseException | None = error
    while seen is not None:
        cause = getattr(seen, "orig", None) or seen
        if isinstance(cause, sqlite3.Error):
            return _FAULTS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
        seen = seen.__cause__
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock for inspecting and making the store's file; it ends with the process."""
    with (folder / LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _is_ready(database: Path) -> bool:
    """Return ``True`` if every migration is done; ``False`` for the rest of a set-up that holds no data.

    Raises:
        StoreFault: it is any other file.
    """
    try:
        with closing(sqlite3.connect(database, timeout=20.0)) as db:
            tables = {str(name) for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = db.execute("SELECT version_num FROM alembic_version").fetchall() if _VERSION in tables else []
            if [row[0] for row in found] == [utils._get_latest_schema_revision()]:
                return True
            filled = {name for name in tables - _OWN if _has_rows(db, f'"{name}"')}
            used = filled or ("experiments" in tables and _has_rows(db, "experiments WHERE experiment_id <> 0"))
    except sqlite3.Error as error:
        raise StoreFault(f"the local MLflow store {fault_of(error) or 'cannot be read'}") from error
    if not tables <= _known_tables():
        raise StoreFault("the local MLflow store's file holds tables of another program; name another tracking.uri")
    if used:
        raise StoreFault(
            "the local MLflow store has the tables of another version of MLflow; keep a copy of it and run `mlflow db "
            "upgrade`, or use the MLflow that made it"
        )
    return False


def _has_rows(db: sqlite3.Connection, what: str) -> bool:
    return db.execute(f"SELECT 1 FROM {what} LIMIT 1").fetchone() is not None  # noqa: S608 - names that the database has


def _known_tables() -> set[str]:
    """Tables at any step of the set-up; a running migration has a copy of its table."""
    names = {*_OWN, *Base.metadata.tables, *InitialBase.metadata.tables}
    return names | {f"_alembic_tmp_{name}" for name in names}


def _set_aside(database: Path) -> Path:
    """Give a half-made store another name in its folder."""
    number = 1
    while (aside := database.with_name(f"{database.name}.half-made-{number}")).exists():
        number += 1
    database.rename(aside)
    for rest in ("-journal", "-wal", "-shm"):
        database.with_name(database.name + rest).unlink(missing_ok=True)
    return aside


def _make(where: Destination) -> None:
    """Run all migrations on a temporary file, and rename it to the store's name when they are done."""
    part = where.database.with_name(f".{where.database.name}.{os.getpid()}.new")
    artifacts = where.artifacts or where.database.parent / "artifacts"
    try:
        store = SqlAlchemyStore(f"sqlite:///{part}", artifacts.as_uri())
        store.engine.dispose()  # nothing of it is open when the file gets its name
    except (MlflowException, SQLAlchemyError, CommandError) as error:
        fault = fault_of(error) or f"could not be made ({type(error).__name__})"
        raise StoreFault(f"the local MLflow store {fault}") from error
    sync(part)
    part.replace(where.database)

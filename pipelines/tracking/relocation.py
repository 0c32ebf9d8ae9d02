"""Addresses of files in a local MLflow store, after its folder was moved or copied.

MLflow keeps the address of every folder of files as an absolute path. Those below the store's folder follow it, so that
a copy never reads or writes the original's files.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from pipelines.tracking.destination import Destination

_COLUMNS = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
_FIRST = "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
"""Where MLflow puts files of the experiment that it makes with the store: ``<artifacts>/0``."""


def follow(where: Destination) -> bool:
    """Let the addresses of a local store begin with the folder that it is in now.

    Returns:
        ``True`` if they began with another.

    Raises:
        sqlite3.Error: the store cannot be read or written.
    """
    if not where.local or where.artifacts is None or not where.database.is_file():
        return False
    now = where.artifacts.as_uri()
    with closing(sqlite3.connect(where.database, timeout=20.0)) as store:
        columns = {table: _columns(store, table) for table in _COLUMNS}
        found = store.execute(_FIRST).fetchone() if columns["experiments"] else None
        before = "" if found is None else str(found[0]).removesuffix("/0")
        if before == now or not (before.startswith("file:") and before.endswith(f"/{where.artifacts.name}")):
            return False
        with store:  # one transaction
            for table, names in columns.items():
                for name in names:
                    store.execute(
                        f"UPDATE {table} SET {name} = ? || substr({name}, ?) "  # noqa: S608 - names from above
                        f"WHERE {name} = ? OR substr({name}, 1, ?) = ?",
                        (now, len(before) + 1, before, len(before) + 1, f"{before}/"),
                    )
    return True


def _columns(store: sqlite3.Connection, table: str) -> list[str]:
    """Columns of addresses that a table has in this version of MLflow."""
    known = {str(row[1]) for row in store.execute(f"PRAGMA table_info({table})")}
    return [name for name in _COLUMNS[table] if name in known]

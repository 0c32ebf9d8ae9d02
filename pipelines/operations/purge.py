"""Removes a run's private artifacts once they are older than the days declared for them.

The removal is recorded in the ledger first: if the process dies in between, the next ``pate purge`` completes it.
Removing is unlinking; on a disk that keeps old blocks, encryption of the disk is what makes them unreadable.

Incidents and the log of native output are shared by the runs of a home, and may quote records of any run. Incidents are
removed by their age. Lines of the log have no dates, so it is emptied as a whole: when its newest line is past the
retention, or when anything else is removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from pate.errors import expected
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder

STAGES = ("partition", "teachers", "votes")
"""Private folders, each written by the stage of the same name; its marker is removed with them."""
INCIDENTS = "incidents"
NATIVE_OUTPUT = "native output"
DAY = 86_400.0


def purge(folder: RunFolder, base: Path, *, days: int | None, now: float | None = None) -> list[str]:
    """Remove artifacts that are past their retention.

    Args:
        folder: the run's folders.
        base: ``PATE_HOME``.
        days: retention; default: the configuration's ``privacy.retention_days``.
        now: seconds since 1970; default: the clock's.

    Returns:
        Names of the removed artifacts: ``partition``, ``teachers``, ``votes``, ``incidents``, ``native output``.

    Raises:
        InputError: no retention is declared, or another process works on the run.
    """
    days = days if days is not None else folder.settings()["privacy"].get("retention_days")
    if days is None:
        raise expected("a declared retention", "set privacy.retention_days or give --days", run=folder.run_id)
    limit = (time.time() if now is None else now) - days * DAY
    with folder.locked():
        old = [name for name in STAGES if _is_past(folder.private / name, limit)]
        incidents = [path for path in _incidents(folder, base) if path.stat().st_mtime < limit]
        removed = [*old, *([INCIDENTS] if incidents else [])]
        log = Home(base).native_log
        if log.is_file() and log.stat().st_size and (removed or log.stat().st_mtime < limit):
            removed.append(NATIVE_OUTPUT)
        if not removed:
            return []
        _record(folder, base, days, removed)
        for path in incidents:
            path.unlink(missing_ok=True)  # another purge may have removed it
        for name in old:
            folder.stages.forget(name)
            shutil.rmtree(folder.private / name)
        if NATIVE_OUTPUT in removed:
            os.truncate(log, 0)  # not unlinked: running processes keep writing to it
    return removed


def _record(folder: RunFolder, base: Path, days: int, removed: list[str]) -> None:
    with Home(base).ledger() as ledger:
        ledger.record_purge(folder.account(ledger), run=folder.run_id, retention_days=days, removed=removed)


def _is_past(folder: Path, limit: float) -> bool:
    """Return ``True`` if a folder exists and its newest file is older than the limit."""
    files = list(_files(folder))
    return folder.is_dir() and all(path.stat().st_mtime < limit for path in files)


def _incidents(folder: RunFolder, base: Path) -> list[Path]:
    """List the incidents of a run and those of its home."""
    return [*_files(folder.private / INCIDENTS), *_files(Home(base).private / INCIDENTS)]


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else ()

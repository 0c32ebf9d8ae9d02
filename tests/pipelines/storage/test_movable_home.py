"""A finished PATE_HOME that was copied or moved works in its new place, and the original stays as it is."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipelines.tracking.destination import Destination, destination
from pipelines.tracking.relocation import follow

pytestmark = pytest.mark.xdist_group("finished")


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def addresses(home: Path) -> set[str]:
    """Every text of MLflow's store that is the address of a file."""
    found: set[str] = set()
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as store:
        tables = [str(name) for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in store.execute(f"SELECT * FROM {table}"):
                found |= {value for value in row if isinstance(value, str) and "file://" in value}
    return found


@pytest.mark.slow
def test_a_copied_and_a_moved_home_work_and_leave_the_original_alone(
    finished: tuple[Any, dict[str, Any]], shells: Any, tmp_path: Path
) -> None:
    shell, summary = finished
    run_id, original = summary["run_id"], digest(shell.home)
    copy = shells(tmp_path / "a copy")
    shutil.copytree(shell.home, copy.home)
    tracking = copy.home / "runs" / run_id / "public" / "tracking"
    assert copy.json("sync", run_id)["delivered"] == 0, "the copied record of deliveries is that of the copied store"
    for cursor in tracking.glob("cursor-*.json"):
        cursor.unlink()
    assert copy.json("sync", run_id)["delivered"] > 0, "all is delivered again, files too"
    assert addresses(copy.home)
    assert all(text.startswith(copy.home.as_uri()) for text in addresses(copy.home))
    moved = shells(tmp_path / "moved")
    copy.home.rename(moved.home)
    assert moved.json("register", run_id, "--despite-alarms")["version"] == 1
    report = Path(moved.json("report", run_id)["report"])
    assert report.is_relative_to(moved.home)
    assert report.is_file()
    assert [row["run_id"] for row in moved.json("runs")] == [run_id]
    assert moved.json("ledger", "verify")["unbroken"]
    assert all(text.startswith(moved.home.as_uri()) for text in addresses(moved.home))
    assert digest(shell.home) == original


@pytest.mark.slow
def test_a_run_that_is_named_by_its_folder_is_delivered_to_its_own_home(
    finished: tuple[Any, dict[str, Any]], shells: Any, tmp_path: Path
) -> None:
    shell, summary = finished
    copy = tmp_path / "copy"
    shutil.copytree(shell.home, copy)
    other = shells(tmp_path / "other")
    assert other.json("sync", str(copy / "runs" / summary["run_id"]))["delivered"] == 0
    assert not (other.home / "mlflow").exists()
    assert all(text.startswith(copy.as_uri()) for text in addresses(copy))


def made(folder: Path, location: str) -> Destination:
    """A store with the tables of addresses alone."""
    where = destination(None, home=folder)
    where.database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(where.database)) as store, store:
        store.execute("CREATE TABLE experiments (experiment_id INTEGER, artifact_location TEXT)")
        store.execute("CREATE TABLE runs (artifact_uri TEXT)")
        store.executemany("INSERT INTO experiments VALUES (?, ?)", [(0, f"{location}/0"), (1, location)])
        store.executemany(
            "INSERT INTO runs VALUES (?)", [(f"{location}/r/artifacts",), (f"{location}-other/r",), ("s3://bucket/r",)]
        )
    return where


def test_addresses_below_the_store_follow_it_and_others_stay(tmp_path: Path) -> None:
    where = made(tmp_path / "new", "file:///old%20home/mlflow/artifacts")
    assert where.artifacts is not None
    assert follow(where)
    assert not follow(where), "once"
    now = where.artifacts.as_uri()
    with closing(sqlite3.connect(where.database)) as store:
        assert [row[0] for row in store.execute("SELECT artifact_location FROM experiments")] == [f"{now}/0", now]
        assert [row[0] for row in store.execute("SELECT artifact_uri FROM runs")] == [
            f"{now}/r/artifacts", "file:///old%20home/mlflow/artifacts-other/r", "s3://bucket/r",
        ]  # fmt: skip


@pytest.mark.parametrize("location", ["s3://bucket/artifacts", "file:///elsewhere/mlruns", "./mlruns"])
def test_a_store_whose_files_are_elsewhere_is_left_as_it_is(location: str, tmp_path: Path) -> None:
    where = made(tmp_path / "new", location)
    before = where.database.read_bytes()
    assert not follow(where)
    assert where.database.read_bytes() == before

"""The local store is there whole or not at all: makers killed at their work, several at once, what older ones left."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pate.values import Released
from pipelines.tracking.delivery import BackgroundDelivery, pending
from pipelines.tracking.destination import Destination, destination
from pipelines.tracking.mlflow.sink import MlflowClient, MlflowSink
from pipelines.tracking.tracker import Tracker

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
STEPS = 20
MOMENTS = (1, 60_000, 200_000, 400_000, 700_000)
"""Bytes that the file being made has when its maker is killed."""


@pytest.fixture
def where(tmp_path: Path) -> Destination:
    return destination(None, home=tmp_path / "home")


def record(public: Path) -> Path:
    with Tracker.open(public, run_id="run-1", insecure=False) as tracker:
        for step in range(STEPS):
            tracker.metrics(Released.public({"loss": float(step)}), step=step)
    return public


def stored(where: Destination) -> Counter[tuple[str, str, int, float]]:
    """Run, metric, step and value of every point in the store."""
    client: Any = MlflowClient(tracking_uri=where.uri, registry_uri=where.uri)
    points: Counter[tuple[str, str, int, float]] = Counter()
    for run in client.search_runs([client.get_experiment_by_name("pate").experiment_id]):
        for point in client.get_metric_history(run.info.run_id, "loss"):
            points[run.data.tags["pate.run_id"], "loss", point.step, point.value] += 1
    return points


COMPLETE = Counter({("run-1", "loss", step, float(step)): 1 for step in range(STEPS)})


def killed_at(public: Path, where: Destination, size: int) -> int:
    """Start a deliverer and kill it once the database that it makes has so many bytes; returns how many it had."""
    folder = where.database.parent
    background = BackgroundDelivery(public, where)
    end = time.monotonic() + 120
    while True:
        files = [path for path in folder.glob("*mlflow.db*") if not path.name.endswith(("-journal", "-wal", "-shm"))]
        files += [path for path in folder.glob(".*mlflow.db*") if path.name.endswith(".new")]
        found = max((path.stat().st_size for path in files if path.exists()), default=0)
        if found >= size or pending(public, where) == 0:
            break
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(background.process_id, signal.SIGKILL)
    background.finish()
    return found


@pytest.mark.slow
def test_a_deliverer_killed_while_it_makes_the_store_leaves_nothing_that_stops_the_next(
    tmp_path: Path, where: Destination
) -> None:
    public = record(tmp_path / "public")
    sizes = [killed_at(public, where, size) for size in MOMENTS]
    assert sum(size > 0 for size in sizes) >= 3, sizes
    with BackgroundDelivery(public, where) as background:
        done = background.finish()
    assert (done.pending, done.reason) == (0, None)
    assert stored(where) == COMPLETE
    assert not list(where.database.parent.glob(".mlflow.db*")), "what the killed ones left is gone"


@pytest.mark.slow
def test_the_maker_of_a_store_is_waited_for_and_not_killed(tmp_path: Path, where: Destination) -> None:
    """While a store is made, neither the end of the patience nor closing ends its maker."""
    public = record(tmp_path / "public")
    for end in ("close", "finish"):
        background = BackgroundDelivery(public, where)
        limit = time.monotonic() + 120
        while not list(where.database.parent.glob(".mlflow.db*.new")):
            assert time.monotonic() < limit
            time.sleep(0.002)
        if end == "close":
            background.close()
            assert where.database.exists(), "the maker came to its end"
            where.database.unlink()
        else:
            background.finish(timeout_s=0.01)
            assert where.database.exists()
    assert MlflowSink(where).deliver(public).pending == 0
    assert stored(where) == COMPLETE


def half_made(database: Path, empty_store: Path) -> None:
    """What an older pate, killed in its set-up, left: some tables, some migrations, nobody's rows."""
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(empty_store, database)
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        db.execute("DROP TABLE logged_models")


@pytest.mark.slow
@pytest.mark.parametrize("size", MOMENTS)
def test_what_a_killed_set_up_in_place_left_is_set_aside_and_made_anew(
    tmp_path: Path, where: Destination, size: int
) -> None:
    """An older pate let MLflow make its tables in the store's own file."""
    public = record(tmp_path / "public")
    where.database.parent.mkdir(parents=True)
    script = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1], sys.argv[1])"
    maker = subprocess.Popen([sys.executable, "-c", script, where.uri], stderr=subprocess.DEVNULL)
    while maker.poll() is None and not (where.database.exists() and where.database.stat().st_size >= size):
        time.sleep(0.001)
    maker.kill()
    maker.wait()
    done = MlflowSink(where).deliver(public)
    assert (done.pending, done.reason) == (0, None)
    assert (done.note is not None) == bool(list(where.database.parent.glob("*half-made*")))
    assert stored(where) == COMPLETE


def test_a_half_made_store_is_set_aside_made_anew_and_said(
    tmp_path: Path, where: Destination, empty_store: Path
) -> None:
    public = record(tmp_path / "public")
    half_made(where.database, empty_store)
    left = where.database.read_bytes()
    done = MlflowSink(where).deliver(public)
    assert (done.pending, done.reason) == (0, None)
    assert done.note is not None
    assert "half-made" in done.note
    assert where.database.with_name("mlflow.db.half-made-1").read_bytes() == left
    assert stored(where) == COMPLETE
    assert MlflowSink(where).deliver(public).note is None


@pytest.mark.parametrize("content", [b"", b"not a database, and long enough to be looked at" * 40])
def test_a_file_that_is_no_store_is_named_for_what_it_is(tmp_path: Path, where: Destination, content: bytes) -> None:
    public = record(tmp_path / "public")
    where.database.parent.mkdir(parents=True)
    where.database.write_bytes(content)
    done = MlflowSink(where).deliver(public)
    if content:
        assert done.pending == len(COMPLETE) + 2
        assert done.reason is not None
        assert "no SQLite database" in done.reason
        assert where.database.read_bytes() == content
    else:
        assert (done.pending, done.reason) == (0, None), "an empty file is the first moment of a set-up"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("CREATE TABLE patients (id INTEGER)", "tables of another program"),
        ("INSERT INTO registered_models (name) VALUES ('kept')", "another version of MLflow"),
        ("INSERT INTO experiments (experiment_id, name) VALUES (7, 'kept')", "another version of MLflow"),
    ],
)
def test_what_somebody_uses_is_neither_moved_nor_migrated(
    tmp_path: Path, where: Destination, empty_store: Path, change: str, words: str
) -> None:
    public = record(tmp_path / "public")
    half_made(where.database, empty_store)
    with closing(sqlite3.connect(where.database)) as db, db:
        db.execute(change)
    before = where.database.read_bytes()
    done = MlflowSink(where).deliver(public)
    assert done.reason is not None
    assert words in done.reason
    assert str(tmp_path) not in done.reason
    assert where.database.read_bytes() == before
    assert {path.name for path in where.database.parent.iterdir()} == {"mlflow.db", "setup.lock"}


def test_a_locked_store_is_said_to_be_locked(tmp_path: Path, where: Destination, empty_store: Path) -> None:
    from pipelines.tracking.mlflow.store import fault_of

    where.database.parent.mkdir(parents=True)
    shutil.copyfile(empty_store, where.database)
    with closing(sqlite3.connect(where.database)) as holder, closing(sqlite3.connect(where.database, timeout=0)) as db:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as found:
            db.execute("SELECT * FROM runs")
    assert fault_of(found.value) == "is locked by another process"


@pytest.mark.slow
def test_processes_that_start_at_once_make_one_store(tmp_path: Path, where: Destination) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from pipelines.tracking.destination import destination\n"
        "from pipelines.tracking.mlflow.sink import MlflowSink\n"
        "where = destination(None, home=Path(sys.argv[1]))\n"
        "done = MlflowSink(where).deliver(Path(sys.argv[2]))\n"
        "assert done.pending == 0 and done.note is None, done\n"
    )
    publics = []
    for number in range(3):
        publics.append(tmp_path / f"public-{number}")
        with Tracker.open(publics[-1], run_id=f"run-{number}", insecure=False) as tracker:
            tracker.metrics(Released.public({"loss": float(number)}))
    command = [sys.executable, "-c", script, str(tmp_path / "home")]
    started = [subprocess.Popen([*command, str(public)]) for public in publics]
    assert [process.wait(240) for process in started] == [0, 0, 0]
    assert stored(where) == Counter({(f"run-{n}", "loss", 0, float(n)): 1 for n in range(3)})

"""Private artifacts go when their days are over, and the ledger says so."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pate.errors import InputError
from pate.ledger import Account, PrivacyLedger
from pipelines.cli.app import run
from pipelines.operations.purge import DAY, purge
from pipelines.storage.home import NATIVE_LOG, Home
from pipelines.storage.incidents import write_incident
from pipelines.storage.run_folder import RunFolder

ACCOUNT = Account(name="ward", epsilon=1.0, delta=1e-5, accountant="gaussian", unit="patient")


@pytest.fixture
def store(tmp_path: Path) -> RunFolder:
    """A finished run of 40 days ago, with an incident of today."""
    ledger = PrivacyLedger(tmp_path / "ledger")
    ledger.register(ACCOUNT)
    ledger.close()
    store = RunFolder(tmp_path, "study-1")
    store.create()
    config = {"data": {"data_id": "ward"}, "privacy": {"retention_days": 30}}
    (store.public / "config.json").write_text(json.dumps(config))
    (store.public / "labels.json").write_text("released")
    for name in ("partition", "teachers", "votes"):
        path = store.private_folder(name) / "content"
        path.write_text("private")
        store.stages.complete(name, "inputs", [path], {"abstained": 3})
    path = store.public / "labels.json"
    store.stages.complete("labels", "inputs", [path], {})
    (store.private / "tracking.json").write_text("{}")
    write_incident(store.private, "old")
    long_ago = time.time() - 40 * DAY
    for path in store.path.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    write_incident(store.private, "new")
    return store


def rows(base: Path) -> list[dict[str, object]]:
    ledger = PrivacyLedger(base / "ledger")
    ledger.verify()
    found = [entry.body for entry in ledger.entries("ward") if entry.kind == "purge"]
    ledger.close()
    return found


def left(store: RunFolder) -> set[str]:
    return {str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file()}


def test_what_is_past_its_declared_days_is_removed_and_the_ledger_says_so(store: RunFolder, tmp_path: Path) -> None:
    assert purge(store, tmp_path, days=None) == ["partition", "teachers", "votes", "incidents"]
    (incident,) = (store.private / "incidents").iterdir()
    assert incident.read_text() == "new"
    assert left(store) == {
        "public/config.json", "public/labels.json", "private/stages/labels.json", "private/tracking.json",
        "private/lock", f"private/incidents/{incident.name}",
    }  # fmt: skip
    (row,) = rows(tmp_path)
    assert row == {
        "run": "study-1",
        "retention_days": 30,
        "removed": ["incidents", "partition", "teachers", "votes"],
    }
    assert purge(store, tmp_path, days=None) == []
    assert len(rows(tmp_path)) == 1


def test_incidents_of_the_home_go_when_their_days_are_over(store: RunFolder, tmp_path: Path) -> None:
    for name, days in (("old", 50), ("young", 40)):
        path = tmp_path / "private" / "incidents" / Home(tmp_path).incident(name)
        os.utime(path, (time.time() - days * DAY,) * 2)
    assert purge(store, tmp_path, days=45) == ["incidents"]
    assert [path.read_text() for path in (tmp_path / "private" / "incidents").iterdir()] == ["young"]
    assert purge(store, tmp_path, days=45) == []


def native_log(base: Path, days: float) -> Path:
    """A log of native output whose newest line is so many days old."""
    path = Home(base).private_folder() / NATIVE_LOG
    path.write_text("decoder: bad scan line 7 of anna.png")
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def test_native_output_goes_with_the_run_that_it_may_quote(store: RunFolder, tmp_path: Path) -> None:
    log = native_log(tmp_path, days=0)
    with log.open("a") as of_a_running_process:
        assert purge(store, tmp_path, days=None)[-1] == "native output"
        assert log.read_text() == ""
        of_a_running_process.write("later")
    assert log.read_text() == "later"
    assert "native output" in rows(tmp_path)[0]["removed"]
    assert purge(store, tmp_path, days=None) == []


def test_native_output_goes_when_its_days_are_over(store: RunFolder, tmp_path: Path) -> None:
    log = native_log(tmp_path, days=50)
    assert purge(store, tmp_path, days=45) == ["native output"]
    assert log.read_text() == ""
    assert purge(store, tmp_path, days=45) == []
    assert len(rows(tmp_path)) == 1


def test_native_output_stays_with_the_run(store: RunFolder, tmp_path: Path) -> None:
    log = native_log(tmp_path, days=42)
    assert purge(store, tmp_path, days=45) == []
    assert log.read_text()


def test_what_is_younger_stays(store: RunFolder, tmp_path: Path) -> None:
    before = left(store)
    assert purge(store, tmp_path, days=41) == []
    assert left(store) == before | {"private/lock"}
    assert rows(tmp_path) == []


def test_a_purge_that_was_interrupted_is_completed(store: RunFolder, tmp_path: Path) -> None:
    (store.private / "stages" / "votes.json").unlink()
    assert "votes" in purge(store, tmp_path, days=None)
    assert not (store.private / "votes").exists()


def test_a_run_at_work_is_not_purged(store: RunFolder, tmp_path: Path) -> None:
    with store.locked(), pytest.raises(InputError, match="another process"):
        purge(store, tmp_path, days=0)


def test_without_a_declared_retention_nothing_is_removed(
    store: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    config = {"data": {"data_id": "ward"}, "privacy": {}}
    (store.public / "config.json").write_text(json.dumps(config))
    before = left(store)
    assert run(["purge", "study-1"]) == 2
    assert "declared retention" in capsys.readouterr().err
    assert left(store) == before
    assert run(["purge", "study-1", "--days", "30"]) == 0
    assert capsys.readouterr().out == "study-1: partition, teachers, votes, incidents removed\n"

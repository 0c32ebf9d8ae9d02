from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pate.errors import PrivacyViolation
from pate.values import Released
from pipelines.tracking.delivery import BackgroundDelivery, Cursor, Delivery, pending, runs_page
from pipelines.tracking.destination import Destination, destination
from pipelines.tracking.outbox import Outbox
from pipelines.tracking.tracker import Tracker


@pytest.fixture
def where(tmp_path: Path) -> Destination:
    return destination(None, home=tmp_path / "home")


def _record(public: Path, count: int) -> None:
    with Tracker.open(public, run_id="run-1", insecure=False) as tracker:
        for step in range(count):
            tracker.metrics(Released.public({"loss": 1.0}), step=step)


def test_a_cursor_is_kept_per_destination(tmp_path: Path, where: Destination) -> None:
    other = destination("https://user:secret@tracking.invalid", home=tmp_path)
    _record(tmp_path, 3)
    Cursor(sequence=2, experiment_id="7", runs={"campaign": "a"}).write(tmp_path, where)
    assert Cursor.read(tmp_path, where).runs == {"campaign": "a"}
    assert Cursor.read(tmp_path, other) == Cursor()
    assert (pending(tmp_path, where), pending(tmp_path, other)) == (3, 5)
    Cursor(runs={"campaign": "b"}).write(tmp_path, other)
    assert [Cursor.read(tmp_path, one).runs["campaign"] for one in (where, other)] == ["a", "b"]
    assert Cursor.read(tmp_path / "elsewhere", where) == Cursor()
    assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "tracking").iterdir())


def test_the_page_of_runs_is_that_of_the_destinations_own_experiment(tmp_path: Path, where: Destination) -> None:
    assert runs_page(tmp_path, where) == ""
    publics = [tmp_path / "runs" / name / "public" for name in ("begun", "elsewhere", "here")]
    for public in publics:
        (public / "tracking").mkdir(parents=True)
    other = destination("https://tracking.invalid", home=tmp_path)
    Cursor(sequence=2, experiment_id="7").write(publics[1], other)
    assert runs_page(tmp_path, where) == ""
    Cursor(sequence=2, experiment_id="3").write(publics[2], where)
    assert runs_page(tmp_path, where) == "/#/experiments/3/runs?workflowType=machine_learning"


def test_a_run_is_delivered_while_it_goes_on_and_to_the_end(
    tmp_path: Path, where: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pipelines").mkdir()  # a folder of that name in the working folder is not the package
    monkeypatch.chdir(tmp_path / "work")
    public = tmp_path / "public"
    with BackgroundDelivery(public, where) as background:
        with Tracker.open(public, run_id="run-1", insecure=False) as tracker:
            tracker.metrics(Released.public({"loss": 1.0}))
            end = time.monotonic() + 60
            while Cursor.read(public, where).sequence < 2:
                background.nudge()
                assert time.monotonic() < end
                time.sleep(0.1)
        result = background.finish()
    assert (result.delivered, result.pending, result.reason) == (3, 0, None)
    assert set(result.runs) == {"campaign"}
    assert list((tmp_path / "work").iterdir()) == [tmp_path / "work" / "pipelines"]


@pytest.mark.slow
def test_a_process_that_dies_or_takes_too_long_leaves_everything_pending(tmp_path: Path, where: Destination) -> None:
    _record(tmp_path / "public", 3)
    background = BackgroundDelivery(tmp_path / "public", where)
    os.kill(background.process_id, signal.SIGKILL)
    dead = background.finish()
    late = BackgroundDelivery(tmp_path / "public", where).finish(timeout_s=0.05)
    nothing = Delivery(delivered=0, pending=5, reason=None, runs={})
    assert dead == replace(nothing, reason="the delivering process ended with SIGKILL")
    assert late == replace(nothing, reason="the delivering process took longer than 0.05 s")
    last = BackgroundDelivery(tmp_path / "public", where).finish()
    assert (last.delivered, last.pending) == (5, 0)


def test_the_process_ends_when_nobody_listens_any_more(tmp_path: Path, where: Destination) -> None:
    with BackgroundDelivery(tmp_path / "public", where) as background:
        process_id = background.process_id
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


@pytest.mark.slow
def test_a_refusal_in_the_process_is_raised_here(tmp_path: Path, where: Destination) -> None:
    outbox = Outbox(tmp_path / "tracking")
    outbox.append("status", "campaign", {"status": "RUNNING", "run_id": "run-1", "insecure": True})
    outbox.append("model", "campaign", {"folder": "student", "digest": "0", "card": {"insecure": False}})
    outbox.close()
    with BackgroundDelivery(tmp_path, where) as background, pytest.raises(PrivacyViolation, match="insecure"):
        background.finish()

"""``pate run`` killed eight times, in the middle of each stage, for real, and run again."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pate.ledger import PrivacyLedger

pytestmark = pytest.mark.slow

CONFIG = """
name: kill
data: {source: digits, data_id: digits, private: 600, pool: 300, evaluation: 200}
partition: {teachers: 30}
privacy: {epsilon: 500, delta: 1e-5}
teachers:
  model: {kind: mlp}
  training: {steps: 150}
  bundle_size: 3
  strategy: sequential
labelling:
  max_asked: 300
  batch_size: 1
  mechanism: {kind: gnmax, sigma: 4}
student:
  learner: supervised
  spec: {model: {kind: mlp}, train: {steps: 1500}, report_every: 100}
"""


def answers(home: Path) -> dict[bytes, int]:
    """Persisted answers, read the way an onlooker would."""
    path = home / "ledger" / "ledger.sqlite3"
    if not path.exists():
        return {}
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return dict(db.execute("SELECT query, answer FROM queries WHERE answer IS NOT NULL").fetchall())
    except sqlite3.OperationalError:
        return {}  # the tables are being made, or a killed process left a transaction that the next one rolls back
    finally:
        db.close()


def spent(home: Path) -> float:
    if not (home / "ledger" / "ledger.sqlite3").exists():
        return 0.0
    ledger = PrivacyLedger(home / "ledger")
    total = sum(ledger.spent(account.name).epsilon for account in ledger.accounts())
    ledger.close()
    return total


def kill_when(shell, config: Path, ready: Callable[[Path], bool]) -> None:
    """Start the run and kill it as soon as ``ready(run folder)``."""
    process = shell.start("run", str(config), "--quiet")
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        folders = list((shell.home / "runs").glob("kill-*")) if (shell.home / "runs").is_dir() else []
        if folders and ready(folders[0]):
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return
        time.sleep(0.005)
    process.kill()
    _, err = process.communicate()
    pytest.fail(f"the run ended before it could be killed: {err}")


def finished(folder: Path, stage: str) -> bool:
    return (folder / "private" / "stages" / f"{stage}.json").exists()


def in_teachers(folder: Path) -> bool:
    return any((folder / "private" / "teachers").glob("*.sha256"))


def late_in_teachers(folder: Path) -> bool:
    return len(list((folder / "private" / "teachers").glob("*.sha256"))) >= 6


def in_votes(folder: Path) -> bool:
    return finished(folder, "teachers")


def in_labels(folder: Path) -> bool:
    return finished(folder, "votes") and 20 < len(answers(folder.parents[1])) < 200


def late_in_labels(folder: Path) -> bool:
    return finished(folder, "votes") and 200 < len(answers(folder.parents[1])) < 290


def in_student(folder: Path) -> bool:
    return finished(folder, "labels") and not finished(folder, "student")


def in_evaluation(folder: Path) -> bool:
    return finished(folder, "student") and not finished(folder, "evaluation")


def in_benchmark(folder: Path) -> bool:
    return finished(folder, "evaluation") and not finished(folder, "benchmark")


KILLS = (
    in_teachers, late_in_teachers, in_votes, in_labels, late_in_labels, in_student, in_evaluation, in_benchmark
)  # fmt: skip


@pytest.mark.timeout(1800)
def test_a_run_killed_in_every_stage_completes_and_changes_nothing_it_released(shell, tmp_path: Path) -> None:
    config = tmp_path / "kill.yaml"
    config.write_text(CONFIG)
    charges, seen = [0.0], {}
    bundles: dict[str, bytes] = {}
    votes = None
    for ready in KILLS:
        kill_when(shell, config, ready)
        charges.append(spent(shell.home))
        now = answers(shell.home)
        assert seen.items() <= now.items(), f"an answer changed, killed {ready.__name__}"
        seen = now
        (folder,) = (shell.home / "runs").glob("kill-*")
        weights = {path.name: path.read_bytes() for path in (folder / "private" / "teachers").glob("*.safetensors")}
        assert all(weights[name] == content for name, content in bundles.items()), "a finished bundle was trained again"
        bundles = {
            name: weights[name] for name in weights if (folder / f"private/teachers/{name[:-12]}.sha256").exists()
        }
        path = folder / "private" / "votes" / "votes.npy"
        if finished(folder, "votes"):
            assert votes in (None, path.read_bytes())
            votes = path.read_bytes()
        if ready in (in_labels, late_in_labels):
            assert 0 < len(now) < 300, "killed in the middle of the labels"
            assert charges[-1] > 0, "charged in full before the first answer"
    summary = shell.json("run", str(config))
    assert (summary["asked"], summary["answered"]) == (300, 300)
    assert seen.items() <= answers(shell.home).items()
    charges.append(spent(shell.home))
    assert charges == sorted(charges)
    assert charges[-1] == charges[KILLS.index(in_labels) + 1] == pytest.approx(summary["epsilon"])
    print(f"{len(KILLS)} kills; charged after each: {charges[1:]}")
    rows = json.loads((folder / "public" / "labels.json").read_text())["answers"]
    assert len(rows) == 300
    ledger = PrivacyLedger(shell.home / "ledger")
    ledger.verify()
    ledger.close()


def test_interrupting_a_run_leaves_no_ray_behind(shell, tmp_path: Path) -> None:
    config = tmp_path / "kill.yaml"
    config.write_text(CONFIG)
    process = shell.start("run", str(config), "--quiet")
    deadline = time.monotonic() + 120
    while not list(Path("/tmp").glob(f"pate-ray-{process.pid}-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=200)  # a busy machine may first have to finish starting Ray
    assert process.returncode == 130
    assert not list(Path("/tmp").glob(f"pate-ray-{process.pid}-*"))
    left = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"pate-ray-{process.pid}-".encode() in _read(path)
    ]
    assert not left


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pate.errors import InputError, PrivacyViolation
from pate.public_sets import SHIPPED, PublicSource
from pate.values import BenchmarkOnly, Private, Released
from pipelines.tracking.outbox import Event, read_events
from pipelines.tracking.tracker import DatasetCard, ModelCard, Tracker

PUBLIC = Released.public
MARK, NAME = next(iter(SHIPPED.items()))
DIGITS = PublicSource(name=NAME, fingerprint=MARK)
POOL = DatasetCard(name="pool", fingerprint=DIGITS.fingerprint, source="scikit-learn digits", rows=9, context="pool")


def _card(*, insecure: bool = False) -> ModelCard:
    return ModelCard(
        name="digits",
        epsilon=2.0,
        delta=1e-5,
        privacy_unit="record",
        accountant="tight",
        benchmark="digits",
        insecure=insecure,
    )


def _events(folder: Path) -> list[Event]:
    return read_events(folder / "tracking")


def _record(folder: Path, *, upto: int = 5) -> None:
    """A run of five steps, interrupted after ``upto`` of them, that leaves no trace of how it ended."""
    tracker = Tracker.open(folder, run_id="run-1", insecure=False)
    tracker.params(PUBLIC({"sigma": 40.0, "model": {"name": "mlp"}}))
    labels = tracker.phase("labels")
    labels.dataset(PUBLIC(POOL))
    for step in range(upto):
        labels.metrics(PUBLIC({"epsilon": 0.5 * step}), step=step)
    if upto == 5:
        (folder / "report.txt").write_text("report")
        labels.artifact(PUBLIC("report.txt"))
        labels.__exit__(None, None, None)
        tracker.__exit__(None, None, None)
    tracker.close()


@pytest.mark.parametrize("kind", ["private", "benchmark", "bare"])
@pytest.mark.parametrize("method", ["params", "tags", "metrics", "dataset", "artifact", "model", "series"])
def test_only_released_values_are_recorded(tmp_path: Path, method: str, kind: str) -> None:
    content: Any = {"accuracy": 0.5}
    value = {"private": Private(content), "benchmark": BenchmarkOnly(content, DIGITS), "bare": content}[kind]
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        arguments = {"model": (PUBLIC("student"), value), "series": ("accuracy", value)}.get(method, (value,))
        with pytest.raises(PrivacyViolation, match="Released"):
            getattr(tracker, method)(*arguments)
    assert {event.kind for event in _events(tmp_path)} == {"status"}


@pytest.mark.slow
def test_mypy_refuses_what_is_not_released(tmp_path: Path) -> None:
    source = tmp_path / "exits.py"
    source.write_text(
        "from pate.values import Private, Released\nfrom pipelines.tracking.tracker import Tracker\n\n"
        "def leak(tracker: Tracker, plain: dict[str, float], wrapped: Released[dict[str, float]]) -> None:\n"
        "    tracker.metrics(wrapped)\n"
        "    tracker.metrics(plain)\n"
        "    tracker.metrics(Private(plain))\n"
        "    tracker.params(plain)\n"
        "    tracker.tags(Private(plain))\n"
        "    tracker.series('x', [1.0])\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--follow-imports=silent", str(source)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    lines = [int(line.split(":")[1]) for line in found.stdout.splitlines() if "error:" in line]
    assert lines == [6, 7, 8, 9, 10], found.stdout


def test_importing_the_tracker_imports_neither_mlflow_nor_torch_nor_ray() -> None:
    code = (
        "import sys, pipelines.tracking.tracker, pipelines.tracking.delivery, pipelines.tracking.destination\n"
        "print([m for m in ('mlflow', 'torch', 'ray') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("upto", range(5))
def test_a_resumed_run_records_nothing_twice(tmp_path: Path, upto: int) -> None:
    once, resumed = tmp_path / "once", tmp_path / "resumed"
    for folder in (once, resumed):
        folder.mkdir()
    _record(once)
    _record(resumed, upto=upto)
    _record(resumed)

    def said(folder: Path) -> Counter[str]:
        return Counter(f"{event.kind} {event.phase} {event.body}" for event in _events(folder))

    assert said(resumed) == said(once)
    assert max(said(once).values()) == 1
    _record(once)
    assert said(once) == said(resumed)


def test_how_a_phase_ended_is_recorded_and_a_second_attempt_reopens_it(tmp_path: Path) -> None:
    def attempt(error: BaseException | None) -> None:
        with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker, tracker.phase("labels"):
            if error is not None:
                raise error

    for error in (ValueError("a secret path"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            attempt(error)
    attempt(None)
    attempt(None)
    of_labels = [e.body["status"] for e in _events(tmp_path) if e.phase == "labels"]
    assert of_labels == ["RUNNING", "FAILED", "RUNNING", "KILLED", "RUNNING", "FINISHED"]
    assert "secret" not in (tmp_path / "tracking" / "outbox.jsonl").read_text()


def test_a_parameter_stays_and_a_tag_moves(tmp_path: Path) -> None:
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        for _ in range(2):
            tracker.params(PUBLIC({"sigma": 40.0}))
            tracker.tags(PUBLIC({"device": "cpu"}))
        tracker.tags(PUBLIC({"device": "cuda"}))
        with pytest.raises(InputError, match="recorded before"):
            tracker.params(PUBLIC({"sigma": 41.0}))
    assert [e.kind for e in _events(tmp_path)] == ["status", "params", "tags", "tags", "status"]


def test_metrics_take_any_real_number_and_nothing_else(tmp_path: Path) -> None:
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        tracker.metrics(PUBLIC({"a": np.float32(0.5), "b": np.int64(3), "c": math.inf, "d": math.nan}))
        tracker.series("curve", PUBLIC([0.0, 1.5]), first_step=7)
        with pytest.raises(InputError, match="real number"):
            tracker.metrics(PUBLIC({"a": "0.5"}), step=1)  # type: ignore[type-var]
    first, second = (e.body["points"] for e in _events(tmp_path) if e.kind == "metrics")
    assert first == [["a", 0, 0.5], ["b", 0, 3.0], ["c", 0, "inf"], ["d", 0, "nan"]]
    assert second == [["curve", 7, 0.0], ["curve", 8, 1.5]]


@pytest.mark.parametrize("path", ["../private/votes", "/etc/passwd", "link", "."])
def test_a_path_out_of_the_public_folder_is_refused(tmp_path: Path, path: str) -> None:
    public = tmp_path / "public"
    public.mkdir()
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "votes").write_text("votes")
    (public / "link").symlink_to(tmp_path / "private" / "votes")
    with Tracker.open(public, run_id="run-1", insecure=False) as tracker:
        with pytest.raises(PrivacyViolation, match="public folder"):
            tracker.artifact(PUBLIC(path))
        with pytest.raises(PrivacyViolation, match="public folder"):
            tracker.model(PUBLIC(path), PUBLIC(_card()))


def test_an_artifact_that_changed_is_recorded_again(tmp_path: Path) -> None:
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        with pytest.raises(InputError, match="a file"):
            tracker.artifact(PUBLIC("report.txt"))
        for text in ("one", "one", "two"):
            (tmp_path / "report.txt").write_text(text)
            tracker.artifact(PUBLIC(Path("report.txt")))
    assert [e.kind for e in _events(tmp_path)].count("artifact") == 2


@pytest.mark.parametrize(("run", "model"), [(True, False), (False, True), (True, True)])
def test_a_model_from_seeded_noise_is_refused(tmp_path: Path, *, run: bool, model: bool) -> None:
    with (
        Tracker.open(tmp_path, run_id="run-1", insecure=run) as tracker,
        pytest.raises(PrivacyViolation, match="insecure"),
    ):
        tracker.model(PUBLIC("student"), PUBLIC(_card(insecure=model)))


def test_nothing_is_recorded_after_the_end(tmp_path: Path) -> None:
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        labels = tracker.phase("labels")
    with pytest.raises(InputError, match="not ended"):
        labels.metrics(PUBLIC({"late": 1.0}))
    assert [e.kind for e in _events(tmp_path)] == ["status"] * 3


def test_a_folder_belongs_to_one_run_with_one_kind_of_noise(tmp_path: Path) -> None:
    Tracker.open(tmp_path, run_id="run-1", insecure=True).close()
    for run_id, insecure in (("run-2", True), ("run-1", False)):
        with pytest.raises(InputError, match="run-1"):
            Tracker.open(tmp_path, run_id=run_id, insecure=insecure)


@pytest.mark.parametrize("name", ["campaign", "", "a b", "../x", "a'"])
def test_phase_names_that_would_not_do_are_refused(tmp_path: Path, name: str) -> None:
    with Tracker.open(tmp_path, run_id="run-1", insecure=False) as tracker:
        with pytest.raises(InputError):
            tracker.phase(name)
        with pytest.raises(InputError, match="one level"):
            tracker.phase("labels").phase("deeper")

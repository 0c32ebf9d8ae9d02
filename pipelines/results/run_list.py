"""The runs in ``PATE_HOME``, one row each, read from their public files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.outbox import OUTBOX_FILE
from pipelines.tracking.tracker import TRACKING_FOLDER

STAGES = (
    "partition", "features", "queries", "teachers", "votes", "labels", "student", "evaluation", "benchmark", "report",
)  # fmt: skip
"""In the order in which a run finishes them."""
FINISHED = "finished"
UNREADABLE = "unreadable"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as a list shows it.

    Attributes:
        run_id: its name.
        config: name of its configuration.
        seed: of the run.
        state: ``finished``, the last stage that it finished, ``begun``, or ``unreadable``.
        epsilon: of the released labels; ``None`` before its end.
        delta: likewise.
        unit: that the bound protects.
        secure_noise: ``False`` where noise was seeded, so that there is no guarantee.
        accuracy: of the student; ``None`` before its end.
        started: when it began, ISO 8601 in UTC.
    """

    run_id: str
    config: str | None
    seed: int | None
    state: str
    epsilon: float | None = None
    delta: float | None = None
    unit: str | None = None
    secure_noise: bool | None = None
    accuracy: float | None = None
    started: str | None = None


def run_rows(home: Home) -> list[RunRow]:
    """Every run that was begun, the newest last."""
    return sorted((_row(folder) for folder in home.runs()), key=lambda row: (row.started or "", row.run_id))


def _row(folder: RunFolder) -> RunRow:
    started = _started(folder)
    try:
        settings = json.loads(folder.settings_file.read_text()) if folder.settings_file.exists() else {}
        name: dict[str, Any] = {"run_id": folder.run_id, "config": settings.get("name"), "seed": settings.get("seed")}
        if not folder.summary_file.exists():
            return RunRow(**name, state=_stage(folder), started=started)
        facts: Mapping[str, Any] = json.loads(folder.summary_file.read_text())
        cost = {key: facts[key] for key in ("epsilon", "delta", "unit", "secure_noise")}
        return RunRow(**name, **cost, state=FINISHED, accuracy=facts.get("student_accuracy"), started=started)
    except (OSError, ValueError, KeyError, AttributeError):
        return RunRow(run_id=folder.run_id, config=None, seed=None, state=UNREADABLE, started=started)


def _stage(folder: RunFolder) -> str:
    """Last stage in the order of the run that is finished."""
    done = [name for name in STAGES if folder.stages.was_finished(name)]
    return done[-1] if done else "begun"


def _started(folder: RunFolder) -> str | None:
    """Time of the first recorded event."""
    with suppress(OSError, ValueError, KeyError), (folder.public / TRACKING_FOLDER / OUTBOX_FILE).open() as file:
        milliseconds = json.loads(file.readline())["timestamp_ms"]
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    return None

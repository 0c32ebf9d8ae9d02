"""Stages: work that is done once, identified by a name and the hash of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pate.files import content_hash
from pipelines.progress import Progress
from pipelines.storage.run_folder import RunFolder


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The outcome of a stage: files below the run's folder, a small note for later stages, one line for the terminal.

    The line is public: it may hold configuration, released values and counts of work, nothing private.
    """

    outputs: list[Path]
    note: Mapping[str, Any]
    line: str


def run_stage(
    folder: RunFolder, name: str, inputs: Mapping[str, Any], work: Callable[[], Done], progress: Progress
) -> dict[str, Any]:
    """Run a stage, or skip it if it was finished with the same inputs.

    Args:
        folder: the run's folder.
        name: of the stage.
        inputs: plain JSON that determines the outputs; kept as a hash.
        work: runs the stage; called at most once.
        progress: receives the stage's line.

    Returns:
        The stage's note.
    """
    digest = content_hash(dict(inputs))
    note = folder.stages.finished(name, digest)
    if note is not None:
        progress.line(name, "finished before")
        return note
    done = work()
    folder.stages.complete(name, digest, done.outputs, done.note)
    progress.line(name, done.line)
    return dict(done.note)

"""Markers of a run's finished stages.

A stage is finished when its marker exists; the marker is written last, atomically, and holds the hashes of the stage's
inputs and of each output.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from pate.errors import InputError, expected
from pate.files import bytes_hash, file_hash, write_atomically


@final
class StageMarkers:
    """The markers of one run.

    Args:
        path: the run's folder; its name is the run id.
        folder: where markers are kept, on the private side; made if it is not there.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder, self._run = path, folder, path.name

    def note(self, stage: str) -> dict[str, Any]:
        """The note of a finished stage.

        Raises:
            InputError: it is not finished.
        """
        if not self.was_finished(stage):
            raise expected(f"a run with finished stage {stage!r}", "finish it with `pate run`", run=self._run)
        note: dict[str, Any] = json.loads(self._marker(stage).read_text())["note"]
        return note

    def forget(self, stage: str) -> None:
        """Remove a stage's marker, so that it counts as unfinished."""
        self._marker(stage).unlink(missing_ok=True)

    def was_finished(self, stage: str) -> bool:
        """True if a stage was ever finished, with any inputs."""
        return self._marker(stage).exists()

    def finished(self, stage: str, inputs: str) -> dict[str, Any] | None:
        """The note of a finished stage, or ``None`` if it is still to be done.

        Args:
            stage: its name.
            inputs: hash of its inputs.

        Raises:
            InputError: it was finished with other inputs, or an output was altered.
        """
        marker = self._marker(stage)
        if not marker.exists():
            return None
        content = json.loads(marker.read_text())
        if content["inputs"] != inputs:
            raise InputError(
                f"Expected the inputs of stage {stage!r} of run {self._run} as when it was finished, got others; the "
                "data or the software changed since: use another name or seed in the configuration"
            )
        return self.unaltered(stage)

    def unaltered(self, stage: str) -> dict[str, Any] | None:
        """The note of a finished stage, with any inputs, or ``None`` if it is not finished.

        Raises:
            InputError: an output was altered.
        """
        marker = self._marker(stage)
        if not marker.exists():
            return None
        content = json.loads(marker.read_text())
        for name, digests in content["outputs"].items():
            path = self._path / name
            if not path.exists() or file_hash(path) not in digests.split():
                raise InputError(
                    f"Expected the outputs of stage {stage!r} of run {self._run} as they were written, got at least "
                    "one that is missing or altered; restore the run's folder",
                    private_detail=str(path),
                )
        note: dict[str, Any] = content["note"]
        return note

    def complete(self, stage: str, inputs: str, outputs: list[Path], note: Mapping[str, Any]) -> None:
        """Mark a stage as finished.

        Args:
            stage: its name.
            inputs: hash of its inputs.
            outputs: files it wrote, below the run's folder.
            note: small plain JSON that later stages need; kept on the private side.
        """
        self._folder.mkdir(exist_ok=True, mode=0o700)
        hashes = {str(path.relative_to(self._path)): file_hash(path) for path in outputs}
        content = {"stage": stage, "inputs": inputs, "outputs": hashes, "note": dict(note)}
        write_atomically(self._marker(stage), json.dumps(content, indent=1))

    def rewrite(self, stage: str, files: Mapping[Path, str]) -> None:
        """Replace outputs of a finished stage; if interrupted, each of them is old or new, and the stage finished.

        Args:
            stage: its name.
            files: outputs that it wrote, below the run's folder, and their new content.
        """
        marker = self._marker(stage)
        content = json.loads(marker.read_text())
        before: dict[str, str] = content["outputs"]
        after = {str(path.relative_to(self._path)): bytes_hash(text.encode()) for path, text in files.items()}
        either = {name: f"{before[name]} {digest}" for name, digest in after.items()}
        write_atomically(marker, json.dumps({**content, "outputs": {**before, **either}}, indent=1))
        for path, text in files.items():
            write_atomically(path, text)
        write_atomically(marker, json.dumps({**content, "outputs": {**before, **after}}, indent=1))

    def _marker(self, stage: str) -> Path:
        return self._folder / f"{stage}.json"

"""Where a run lies on disk: private and public folders, finished stages, incidents.

``PATE_HOME`` (default ``./.pate``) holds ``ledger/``, ``runs/<run_id>/private`` (mode 0700),
``runs/<run_id>/public`` and ``mlflow/``. A stage is finished when its marker is there; the marker is written
last, atomically, and names the hash of the stage's inputs and of each output.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from pate.errors import InputError, Unavailable, expected
from pate.files import file_hash, write_atomically


def home() -> Path:
    """``PATE_HOME``, absolute."""
    return Path(os.environ.get("PATE_HOME", ".pate")).absolute()


@final
class RunStore:
    """The folders of one run.

    Args:
        base: ``PATE_HOME``.
        run_id: the run's name.
    """

    def __init__(self, base: Path, run_id: str) -> None:
        self.run_id = run_id
        self.folder = base / "runs" / run_id
        self.private = self.folder / "private"
        self.public = self.folder / "public"

    def create(self) -> None:
        """Make the folders; the private one is for its owner alone.

        Raises:
            Unavailable: they cannot be made.
        """
        try:
            self.private.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.private.chmod(0o700)
            self.public.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"Expected PATE_HOME to be a folder that can be written, got {error.strerror}; give write access, or "
                "set PATE_HOME"
            ) from error

    def exists(self) -> bool:
        """Whether the run was ever begun."""
        return self.private.is_dir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process.

        Raises:
            InputError: another process is working on it.
        """
        with (self.private / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(
                    f"Expected run {self.run_id} to be free, got one that another process works on; wait for it"
                ) from error
            yield

    def private_folder(self, name: str) -> Path:
        """A folder on the private side, made if it is not there."""
        folder = self.private / name
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder

    def public_folder(self, name: str) -> Path:
        """A folder on the public side, made if it is not there."""
        folder = self.public / name
        folder.mkdir(exist_ok=True)
        return folder

    def finished(self, stage: str, inputs: str) -> dict[str, Any] | None:
        """What a finished stage noted, or ``None`` if it is still to be done.

        Args:
            stage: its name.
            inputs: hash of its inputs.

        Raises:
            InputError: it was finished with other inputs, or an output is no longer what it wrote.
        """
        marker = self._marker(stage)
        if not marker.exists():
            return None
        content = json.loads(marker.read_text())
        if content["inputs"] != inputs:
            raise InputError(
                f"Expected the inputs of stage {stage!r} of run {self.run_id} as when it was finished, got others; the "
                "data or the software changed since: use another name or seed in the configuration"
            )
        return self.unaltered(stage)

    def unaltered(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage noted, whatever its inputs were, or ``None`` if it is still to be done.

        Raises:
            InputError: an output is no longer what it wrote.
        """
        marker = self._marker(stage)
        if not marker.exists():
            return None
        content = json.loads(marker.read_text())
        for name, digests in content["outputs"].items():
            path = self.folder / name
            if not path.exists() or file_hash(path) not in digests.split():
                raise InputError(
                    f"Expected the outputs of stage {stage!r} of run {self.run_id} as they were written, got at least "
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
        hashes = {str(path.relative_to(self.folder)): file_hash(path) for path in outputs}
        content = {"stage": stage, "inputs": inputs, "outputs": hashes, "note": dict(note)}
        write_atomically(self._marker(stage), json.dumps(content, indent=1))

    def rewrite(self, stage: str, files: Mapping[Path, str]) -> None:
        """Replace outputs of a finished stage; cut short, it leaves each of them old or new, and the stage finished.

        Args:
            stage: its name.
            files: outputs that it wrote, below the run's folder, and what is to stand in them.
        """
        marker = self._marker(stage)
        content = json.loads(marker.read_text())
        before: dict[str, str] = content["outputs"]
        after = {
            str(path.relative_to(self.folder)): hashlib.sha256(text.encode()).hexdigest()
            for path, text in files.items()
        }
        either = {name: f"{before[name]} {digest}" for name, digest in after.items()}
        write_atomically(marker, json.dumps({**content, "outputs": {**before, **either}}, indent=1))
        for path, text in files.items():
            write_atomically(path, text)
        write_atomically(marker, json.dumps({**content, "outputs": {**before, **after}}, indent=1))

    def _marker(self, stage: str) -> Path:
        return self.private_folder("stages") / f"{stage}.json"


def find_run(base: Path, run: str) -> RunStore:
    """The run that a command line names: by id, by folder, or by MLflow run id.

    Raises:
        InputError: there is no such run.
    """
    runs = base / "runs"
    if (Path(run) / "private").is_dir():
        return RunStore(Path(run).absolute().parent.parent, Path(run).absolute().name)
    if "/" not in run and (runs / run / "private").is_dir():
        return RunStore(base, run)
    for path in sorted(runs.glob("*/public/tracking/mlflow_run_id")) if runs.is_dir() else []:
        if path.read_text().strip() == run:
            return RunStore(base, path.parents[2].name)
    known = sorted(path.name for path in runs.iterdir()) if runs.is_dir() else []
    raise expected("a run id, a run's folder or an MLflow run id", f"known runs: {', '.join(known) or 'none'}", run=run)


def write_incident(folder: Path, text: str) -> str:
    """Keep the private side of an error; returns the incident's id.

    Args:
        folder: a private folder; incidents lie in ``incidents`` below it.
        text: what happened, with everything that may not be shown in public.
    """
    incidents = folder / "incidents"
    incidents.mkdir(parents=True, exist_ok=True, mode=0o700)
    incident = secrets.token_hex(4)
    descriptor = os.open(incidents / incident, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return incident

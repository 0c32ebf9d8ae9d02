"""The files of a run: the private and the public folder, and the markers of finished stages.

``runs/<run_id>/private`` (mode 0700) and ``runs/<run_id>/public`` lie below ``PATE_HOME``. A stage is finished when its
marker is there; the marker is written last, atomically, and names the hash of the stage's inputs and of each output.
Every file name of a run is a property here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from pate.errors import InputError, Unavailable, expected
from pate.files import file_hash, write_atomically
from pate.ledger import PrivacyLedger


@final
class RunFolder:
    """The folders and files of one run.

    Args:
        base: ``PATE_HOME``.
        run_id: the run's name.
    """

    def __init__(self, base: Path, run_id: str) -> None:
        self.run_id = run_id
        self.path = base / "runs" / run_id
        self.private = self.path / "private"
        self.public = self.path / "public"

    # Public files.

    @property
    def settings_file(self) -> Path:
        """The configuration without addresses, as JSON."""
        return self.public / "config.json"

    @property
    def queries_file(self) -> Path:
        """Positions in the pool of the inputs to ask."""
        return self.public / "queries.json"

    @property
    def labels_file(self) -> Path:
        """The released labels."""
        return self.public / "labels.json"

    @property
    def evaluation_file(self) -> Path:
        """Metrics of the student on the public evaluation set."""
        return self.public / "evaluation.json"

    @property
    def summary_file(self) -> Path:
        """The public facts of a finished run."""
        return self.public / "summary.json"

    @property
    def report_html(self) -> Path:
        """The privacy report for people."""
        return self.public / "report.html"

    @property
    def report_json(self) -> Path:
        """The privacy report for programs."""
        return self.public / "report.json"

    @property
    def model_card(self) -> Path:
        """The student's model card, in Markdown."""
        return self.public / "model_card.md"

    @property
    def student(self) -> Path:
        """The folder of the exported student; it need not exist."""
        return self.public / "student"

    @property
    def encoder_file(self) -> Path:
        """The encoder made from the public pool."""
        return self.public / "features" / "encoder.safetensors"

    @property
    def mlflow_run_file(self) -> Path:
        """The MLflow run id of the campaign, once it was delivered."""
        return self.public / "tracking" / "mlflow_run_id"

    # Private files.

    @property
    def records_file(self) -> Path:
        """The fingerprint of the private records that the run began with."""
        return self.private / "records.txt"

    @property
    def tracking_settings_file(self) -> Path:
        """The ``tracking`` section of the configuration: its addresses are private."""
        return self.private / "tracking.json"

    @property
    def manifest_file(self) -> Path:
        """The manifest of the partition: records of each teacher or site, by hash."""
        return self.private / "partition" / "manifest.json"

    @property
    def teachers(self) -> Path:
        """The folder of the roster and of teachers' weights; it need not exist."""
        return self.private / "teachers"

    @property
    def votes_file(self) -> Path:
        """The votes on the inputs that were asked."""
        return self.private / "votes" / "votes.npy"

    @property
    def evaluation_votes_file(self) -> Path:
        """On a public benchmark, the votes on the evaluation set."""
        return self.private / "votes" / "evaluation.npy"

    @property
    def benchmark_file(self) -> Path:
        """On a public benchmark, metrics that need the truth (``BenchmarkOnly``)."""
        return self.private / "benchmark.json"

    def settings(self) -> dict[str, Any]:
        """The configuration that the run recorded, by section.

        Raises:
            InputError: the run has recorded none yet.
        """
        try:
            found: dict[str, Any] = json.loads(self.settings_file.read_text())
        except OSError as error:
            raise InputError(
                f"Expected a run with its configuration, got {self.run_id} without; begin it with `pate run`"
            ) from error
        return found

    def mlflow_run(self) -> str | None:
        """The MLflow run id of the campaign, or ``None`` before it was delivered."""
        return self.mlflow_run_file.read_text().strip() if self.mlflow_run_file.exists() else None

    def account(self, ledger: PrivacyLedger) -> str:
        """The ledger's account that pays: that of the data, or on a public benchmark the run's own simulated one."""
        data_id = str(self.settings()["data"]["data_id"])
        simulated = simulated_account(data_id, self.run_id)
        return simulated if any(account.name == simulated for account in ledger.accounts()) else data_id

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
        """Whether the run was ever was_finished."""
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

    def made(self, path: Path) -> Path:
        """A file's path, with its folder made if it is not there: on the private side for its owner alone."""
        path.parent.mkdir(exist_ok=True, mode=0o700 if path.is_relative_to(self.private) else 0o777)
        return path

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

    def note(self, stage: str) -> dict[str, Any]:
        """The note of a finished stage.

        Raises:
            InputError: it is still to be done.
        """
        if not self.was_finished(stage):
            raise expected(f"a run with finished stage {stage!r}", "finish it with `pate run`", run=self.run_id)
        note: dict[str, Any] = json.loads(self._marker(stage).read_text())["note"]
        return note

    def forget(self, stage: str) -> None:
        """Remove a stage's marker, so that it counts as not done."""
        self._marker(stage).unlink(missing_ok=True)

    def was_finished(self, stage: str) -> bool:
        """True if a stage was ever finished, whatever its inputs were."""
        return self._marker(stage).exists()

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
            path = self.path / name
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
        hashes = {str(path.relative_to(self.path)): file_hash(path) for path in outputs}
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
            str(path.relative_to(self.path)): hashlib.sha256(text.encode()).hexdigest() for path, text in files.items()
        }
        either = {name: f"{before[name]} {digest}" for name, digest in after.items()}
        write_atomically(marker, json.dumps({**content, "outputs": {**before, **either}}, indent=1))
        for path, text in files.items():
            write_atomically(path, text)
        write_atomically(marker, json.dumps({**content, "outputs": {**before, **after}}, indent=1))

    def _marker(self, stage: str) -> Path:
        return self.private_folder("stages") / f"{stage}.json"


def simulated_account(data_id: str, run_id: str) -> str:
    """The account that pays for a run on a public benchmark."""
    return f"{data_id}@{run_id}"

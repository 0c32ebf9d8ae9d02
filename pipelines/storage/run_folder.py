"""The files of a run: ``runs/<run_id>/private`` (mode 0700) and ``runs/<run_id>/public`` below ``PATE_HOME``.

Every file name of a run is a property here.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pate.errors import InputError, Unavailable
from pipelines.storage.stage_markers import StageMarkers

if TYPE_CHECKING:
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
        self.base = base
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
        """Positions of the queries in the pool."""
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
        """On a public benchmark, metrics that need true labels (``BenchmarkOnly``)."""
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
        """True if the run was ever begun."""
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
        """A file's path; its folder is made if missing: on the private side for its owner alone."""
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

    @property
    def stages(self) -> StageMarkers:
        """The markers of finished stages."""
        return StageMarkers(self.path, self.private / "stages")


def simulated_account(data_id: str, run_id: str) -> str:
    """The account that pays for a run on a public benchmark."""
    return f"{data_id}@{run_id}"

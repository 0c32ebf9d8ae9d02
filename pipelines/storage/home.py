"""``PATE_HOME``: the ledger, the runs, MLflow's store and the private incidents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from pate.errors import expected
from pipelines.storage.incidents import write_incident
from pipelines.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from pate.ledger import PrivacyLedger


NATIVE_LOG = "native.log"
"""Output and crash traces of native code; in the private folder of ``PATE_HOME``."""


def home() -> Path:
    """``PATE_HOME`` (default ``./.pate``), absolute."""
    return Path(os.environ.get("PATE_HOME", ".pate")).absolute()


@final
@dataclass(frozen=True, slots=True)
class Home:
    """The folders below ``PATE_HOME``.

    Attributes:
        path: the folder itself.
    """

    path: Path

    @property
    def ledger_folder(self) -> Path:
        """The folder of the ledger; it need not exist."""
        return self.path / "ledger"

    @property
    def has_ledger(self) -> bool:
        """True if a ledger was begun here."""
        return (self.ledger_folder / "ledger.sqlite3").exists()

    def ledger(self) -> PrivacyLedger:
        """The ledger, opened; a context manager."""
        from pate.ledger import PrivacyLedger  # noqa: PLC0415 - loads numpy and scipy, which a folder's path needs not

        return PrivacyLedger(self.ledger_folder)

    @property
    def data_folder(self) -> Path:
        """The folder of downloaded public sets; it need not exist."""
        return self.path / "data"

    @property
    def mlflow_folder(self) -> Path:
        """The folder of MLflow's local store; it need not exist."""
        return self.path / "mlflow"

    def sweep(self, run_id: str) -> Path:
        """The public folder of a sweep's record; it need not exist."""
        return self.path / "sweeps" / run_id / "public"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, begun or not."""
        return RunFolder(self.path, run_id)

    def runs(self) -> Iterator[RunFolder]:
        """Every run that was begun, by name."""
        folder = self.path / "runs"
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.is_dir():
                yield RunFolder(self.path, path.name)

    def find(self, run: str) -> RunFolder:
        """The run that a command line names: by id, by folder, or by MLflow run id.

        Raises:
            InputError: there is no such run.
        """
        if (Path(run) / "private").is_dir():
            return RunFolder(Path(run).absolute().parent.parent, Path(run).absolute().name)
        known = list(self.runs())
        for found in known:
            if run in {found.run_id, found.mlflow_run()}:
                return found
        names = ", ".join(found.run_id for found in known) or "none"
        raise expected("a run id, a run's folder or an MLflow run id", f"known runs: {names}", run=run)

    @property
    def native_log(self) -> Path:
        """The log of native output, which all processes share; it need not exist."""
        return self.private / NATIVE_LOG

    @property
    def private(self) -> Path:
        """The folder of incidents of no run; it need not exist."""
        return self.path / "private"

    def private_folder(self) -> Path:
        """The folder of incidents of no run, for its owner alone; made if it is not there."""
        folder = self.private
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        return folder

    def incident(self, text: str) -> str:
        """Keep the private side of an error; returns the incident's id."""
        return write_incident(self.private_folder(), text)

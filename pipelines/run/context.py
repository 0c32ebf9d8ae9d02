"""The context of a run: shared by all stages, and the records made before the first stage."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, final

from pate.data import Study
from pate.defaults import VERSION
from pate.errors import RecordsRefused
from pate.features import PackedEncoder
from pate.files import write_atomically
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.data.fingerprints import fingerprint_with_positions, fingerprints
from pipelines.progress import Progress
from pipelines.run.stages import Done, run_stage
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.cards import without_long
from pipelines.tracking.destination import Destination
from pipelines.tracking.source import source_tags
from pipelines.tracking.tracker import DatasetCard, Tracker

PACKAGES = ("torch", "torchvision", "ray", "mlflow", "numpy", "scipy", "opendp")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that the stages of one run share."""

    config: Config
    home: Home
    folder: RunFolder
    study: Study
    tracker: Tracker
    progress: Progress
    where: Destination
    encoder: PackedEncoder | None = None

    def stage(self, name: str, work: Callable[[], Done]) -> dict[str, Any]:
        """Run a stage once; its inputs are the configuration and the data."""
        inputs = {"config": self.config.digest(), **fingerprints(self.study)}
        return run_stage(self.folder, name, inputs, work, self.progress)

    @property
    def teachers_encoder(self) -> PackedEncoder | None:
        """The encoder applied to teachers' inputs; ``None``: they see the inputs themselves."""
        return self.encoder if self.config.teachers.see == "features" else None

    @property
    def student_encoder(self) -> PackedEncoder | None:
        """The first layers of the student; ``None``: it takes the inputs themselves."""
        return self.encoder if self.config.student.see == "features" else None

    @property
    def secure(self) -> bool:
        """True where noise comes from operating-system entropy."""
        return self.config.labelling.insecure_seeded_noise is None

    @property
    def evaluation_set(self) -> str:
        """Name of the evaluation set, for trackers and reports."""
        return f"{self.config.data.source}-evaluation"

    def public_sets(self) -> list[dict[str, Any]]:
        """Name, records and fingerprint of the pool and of the evaluation set."""
        found, study = fingerprints(self.study), self.study
        return [
            {"name": f"{self.config.data.source}-pool", "records": len(study.pool), "fingerprint": found["pool"]},
            {"name": self.evaluation_set, "records": len(study.evaluation), "fingerprint": found["evaluation"]},
        ]


def require_same_records(run: Run) -> None:
    """Refuse to resume a run whose private records have changed since it began.

    Raises:
        RecordsRefused: they have; the change itself is not disclosed.
    """
    if run.study.private is None:
        return  # each task at a site checks this
    found, path = fingerprint_with_positions(run.study.private), run.folder.records_file
    if not path.exists():
        write_atomically(path, found)
    if path.read_text() != found:
        raise RecordsRefused(
            f"Expected the private records of run {run.folder.run_id} as when it began, got others; restore them, or "
            "start a new run under another name or seed"
        )


def record_configuration(run: Run) -> None:
    """Record configuration, software and public data for the tracker."""
    tracker = run.tracker
    settings = run.config.model_dump(mode="json", exclude={"tracking", "ray"})  # addresses are private
    write_atomically(run.folder.settings_file, json.dumps(settings, indent=1))
    values, shortened = without_long(run.config.content(), file=run.folder.settings_file.name)
    tracker.params(Released.public(values))
    if shortened:
        tracker.artifact(Released.public(run.folder.settings_file.name))
    tracker.tags(Released.public(source_tags(run.config.name)))
    tracker.tags(Released.public({"environment": versions()}))  # not a parameter: a run may be resumed after an upgrade
    for row in run.public_sets():
        tracker.dataset(
            Released.public(
                DatasetCard(
                    name=row["name"],
                    fingerprint=row["fingerprint"],
                    source=run.config.data.source,
                    rows=row["records"],
                    context=row["name"].rsplit("-", 1)[-1],
                )
            )
        )


def versions() -> dict[str, str]:
    """Versions of the software that the guarantee depends on."""
    return {"python": platform.python_version(), "pate": VERSION, **{name: version(name) for name in PACKAGES}}

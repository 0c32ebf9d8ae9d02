"""Record of a sweep's released row for the tracker."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pate.files import content_hash
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.results.sweep import ReleasedRow
from pipelines.storage.home import Home
from pipelines.tracking.tracker import SWEEP, Tracker

SWEEP_TAG = "pate.sweep"
_TAGS = ("dataset", "config", "accountant", "command")


def track_sweep(base: Path, configs: list[Config], row: Released[ReleasedRow]) -> Path:
    """Record a row of results; a repeat updates the same record.

    Args:
        base: ``PATE_HOME``.
        configs: of all runs of the sweep, finished or not; they identify the record.
        row: of the runs that are finished; its numbers become metrics at the step of their count.

    Returns:
        The folder of the record, as ``MlflowSink.deliver`` takes it.
    """
    name = configs[0].name
    digest = content_hash({"runs": [own.run_id for own in configs]})[:8]
    run_id = f"sweep-{name}-{len(configs)}-{digest}"
    folder = Home(base).sweep(run_id)
    insecure = any(own.labelling.insecure_seeded_noise is not None for own in configs)
    with Tracker.open(folder, run_id=run_id, insecure=insecure, root=SWEEP) as tracker:
        tracker.tags(row.map(lambda own: {SWEEP_TAG: f"{name}, {len(configs)} seeds", **_tags(own)}))
        tracker.metrics(row.map(_numbers), step=len(row.value.seeds))
    return folder


def _tags(row: ReleasedRow) -> dict[str, Any]:
    return {f"pate.{key}": getattr(row, key) for key in _TAGS}


def _numbers(row: ReleasedRow) -> dict[str, float]:
    return {key: value for key, value in asdict(row).items() if isinstance(value, float | int)}

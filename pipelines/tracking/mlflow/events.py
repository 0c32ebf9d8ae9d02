"""Translation of each kind of event to MLflow; every step is idempotent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from pate.errors import PrivacyViolation
from pipelines.tracking.delivery import Cursor
from pipelines.tracking.mlflow.model import register_model
from pipelines.tracking.outbox import Event

RUN_ID_TAG = "pate.run_id"
PHASE_TAG = "pate.phase"
INSECURE_TAG = "pate.insecure"
_MAX_METRICS = 1000
_MAX_TEXTS = 100


@final
class Apply:
    """Delivers events of one kind and phase to one MLflow run; every method is idempotent."""

    def __init__(self, client: Any, public_folder: Path, cursor: Cursor, mlflow_run: str) -> None:
        self._client = client
        self._public_folder = public_folder
        self._cursor = cursor
        self._run = mlflow_run

    def status(self, events: Sequence[Event]) -> None:
        last = events[-1]
        if last.body["status"] == "RUNNING":
            self._client.update_run(self._run, status="RUNNING")
        else:
            self._client.set_terminated(self._run, last.body["status"], end_time=last.timestamp_ms)

    def params(self, events: Sequence[Event]) -> None:
        items = [Param(key, text) for event in events for key, text in event.body.items()]
        for part in _parts(items, _MAX_TEXTS):
            self._client.log_batch(self._run, params=part)

    def tags(self, events: Sequence[Event]) -> None:
        last = {key: text for event in events for key, text in event.body.items()}
        for part in _parts([RunTag(key, text) for key, text in last.items()], _MAX_TEXTS):
            self._client.log_batch(self._run, tags=part)

    def metrics(self, events: Sequence[Event]) -> None:
        points = [
            Metric(key, float(value), event.timestamp_ms, step)
            for event in events
            for key, step, value in event.body["points"]
        ]
        for part in _parts(points, _MAX_METRICS):
            self._client.log_batch(self._run, metrics=part)

    def dataset(self, events: Sequence[Event]) -> None:
        self._client.log_inputs(self._run, [_dataset_input(event.body) for event in events])

    def artifact(self, events: Sequence[Event]) -> None:
        for event in events:
            path = event.body["path"]
            folder = path.rpartition("/")[0]
            self._client.log_artifact(self._run, str(_inside(self._public_folder, path)), folder or None)

    def model(self, events: Sequence[Event]) -> None:
        tags = self._client.get_run(self._run).data.tags
        for event in events:
            if tags.get(INSECURE_TAG) != "false" or event.body["card"]["insecure"] is not False:
                raise PrivacyViolation(
                    "Expected a model from secure noise in the outbox, got insecure=True; it is not registered"
                )
            folder = _inside(self._public_folder, event.body["folder"])
            register_model(
                self._client,
                event.body,
                folder,
                experiment_id=str(self._cursor.experiment_id),
                mlflow_run=self._run,
                run_id=tags[RUN_ID_TAG],
            )


def _dataset_input(body: Mapping[str, Any]) -> DatasetInput:
    described = Dataset(
        name=body["name"],
        digest=body["fingerprint"],
        source_type="pate",
        source=json.dumps({"description": body["source"]}),
        profile=json.dumps({"num_rows": body["rows"]}),
    )
    return DatasetInput(described, [InputTag("mlflow.data.context", body["context"])])


def _inside(public_folder: Path, relative: str) -> Path:
    """The path, checked to be inside the public folder even if a link was put there after it was recorded."""
    root = public_folder.resolve()
    full = (root / relative).resolve()
    if not full.is_relative_to(root):
        raise PrivacyViolation("Expected a recorded path inside the run's public folder, got one outside it")
    return full


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))

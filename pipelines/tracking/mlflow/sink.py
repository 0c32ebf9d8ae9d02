"""Delivers a run's outbox to MLflow, each event once. Only the modules of this folder import mlflow.

An event may have been delivered although the cursor does not record it (the process died in between), so every
delivery is idempotent: runs, logged models and model versions carry tags, which are searched before creation; MLflow's
    store ignores a metric with
equal name, step, timestamp and value, and existing parameters, tags, inputs and files.

Run as ``python -m pipelines.tracking.mlflow.sink`` it is the process behind ``delivery.BackgroundDelivery``.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any, final

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pate.errors import PrivacyViolation
from pipelines.tracking.delivery import Cursor, Delivery, pending
from pipelines.tracking.destination import Destination
from pipelines.tracking.mlflow.events import INSECURE_TAG, PHASE_TAG, RUN_ID_TAG, Apply
from pipelines.tracking.mlflow.store import StoreFault, fault_of, have_store
from pipelines.tracking.mlflow.view import VIEW_TAG, view_state
from pipelines.tracking.outbox import Event, read_events
from pipelines.tracking.tracker import CAMPAIGN, ROOTS, TRACKING_FOLDER

PARENT_TAG = "mlflow.parentRunId"
_KIND_TAG, _KIND = "mlflow.experimentKind", "custom_model_development"
"""Makes the pages of MLflow 3.6, for example, show training and not language models; those of 3.17 follow the
address instead (``delivery.runs_page``)."""
_UNANSWERED = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})


@final
class MlflowSink:
    """Delivers outboxes to one destination.

    Args:
        where: the destination; the experiment is made when the first run is delivered.
        on_making: as for ``pipelines.tracking.mlflow.store.have_store``.
    """

    def __init__(self, where: Destination, on_making: Callable[[bool], None] = lambda _: None) -> None:
        self._where = where
        self._on_making = on_making
        self._client: Any = None
        self._note: str | None = None

    def open(self) -> Any:
        """Connect and return the client; a missing local store is made, which takes seconds.

        Raises:
            StoreFault: the local store's file is not a store.
        """
        if self._client is None:
            if self._where.local:
                self._note = have_store(self._where, self._on_making) or self._note
            self._client = MlflowClient(tracking_uri=self._where.uri, registry_uri=self._where.uri)
        return self._client

    def deliver(self, public_folder: Path) -> Delivery:
        """Deliver the events that the destination lacks; those that cannot be delivered now stay for the next time.

        Raises:
            PrivacyViolation: the outbox holds a model that may not be registered, or a path out of the folder.
        """
        delivered, reason = 0, None
        with _only_deliverer(public_folder) as alone:
            if not alone:
                reason = "another process is delivering"
            else:
                try:
                    self.open()
                    for count in self._groups(public_folder):
                        delivered += count
                except (MlflowException, SQLAlchemyError, OSError, StoreFault) as error:
                    reason = self._reason(error)
        left = pending(public_folder, self._where)
        runs = Cursor.read(public_folder, self._where).runs
        note = self._note
        return Delivery(delivered=delivered, pending=left, reason=reason if left else None, runs=runs, note=note)

    def _groups(self, public_folder: Path) -> Iterator[int]:
        """Deliver group by group, consecutive events of one kind and phase; yields the size of each when it is done."""
        cursor = self._confirmed(Cursor.read(public_folder, self._where))
        events = read_events(public_folder / TRACKING_FOLDER, after=cursor.sequence)
        for (kind, phase), same in groupby(events, key=lambda event: (event.kind, event.phase)):
            group = list(same)
            if phase not in cursor.runs:
                cursor = self._with_run(cursor, group[0])
            apply = Apply(self._client, public_folder, cursor, cursor.runs[phase])
            getattr(apply, kind)(group)
            cursor = cursor.moved_to(group[-1].sequence)
            cursor.write(public_folder, self._where)
            yield len(group)

    def _confirmed(self, cursor: Cursor) -> Cursor:
        """The cursor, or one at the start if the run is no longer in the store: all is then delivered again."""
        root = next((cursor.runs[phase] for phase in ROOTS if phase in cursor.runs), None)
        if root is None:
            return Cursor()
        try:
            self._client.get_run(root)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return Cursor()
            raise
        return cursor

    def _with_run(self, cursor: Cursor, event: Event) -> Cursor:
        """The cursor with the MLflow run of the event's phase, found by its tags or created."""
        experiment_id = cursor.experiment_id or self._experiment_id()
        tags = {
            RUN_ID_TAG: event.body["run_id"],
            PHASE_TAG: event.phase,
            INSECURE_TAG: str(event.body["insecure"]).lower(),
        }
        wanted = " and ".join(f"tags.`{key}` = '{tags[key]}'" for key in (RUN_ID_TAG, PHASE_TAG))
        found = self._client.search_runs([experiment_id], filter_string=wanted, order_by=["attributes.start_time ASC"])
        if found:
            run = found[0]
        else:
            if event.phase not in ROOTS:
                tags[PARENT_TAG] = cursor.runs[CAMPAIGN]
            name = event.body["run_id"] if event.phase in ROOTS else event.phase
            run = self._client.create_run(experiment_id, start_time=event.timestamp_ms, tags=tags, run_name=name)
        return replace(cursor, experiment_id=experiment_id, runs={**cursor.runs, event.phase: run.info.run_id})

    def _experiment_id(self) -> str:
        known = self._client.get_experiment_by_name(self._where.experiment)
        tags = {_KIND_TAG: _KIND, VIEW_TAG: view_state()}
        if known is not None:
            kept = {_KIND_TAG} & set(known.tags)
            for key in (key for key, value in tags.items() if key not in kept and known.tags.get(key) != value):
                with suppress(MlflowException):  # a user who may not change the experiment may still add runs to it
                    self._client.set_experiment_tag(known.experiment_id, key, tags[key])
            return str(known.experiment_id)
        folder = self._where.artifacts
        location = None if folder is None else folder.as_uri()
        try:
            return str(self._client.create_experiment(self._where.experiment, artifact_location=location, tags=tags))
        except MlflowException:  # another run may have created it in the meantime
            known = self._client.get_experiment_by_name(self._where.experiment)
            if known is None:
                raise
            return str(known.experiment_id)

    def _reason(self, error: Exception) -> str:
        """Reason for pending events, without addresses, paths or credentials, which the error's own text may hold."""
        if isinstance(error, StoreFault):
            return str(error)
        if isinstance(error, FileNotFoundError):
            return "a recorded file is no longer in the public folder"
        fault = fault_of(error) if self._where.local else None
        if fault is not None:
            return f"{self._where.shown} {fault}"
        if isinstance(error, MlflowException) and error.error_code not in _UNANSWERED:
            deleted = (
                "; was the run or experiment deleted there?" if error.error_code == "INVALID_PARAMETER_VALUE" else ""
            )
            return f"{self._where.shown} refused an event ({error.error_code}){deleted}"
        if self._where.local:
            said = error.strerror if isinstance(error, OSError) else type(error).__name__
            return f"{self._where.shown} cannot be used ({said})"
        return f"{self._where.shown} does not answer"


@contextmanager
def _only_deliverer(public_folder: Path) -> Iterator[bool]:
    """Yield ``True`` if no other process delivers this outbox; the lock ends with its process."""
    folder = public_folder / TRACKING_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "delivery.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def serve(requests: Iterator[bytes], answers: int) -> None:
    """Deliver when asked on one pipe and answer the last request on another; end when the asking process ends."""
    first = json.loads(next(requests))
    artifacts = Path(first["artifacts"]) if first["artifacts"] else None
    where = Destination(uri=first["uri"], experiment=first["experiment"], artifacts=artifacts)

    def say(content: dict[str, Any]) -> None:
        os.write(answers, json.dumps(content).encode() + b"\n")

    sink = MlflowSink(where, on_making=lambda making: say({"making": making}))
    public_folder = Path(json.loads(next(requests))["public_folder"])
    total = 0
    for request in requests:
        last = json.loads(request)["deliver"] == "last"
        try:
            result = sink.deliver(public_folder)
            total += result.delivered
            answer = asdict(replace(result, delivered=total))
        except PrivacyViolation as violation:
            answer = {"refused": str(violation)}
        if last:
            say(answer)
            return


if __name__ == "__main__":
    answer_pipe = os.dup(1)
    os.dup2(2, 1)  # output of libraries is not an answer
    serve(iter(sys.stdin.buffer.readline, b""), answer_pipe)

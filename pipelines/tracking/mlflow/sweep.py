"""Delivery of a sweep's record, with the campaigns as its children. Values come from records alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from pipelines.tracking.destination import Destination
from pipelines.tracking.mlflow.sink import PARENT_TAG, MlflowSink
from pipelines.tracking.mlflow.store import StoreFault
from pipelines.tracking.tracker import CAMPAIGN, SWEEP


def deliver_sweep(where: Destination, sweep: Path, campaigns: list[Path]) -> str | None:
    """Deliver a sweep's record with its campaigns as children; a repetition continues the same MLflow run.

    Args:
        where: the destination of the campaigns.
        sweep: of ``track_sweep``.
        campaigns: public folders of the finished ones; their pending events are delivered too.

    Returns:
        The MLflow run id of the sweep; ``None`` if the destination does not answer: the next delivery continues.
    """
    sink = MlflowSink(where)
    parent = sink.deliver(sweep).runs.get(SWEEP)
    delivered = [sink.deliver(folder).runs for folder in campaigns]
    if parent is not None:
        with suppress(MlflowException, SQLAlchemyError, OSError, StoreFault):
            client = sink.open()
            for runs in delivered:
                if CAMPAIGN in runs:
                    client.set_tag(runs[CAMPAIGN], PARENT_TAG, parent)
    return parent

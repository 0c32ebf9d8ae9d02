"""A sweep at its tracker: one run with the row's figures, and the campaigns as its children."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pipelines.mlflow_settings  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
from mlflow import MlflowClient
from mlflow.entities import Metric, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis
from sqlalchemy.exc import SQLAlchemyError

from pipelines.destination import Destination
from pipelines.mlflow_events import PHASE_TAG
from pipelines.mlflow_tracking import MlflowSink
from pipelines.tracking import CAMPAIGN

SWEEP_TAG = "pate.sweep"
PHASE = "sweep"


def record_sweep(where: Destination, name: str, row: dict[str, Any], folders: list[Path]) -> str | None:
    """Log a row of results and put its campaigns below it; done again it goes on with the same run.

    Args:
        where: the destination of the campaigns.
        name: of the sweep: it is found by this again.
        row: of ``sweep.Row``; numbers become metrics, names tags. All on public benchmarks.
        folders: public ones of the campaigns; what the tracker does not have of them yet is delivered first.

    Returns:
        The MLflow run id; ``None`` if the destination does not answer: the row is in the results file anyway.
    """
    sink = MlflowSink(where)
    delivered = [sink.deliver(folder).runs for folder in folders]
    children = [runs[CAMPAIGN] for runs in delivered if CAMPAIGN in runs]
    with suppress(MlflowException, SQLAlchemyError, OSError):
        client = MlflowClient(tracking_uri=where.uri, registry_uri=where.uri)
        experiment = client.get_experiment_by_name(where.experiment)
        if experiment is None:
            return None
        found = client.search_runs([experiment.experiment_id], f"tags.`{SWEEP_TAG}` = '{name}'")
        tags = {SWEEP_TAG: name, PHASE_TAG: PHASE}
        run = found[0] if found else client.create_run(experiment.experiment_id, run_name=f"sweep {name}", tags=tags)
        now, step = get_current_time_millis(), len(row["seeds"])
        numbers = {key: value for key, value in row.items() if isinstance(value, float | int)}
        metrics = [Metric(key, float(value), now, step) for key, value in numbers.items()]
        client.log_batch(run.info.run_id, metrics=metrics)
        for key in ("dataset", "config", "accountant", "command"):
            client.set_tag(run.info.run_id, f"pate.{key}", str(row[key]))
        for child in children:
            client.set_tag(child, "mlflow.parentRunId", run.info.run_id)
        client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))
        return str(run.info.run_id)
    return None

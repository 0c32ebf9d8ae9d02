from __future__ import annotations

import math
from pathlib import Path

import pytest

from pate.values import Released
from pipelines.tracking.destination import destination
from pipelines.tracking.mlflow.sink import MlflowClient, MlflowSink
from pipelines.tracking.tracker import Tracker

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

PUBLIC = Released.public


def test_numbers_arrive_as_they_were_and_a_second_attempt_shows_in_the_status(tmp_path: Path) -> None:
    where = destination(None, home=tmp_path, experiment="numbers")
    sink = MlflowSink(where)
    values = {"third": 1 / 3, "tiny": 5e-324, "nan": math.nan, "inf": math.inf, "minus": -math.inf}
    statuses = []
    for error in (ValueError, None):
        tracker = Tracker.open(tmp_path / "public", run_id="run-1", insecure=True)
        runs = sink.deliver(tmp_path / "public").runs
        client = MlflowClient(tracking_uri=where.uri)
        statuses.append(client.get_run(runs["campaign"]).info.status)
        tracker.metrics(PUBLIC(values), step=3)
        tracker.tags(PUBLIC({"attempt": str(error)}))
        tracker.__exit__(error, None, None)
        for cursor in [None, *(tmp_path / "public" / "tracking").glob("cursor-*")]:
            if cursor is not None:
                cursor.unlink()
            assert sink.deliver(tmp_path / "public").pending == 0
        statuses.append(client.get_run(runs["campaign"]).info.status)
    assert statuses == ["RUNNING", "FAILED", "RUNNING", "FINISHED"]
    run = client.get_run(runs["campaign"])
    assert run.data.tags["attempt"] == "None"
    assert run.data.tags["pate.insecure"] == "true"
    found = {key: client.get_metric_history(run.info.run_id, key) for key in values}
    assert {key: (len(points), points[0].step) for key, points in found.items()} == dict.fromkeys(values, (1, 3))
    assert found["third"][0].value == 1 / 3
    assert found["tiny"][0].value == 5e-324
    assert math.isnan(found["nan"][0].value)
    assert found["inf"][0].value == -found["minus"][0].value >= 1e308  # the store keeps the largest finite number

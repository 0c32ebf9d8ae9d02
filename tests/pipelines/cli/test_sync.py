"""A tracking server that is killed while a run goes on gets everything once, when it is back."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
SMOKE = (Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text()


def recorded(public: Path) -> Counter[tuple[str, str, int, float]]:
    """Every point of every curve that the run recorded: phase, name, step, value."""
    lines = (public / "tracking" / "outbox.jsonl").read_text().splitlines()
    metrics = [event for event in map(json.loads, lines) if event["kind"] == "metrics"]
    return Counter((e["phase"], key, step, float(value)) for e in metrics for key, step, value in e["body"]["points"])


def stored(uri: str) -> Counter[tuple[str, str, int, float]]:
    """Every point of every curve that the server has."""
    from pipelines.tracking.mlflow.sink import MlflowClient

    client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)
    points = Counter()
    for run in client.search_runs([client.get_experiment_by_name("pate").experiment_id]):
        phase = run.data.tags["pate.phase"]
        for key in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, key)
            points.update((phase, key, point.step, point.value) for point in history)
    return points


def delivered(home: Path) -> int:
    """How many events the server has taken so far."""
    cursors = home.glob("runs/*/public/tracking/cursor-*.json")
    return max((int(json.loads(cursor.read_text())["sequence"]) for cursor in cursors), default=0)


def test_a_server_killed_in_mid_run_and_started_again_has_every_point_once(
    shell, tmp_path: Path, mlflow_server
) -> None:
    config = tmp_path / "smoke.yaml"
    uri = mlflow_server.where.uri
    config.write_text(SMOKE.replace("name: smoke", f"name: smoke\ntracking: {{uri: '{uri}'}}"))
    mlflow_server.start()
    process = shell.start("run", str(config), "--json")
    end = time.monotonic() + 240
    while not delivered(shell.home):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
    mlflow_server.kill()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    summary = json.loads(out)
    found = re.search(r"(\d+) tracking events are kept here .*`pate sync (\S+)` delivers them", err)
    assert found is not None, err
    assert found[2] == summary["run_id"]
    kept = int(found[1])
    assert kept > 0
    taken = delivered(shell.home)

    still_away = shell.run("sync", summary["run_id"])
    assert (still_away.returncode, still_away.stdout) == (2, "")
    mlflow_server.start()
    assert shell.json("sync", summary["run_id"])["delivered"] == kept
    assert shell.json("sync", summary["run_id"])["delivered"] == 0
    public = shell.home / "runs" / summary["run_id"] / "public"
    complete = recorded(public)
    assert stored(uri) == complete
    for cursor in (public / "tracking").glob("cursor-*"):
        cursor.unlink()
    assert shell.json("sync", summary["run_id"])["delivered"] == taken + kept
    assert stored(uri) == complete
    assert max(complete.values()) == 1
    print(f"{kept} of {kept + taken} events waited; {sum(complete.values())} points, each once")

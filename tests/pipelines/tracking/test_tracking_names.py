"""What MLflow holds after a run is what docs/reference/tracking.md says, name by name, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import mlflow
import pytest

pytestmark = pytest.mark.xdist_group("finished")  # they look at one run
DOC = (Path(__file__).parents[3] / "docs" / "reference" / "tracking.md").read_text()
BOUGHT = ("epsilon_sanitised", "epsilon_sanitised_standard_deviation", "epsilon_sanitised_upper")
ONLY_SOMETIMES = {*BOUGHT, "student_held_out", "student_auroc", "student_auroc_low", "student_auroc_high"}
IN_A_CHECKOUT = {"mlflow.source.git.commit", "pate.code"}
OWN_TAGS = ("mlflow.runName", "mlflow.parentRunId", "mlflow.modelVersions", "mlflow.note.content")


def table(title: str, cells: int) -> list[list[str]]:
    """The rows of the table under a heading."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", DOC, flags=re.DOTALL | re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    assert all(len(row) == cells for row in rows)
    return rows[2:]


def documented_metrics() -> dict[str, set[str]]:
    found = defaultdict(set)
    for names, places, *_ in table("Metrics", 4):
        for place in places.split(", "):
            found[place] |= set(re.findall(r"`([^`]+)`", names))
    return found


def plain(name: str) -> str:
    return re.sub(r"^(label_count|student_accuracy_class)_\d+$", r"\1_<class>", name)


@pytest.fixture(scope="module")
def client(finished) -> Any:
    shell, _ = finished
    return mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")


@pytest.fixture(scope="module")
def runs(client) -> dict[str, Any]:
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    return {run.data.tags["pate.phase"]: run for run in client.search_runs([experiment.experiment_id])}


def test_every_metric_is_documented_and_every_documented_metric_is_there(client, runs) -> None:
    documented = documented_metrics()
    assert set(runs) | {"model"} == set(documented)
    for phase, run in runs.items():
        assert {plain(name) for name in run.data.metrics} == documented[phase] - ONLY_SOMETIMES, phase
    (output,) = runs["campaign"].outputs.model_outputs
    metrics = client.get_logged_model(output.model_id).metrics
    assert {plain(metric.key) for metric in metrics} == documented["model"] - ONLY_SOMETIMES
    assert {metric.dataset_name for metric in metrics} == {"digits-evaluation"}


def test_every_tag_is_documented_and_every_documented_tag_is_there(client, runs) -> None:
    documented = {"campaign": set(), "phase": set(), "model": set(), "version": set()}
    for names, places, _ in table("Tags", 3):
        for place in places.split(", "):
            for target in ("campaign", "phase") if place == "every run" else (place,):
                documented[target] |= set(re.findall(r"`([^`]+)`", names))
    for phase, run in runs.items():
        expected = documented["campaign"] if phase == "campaign" else documented["phase"]
        found = set(run.data.tags) - set(OWN_TAGS)
        assert found | (expected & IN_A_CHECKOUT) == expected, phase
        assert len(found & IN_A_CHECKOUT) in {0, len(expected & IN_A_CHECKOUT)}, phase
    (output,) = runs["campaign"].outputs.model_outputs
    assert set(client.get_logged_model(output.model_id).tags) - set(OWN_TAGS) == documented["model"]
    version = client.get_model_version_by_alias("pate-smoke", "candidate")
    assert set(version.tags) - set(OWN_TAGS) == documented["version"]


def test_the_run_the_version_and_the_model_show_the_card(client, runs, finished) -> None:
    shell, summary = finished
    card = (shell.home / "runs" / summary["run_id"] / "public" / "model_card.md").read_text()
    version = client.get_model_version_by_alias("pate-smoke", "candidate")
    (output,) = runs["campaign"].outputs.model_outputs
    assert version.description == card
    for shown in (client.get_logged_model(output.model_id), runs["campaign"].data):
        assert shown.tags["mlflow.note.content"] == card
    for text in (f"epsilon {summary['epsilon']:.3f}"[:-1], "gaussian", "public set `digits`", "student_accuracy"):
        assert text in card


def test_the_charge_is_the_campaigns_epsilon_from_the_first_query_and_bounds_every_shorter_campaign(
    client, runs, finished
) -> None:
    run_id = runs["campaign"].info.run_id
    curves = {name: client.get_metric_history(run_id, name) for name in ("cost_by_queries", "epsilon_spent")}
    shorter, spent = ({p.step: p.value for p in curve} for curve in curves.values())
    assert len(shorter) == len(curves["cost_by_queries"]) >= 5, "one point for each step"
    assert shorter.keys() == spent.keys()
    assert max(spent) == finished[1]["asked"]
    assert set(spent.values()) == {finished[1]["epsilon"]}
    values = [shorter[step] for step in sorted(shorter)]
    assert values == sorted(values)
    assert values[-1] == finished[1]["epsilon"], "all that was to be asked was asked"


def test_system_metrics_begin_when_the_labels_are_out(client, runs) -> None:
    released = runs["labels"].info.end_time
    for phase, run in runs.items():
        names = [name for name in run.data.metrics if name.startswith("system/")]
        assert bool(names) == (phase == "student")
        for name in names:
            assert all(p.timestamp >= released for p in client.get_metric_history(run.info.run_id, name))


def test_the_documented_search_gives_a_table_of_campaigns(finished) -> None:
    shell, summary = finished
    (code,) = re.findall(r"```python\n(.*?)```", DOC, flags=re.DOTALL)
    code = code.replace("sqlite:///.pate", f"sqlite:///{shell.home}")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, cwd=shell.home.parent
    )
    head, row = done.stdout.splitlines()
    assert head.split()[0] == "tags.pate.run_id"
    name, epsilon, answered, accuracy = row.split()
    assert name == summary["run_id"]
    assert float(epsilon) == pytest.approx(summary["epsilon"], abs=1e-5)
    assert (float(answered), float(accuracy)) == (summary["answered"], pytest.approx(summary["student_accuracy"]))

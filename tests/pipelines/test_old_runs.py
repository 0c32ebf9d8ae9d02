"""Runs that an earlier version began are finished where their votes are there, and never mixed with another deal; runs
that it finished are read as they are, and names are what they were.

``tests/golden/run_v1_*.tar.gz``: ``PATE_HOME`` of ``configs/smoke.yaml`` with bundles of five teachers, as version
0.1.0 left it at commit 66b8225 when it was ended after the votes, and after two of four bundles.

``tests/golden/run_v2_*.tar.gz``: the same as commit d27b9e5 left it: a finished run that bought a sanitised figure,
without its MLflow store, and one by Confident-GNMax that was ended after the votes. ``run_names_v2.json``: run ids,
ledger rows, names in MLflow and what the commands printed at that commit.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pate.ledger import PrivacyLedger
from pipelines.config.experiment import load

GOLDEN = Path(__file__).parents[1] / "golden"
CONFIGS = Path(__file__).parents[2] / "configs"
FINISHED = "old-b5e1a7d2"
ADDED = {
    "tags": {"mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit", "pate.code"},
    "metrics": {
        *("student_majority_share", "student_worst_class_accuracy", "student_classes_never_predicted"),
        *("student_alarms", *(f"student_accuracy_class_{number}" for number in range(10))),
    },
}
"""Names in MLflow that later versions added; none of the others changes."""
DRAWN = {"key", "salt", "units_sha256", "queries_sha256", "answers_sha256", "campaign"}
"""What in a ledger's rows comes from its own key or from noise."""


def unpack(shell: Any, what: str, version: int = 1) -> str:
    """An old home in the shell's place; its configuration."""
    with tarfile.open(GOLDEN / f"run_v{version}_{what}.tar.gz") as archive:
        archive.extractall(shell.home, filter="tar")
    return str(shell.home / "old.yaml")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def without_added(names: dict[str, Any]) -> dict[str, Any]:
    """The names that there were before others were added."""
    return {
        key: without_added(value)
        if isinstance(value, dict)
        else [name for name in value if name not in ADDED[key]]
        if key in ADDED
        else value
        for key, value in names.items()
    }


def names_in_mlflow(home: Path) -> dict[str, Any]:
    """Names of everything that the one campaign of a home left in its MLflow store."""
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    runs = {run.data.tags["pate.phase"]: run for run in client.search_runs([experiment.experiment_id])}
    (output,) = runs["campaign"].outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    (registered,) = client.search_registered_models()
    version = client.get_model_version_by_alias(registered.name, "candidate")
    return {
        "runs": {
            phase: {
                "name": run.info.run_name,
                "params": sorted(run.data.params),
                "metrics": sorted(run.data.metrics),
                "tags": sorted(run.data.tags),
                "datasets": sorted(one.dataset.name for one in run.inputs.dataset_inputs),
                "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
            }
            for phase, run in runs.items()
        },
        "model": {
            "name": model.name,
            "metrics": sorted(metric.key for metric in model.metrics),
            "tags": sorted(model.tags),
            "params": sorted(model.params),
        },
        "version": {
            "name": registered.name,
            "tags": sorted(version.tags),
            "aliases": sorted(version.aliases),
            "version": str(version.version),
        },
    }


@pytest.fixture(scope="module")
def before() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / "run_names_v2.json").read_text())
    return content


@pytest.mark.xdist_group("ray")
def test_a_run_whose_votes_are_there_goes_on_to_its_end(shell) -> None:
    config = unpack(shell, "voted")
    votes = shell.home / "runs" / "old-e2052df1" / "private" / "votes" / "votes.npy"
    before = sha256(votes)
    summary = shell.json("run", config)
    assert summary["run_id"] == "old-e2052df1"
    assert sha256(votes) == before
    assert summary["epsilon"] == pytest.approx(9.3675, abs=1e-3)
    assert "unbroken" in shell.run("ledger", "verify").stdout


@pytest.mark.xdist_group("ray")
def test_teachers_of_two_deals_are_never_mixed(shell) -> None:
    config = unpack(shell, "training")
    folder = shell.home / "runs" / "old-e2052df1" / "private" / "teachers"
    before = {path.name: sha256(path) for path in folder.glob("bundle-*")}
    done = shell.run("run", config)
    assert done.returncode == 2
    assert "started by another version of pate; start it again with --fresh" in done.stderr
    assert {path.name: sha256(path) for path in folder.glob("bundle-*")} == before
    assert json.loads((folder / "plan.json").read_text()).get("rule") is None
    fresh = shell.json("run", config, "--fresh")
    assert fresh["answered"] == 40


def test_a_finished_run_is_finished_and_nothing_of_it_changes(shell, before) -> None:
    config = unpack(shell, "finished", version=2)
    folder = shell.home / "runs" / FINISHED
    files, ledger = contents(folder), contents(shell.home / "ledger")
    shown = shell.json("report", FINISHED)
    assert shown.pop("report").endswith(f"{FINISHED}/public/report.html")
    assert shown == before["run_v2_finished"]["report"]
    done = shell.run("run", config)
    assert done.returncode == 0, done.stderr
    assert f"{FINISHED} finished before" in done.stderr
    assert "unbroken" in shell.run("ledger", "verify").stdout
    assert contents(folder) == files
    assert contents(shell.home / "ledger") == ledger


def test_the_ledger_table_and_cost_of_a_finished_run_are_what_they_were(shell, before) -> None:
    unpack(shell, "finished", version=2)
    known = before["run_v2_finished"]
    assert shell.json("ledger", "show") == known["ledger_show"]
    assert known["results"] in shell.run("results", FINISHED).stdout.splitlines()
    cost = shell.json("cost", "--run", FINISHED)
    assert cost.pop("expected_answered") == known["cost"].pop("expected_answered")
    assert cost.keys() == known["cost"].keys()
    for name, row in known["cost"].items():
        assert cost[name]["epsilon"] == pytest.approx(row["epsilon"], rel=1e-9), name
        assert (cost[name]["delta"], cost[name]["kind"]) == (row["delta"], row["kind"]), name


@pytest.mark.slow
def test_a_finished_run_is_delivered_under_the_same_names_and_registered(shell, before) -> None:
    unpack(shell, "finished", version=2)
    events = (shell.home / "runs" / FINISHED / "public" / "tracking" / "outbox.jsonl").read_text().splitlines()
    assert shell.json("sync", FINISHED)["delivered"] == len(events)
    assert names_in_mlflow(shell.home) == before["mlflow_of_run_v2_finished"]
    registered = shell.json("register", FINISHED)
    assert (registered["name"], registered["version"], registered["alias"]) == ("pate-old", 1, "champion")
    assert registered["changed"]
    assert shell.json("sync", FINISHED)["delivered"] == 0, "everything once"


@pytest.mark.xdist_group("ray")
def test_a_later_run_whose_votes_are_there_goes_on_to_its_end(shell) -> None:
    config = unpack(shell, "voted", version=2)
    private = shell.home / "runs" / "old-b06b9ffc" / "private"
    journal = private / "teachers" / "tasks.jsonl"
    tasks = journal.read_bytes()
    kept = {name: contents(private / name) for name in ("votes", "teachers", "partition")}
    kept["teachers"] = {
        name: digest for name, digest in kept["teachers"].items() if not str(name).endswith(journal.name)
    }
    summary = shell.json("run", config)
    assert summary["run_id"] == "old-b06b9ffc"
    assert summary["epsilon"] == pytest.approx(9.0567, abs=1e-3)
    assert summary["asked"] == summary["answered"] + summary["refused"]
    for name, files in kept.items():
        assert files.items() <= contents(private / name).items(), name
    assert journal.read_bytes().startswith(tasks), "tasks are added, for the votes on the evaluation set"
    assert "unbroken" in shell.run("ledger", "verify").stdout
    assert shell.json("run", config) == summary


def test_run_ids_and_digests_of_all_shipped_configurations_are_what_they_were(before) -> None:
    configurations = {path.stem: load(path) for path in sorted(CONFIGS.glob("*.yaml"))}
    for name, known in before["configurations"].items():
        found = configurations[name]
        assert {"run_id": found.run_id, "digest": found.digest()} == known, name


@pytest.mark.xdist_group("finished")
def test_ledger_rows_and_names_in_mlflow_are_what_they_were(finished, before) -> None:
    shell, _ = finished
    ledger = PrivacyLedger(shell.home / "ledger")
    rows = [
        [entry.account, entry.kind, {key: None if key in DRAWN else value for key, value in entry.body.items()}]
        for entry in ledger.entries()
    ]
    ledger.close()
    assert rows == before["ledger_rows"]
    found = names_in_mlflow(shell.home)
    assert without_added(found) == before["mlflow"]
    campaign = found["runs"]["campaign"]
    assert {"mlflow.source.name", "mlflow.source.type"} <= set(campaign["tags"])

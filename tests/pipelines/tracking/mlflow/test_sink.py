"""Delivery to real stores: SQLite files, and a real server that is killed and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from pate.errors import PrivacyViolation
from pate.student.export import save_exported
from pate.values import Released
from pipelines.tracking.cards import without_long
from pipelines.tracking.delivery import Cursor, pending, runs_page
from pipelines.tracking.destination import Destination, destination
from pipelines.tracking.mlflow.sink import MlflowClient, MlflowSink
from pipelines.tracking.tracker import DatasetCard, ModelCard, Tracker

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

PUBLIC = Released.public
STEPS = 30
POOL = DatasetCard(name="pool", fingerprint="f" * 32, source="scikit-learn digits", rows=1000, context="pool")
CARD = ModelCard(
    name="pate-digits",
    epsilon=2.04,
    delta=1e-5,
    privacy_unit="record",
    accountant="tight",
    benchmark="digits",
    insecure=False,
)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("student")
    rows = np.random.default_rng(0).random((2, 8, 8), dtype=np.float32)
    save_exported(PUBLIC(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))), PUBLIC(rows), folder)
    return folder


@pytest.fixture
def local(tmp_path: Path, empty_store: Path) -> Destination:
    where = destination(None, home=tmp_path / "home")
    where.database.parent.mkdir(parents=True)
    shutil.copyfile(empty_store, where.database)
    return where


def _record(folder: Path, student: Path, *, run_id: str = "run-1", steps: int = STEPS) -> Path:
    """A whole run: metrics of two phases in turn, so that delivery takes many steps."""
    shutil.copytree(student, folder / "student")
    (folder / "reports").mkdir()
    (folder / "reports" / "privacy.json").write_text("{}")
    with Tracker.open(folder, run_id=run_id, insecure=False) as campaign:
        campaign.params(PUBLIC({f"p{i}": i for i in range(150)}))
        campaign.tags(PUBLIC({"device": "cpu"}))
        with campaign.phase("labels") as labels, campaign.phase("student") as training:
            labels.dataset(PUBLIC(POOL))
            for step in range(steps):
                labels.metrics(PUBLIC({"epsilon": 0.1 * step}), step=step)
                training.metrics(PUBLIC({"loss": 1 / (step + 1)}), step=step)
            labels.series("curve", PUBLIC([float(i) for i in range(1200)]))
            training.artifact(PUBLIC("reports/privacy.json"))
            training.model(PUBLIC("student"), PUBLIC(CARD))
    return folder


@pytest.fixture
def recorded(tmp_path: Path, student: Path) -> Path:
    return _record(tmp_path / "public", student)


def _check_complete(where: Destination, *, steps: int = STEPS) -> None:
    """Everything that ``_record`` recorded is in the store, once."""
    client = MlflowClient(tracking_uri=where.uri, registry_uri=where.uri)
    experiments = client.search_experiments(filter_string=f"name = '{where.experiment}'")
    assert len(experiments) == 1
    assert experiments[0].tags["mlflow.experimentKind"] == "custom_model_development"
    runs = {run.info.run_name: run for run in client.search_runs([experiments[0].experiment_id])}
    assert len(client.search_runs([experiments[0].experiment_id])) == 3
    parent, labels, training = runs["run-1"], runs["labels"], runs["student"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert parent.data.params == {f"p{i}": str(i) for i in range(150)}
    assert parent.data.tags["device"] == "cpu"
    assert labels.data.tags["mlflow.parentRunId"] == training.data.tags["mlflow.parentRunId"] == parent.info.run_id
    expected = {
        (labels, "epsilon"): [0.1 * step for step in range(steps)],
        (labels, "curve"): [float(i) for i in range(1200)],
        (training, "loss"): [1 / (step + 1) for step in range(steps)],
    }
    for (run, key), values in expected.items():
        history = client.get_metric_history(run.info.run_id, key)
        assert sorted((point.step, point.value) for point in history) == list(enumerate(values))
    (used,) = labels.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.tags[0].value) == ("pool", "f" * 32, "pool")
    assert json.loads(used.dataset.profile) == {"num_rows": 1000}
    assert [f.path for f in client.list_artifacts(training.info.run_id, "reports")] == ["reports/privacy.json"]
    assert len(training.outputs.model_outputs) == 1
    (logged,) = client.search_logged_models([experiments[0].experiment_id])
    (version,) = client.search_model_versions(f"name = '{CARD.name}'")
    assert str(logged.status) == "READY"
    assert version.run_id == training.info.run_id
    files = {f.path for folder in (None, "data") for f in client.list_logged_model_artifacts(logged.model_id, folder)}
    assert files == {
        *("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "data", "data/model.pt2"),
        *("input_example.json", "serving_input_example.json"),
    }
    assert client.get_model_version_by_alias(CARD.name, "candidate").version == version.version
    assert {key: version.tags[key] for key in ("epsilon", "delta", "privacy_unit", "accountant")} == {
        "epsilon": "2.04",
        "delta": "1e-05",
        "privacy_unit": "record",
        "accountant": "tight",
    }
    assert (version.tags["pate.run_id"], version.tags["benchmark_set"]) == ("run-1", "digits")
    assert version.tags["benchmark"] == "true"


def test_everything_recorded_arrives_once(recorded: Path, local: Destination) -> None:
    sink = MlflowSink(local)
    before = pending(recorded, local)
    first = sink.deliver(recorded)
    assert (first.delivered, first.pending, first.reason) == (before, 0, None)
    assert set(first.runs) == {"campaign", "labels", "student"}
    _check_complete(local)
    assert sink.deliver(recorded).delivered == 0
    _check_complete(local)


def test_a_run_delivered_all_over_again_doubles_nothing(recorded: Path, local: Destination) -> None:
    MlflowSink(local).deliver(recorded)
    for cursor in (recorded / "tracking").glob("cursor-*.json"):
        cursor.unlink()
    again = MlflowSink(local).deliver(recorded)
    assert again.delivered > 0
    _check_complete(local)


def test_only_what_was_recorded_and_pates_own_tags_reach_the_store(recorded: Path, local: Destination) -> None:
    MlflowSink(local).deliver(recorded)
    client = MlflowClient(tracking_uri=local.uri, registry_uri=local.uri)
    experiment = client.get_experiment_by_name("pate")
    for run in client.search_runs([experiment.experiment_id]):
        own = {"pate.run_id", "pate.phase", "pate.insecure", "mlflow.runName", "mlflow.parentRunId", "device"}
        assert set(run.data.tags) <= own
        assert run.info.user_id == "unknown"


@pytest.mark.parametrize("kind", [None, "genai_development"])
def test_an_experiment_that_was_there_is_one_of_models_unless_somebody_chose(
    recorded: Path, local: Destination, kind: str | None
) -> None:
    client = MlflowClient(tracking_uri=local.uri, registry_uri=local.uri)
    tags = {} if kind is None else {"mlflow.experimentKind": kind}
    made = client.create_experiment("pate", artifact_location=f"file://{local.artifacts}", tags=tags)
    assert MlflowSink(local).deliver(recorded).pending == 0
    found = client.get_experiment(made).tags["mlflow.experimentKind"]
    assert found == (kind or "custom_model_development")


def test_the_experiment_has_a_view_of_campaigns_with_cost_and_accuracy(recorded: Path, local: Destination) -> None:
    home = recorded.parent
    assert MlflowSink(local).deliver(recorded).pending == 0
    client = MlflowClient(tracking_uri=local.uri, registry_uri=local.uri)
    experiment = client.get_experiment_by_name("pate")
    view = json.loads(experiment.tags["mlflow.sharedViewState.pate"])
    (campaign,) = client.search_runs([experiment.experiment_id], view["searchFilter"], order_by=[view["orderByKey"]])
    assert campaign.info.run_name == "run-1"
    for column in ("metrics.`epsilon_spent`", "tags.`delta`", "metrics.`student_accuracy`"):
        assert column in view["selectedColumns"]
    (home / "runs").mkdir()
    (home / "runs" / "run-1").mkdir()
    recorded.rename(home / "runs" / "run-1" / "public")
    page = f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    assert runs_page(home, local) == f"{page}&viewStateShareKey=pate"
    client.delete_experiment_tag(experiment.experiment_id, "mlflow.sharedViewState.pate")
    assert runs_page(home, local) == page, "MLflow shows an error for a view that is not there"


def test_parameters_that_are_too_long_are_in_a_file(tmp_path: Path, local: Destination) -> None:
    columns = [f"a rather long name of column number {number}" for number in range(180)]
    content = {"data": {"features": {"numeric": [{"columns": columns}]}, "task": "t" * 6000}, "seed": 1}
    public = tmp_path / "public"
    with Tracker.open(public, run_id="run-1", insecure=False) as tracker:
        (public / "config.json").write_text(json.dumps(content))
        values, shortened = without_long(content, file="config.json")
        assert shortened
        tracker.params(PUBLIC(values))
        tracker.artifact(PUBLIC("config.json"))
    result = MlflowSink(local).deliver(public)
    assert (result.pending, result.reason) == (0, None)
    client = MlflowClient(tracking_uri=local.uri, registry_uri=local.uri)
    run = client.get_run(result.runs["campaign"])
    assert run.data.params["seed"] == "1"
    for key in ("data.features.numeric", "data.task"):
        assert "config.json" in run.data.params[key]
        assert len(run.data.params[key]) < 200
    assert json.loads(Path(client.download_artifacts(run.info.run_id, "config.json")).read_text()) == content


def test_a_model_marked_insecure_in_the_outbox_is_not_registered(recorded: Path, local: Destination) -> None:
    path = recorded / "tracking" / "outbox.jsonl"
    text = path.read_text()
    for insecure in (
        text.replace('"benchmark":"digits","insecure":false', '"benchmark":"digits","insecure":true'),
        text.replace('"run_id":"run-1","insecure":false', '"run_id":"run-1","insecure":true'),
    ):
        assert insecure != text
        path.write_text(insecure)
        where = Destination(uri=local.uri, experiment=f"x{hash(insecure)}", artifacts=local.artifacts)
        with pytest.raises(PrivacyViolation, match="insecure"):
            MlflowSink(where).deliver(recorded)
    client = MlflowClient(tracking_uri=local.uri, registry_uri=local.uri)
    assert not client.search_model_versions(f"name = '{CARD.name}'")


def test_a_file_that_is_gone_waits_and_one_that_leads_out_is_refused(
    recorded: Path, local: Destination, tmp_path: Path
) -> None:
    report = recorded / "reports" / "privacy.json"
    report.unlink()
    result = MlflowSink(local).deliver(recorded)
    assert result.pending > 0
    assert result.reason == "a recorded file is no longer in the public folder"
    (tmp_path / "votes").write_text("votes")
    report.symlink_to(tmp_path / "votes")
    with pytest.raises(PrivacyViolation, match="public folder"):
        MlflowSink(local).deliver(recorded)
    report.unlink()
    report.write_text("{}")
    assert MlflowSink(local).deliver(recorded).pending == 0
    _check_complete(local)


def test_two_deliverers_do_not_work_at_once(recorded: Path, local: Destination) -> None:
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(MlflowSink(local).deliver(recorded))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.delivered > 0 for r in results) == [False, True]
    assert MlflowSink(local).deliver(recorded).pending == 0
    _check_complete(local)


def _deliver_in_fork(where: Destination, public: Path, *, die_at: int) -> int:
    """Deliver in a forked process that is killed just before it moves the cursor for the ``die_at``-th time."""
    child = os.fork()
    if child == 0:
        written = 0
        write = Cursor.write

        def write_or_die(self: Cursor, *arguments: Any) -> None:
            nonlocal written
            written += 1
            if written == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            write(self, *arguments)

        Cursor.write = write_or_die  # type: ignore[method-assign]
        MlflowSink(where).deliver(public)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.slow
def test_a_deliverer_killed_between_delivery_and_cursor_doubles_nothing(
    recorded: Path, student: Path, empty_store: Path, tmp_path: Path
) -> None:
    short = _record(tmp_path / "short", student, steps=1)
    where = destination(None, home=tmp_path / "killed")
    where.database.parent.mkdir(parents=True)
    shutil.copyfile(empty_store, where.database)
    kills = 0
    # each process delivers one group, is killed, and the next one delivers that group again and one more
    while _deliver_in_fork(where, short, die_at=2 if kills else 1) == -signal.SIGKILL:
        kills += 1
        assert kills < 100
    assert kills > 10
    assert MlflowSink(where).deliver(short).pending == 0
    _check_complete(where, steps=1)


_FRESH = (
    "import sys, json\nfrom dataclasses import asdict\nfrom pathlib import Path\n"
    "from pipelines.tracking.destination import destination\nfrom pipelines.tracking.mlflow.sink import MlflowSink\n"
    "where = destination(sys.argv[1], home=Path(sys.argv[2]))\n"
    "print(json.dumps(asdict(MlflowSink(where).deliver(Path(sys.argv[2])))))"
)


def _deliver_in_fresh_process(where: Destination, public: Path) -> dict[str, Any]:
    found = subprocess.run(
        [sys.executable, "-c", _FRESH, where.uri, str(public)], capture_output=True, text=True, timeout=60, check=True
    )
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


@pytest.mark.slow
def test_a_store_that_was_wiped_is_filled_again(recorded: Path, local: Destination, empty_store: Path) -> None:
    assert _deliver_in_fresh_process(local, recorded)["pending"] == 0
    shutil.rmtree(local.database.parent)
    local.database.parent.mkdir()
    shutil.copyfile(empty_store, local.database)
    again = _deliver_in_fresh_process(local, recorded)
    assert again["delivered"] > 0
    _check_complete(local)


def test_a_server_that_never_answers_costs_one_timeout(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert int(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 30
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        where = destination(f"http://me:s3cr3t@127.0.0.1:{silent.getsockname()[1]}", home=tmp_path)
        began = time.monotonic()
        result = MlflowSink(where).deliver(recorded)
        assert time.monotonic() - began < 5
    assert (result.delivered, result.pending) == (0, pending(recorded, where))
    assert result.reason == f"{where.shown} does not answer"
    assert "s3cr3t" not in result.reason


@pytest.mark.slow
def test_a_server_lost_in_the_middle_gets_everything_once(mlflow_server, recorded: Path) -> None:
    began = time.monotonic()
    nothing = MlflowSink(mlflow_server.where).deliver(recorded)
    assert time.monotonic() - began < 10
    assert (nothing.delivered, nothing.reason) == (0, f"{mlflow_server.where.shown} does not answer")

    mlflow_server.start()
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(MlflowSink(mlflow_server.where).deliver(recorded)))
    thread.start()
    while Cursor.read(recorded, mlflow_server.where).sequence < 20:
        assert thread.is_alive(), results
    mlflow_server.kill()
    thread.join(timeout=60)
    (lost,) = results
    assert lost.delivered >= 20
    assert lost.pending > 20
    assert lost.reason == f"{mlflow_server.where.shown} does not answer"

    mlflow_server.start()
    assert _deliver_in_fresh_process(mlflow_server.where, recorded)["pending"] == 0
    for cursor in (recorded / "tracking").glob("cursor-*.json"):
        cursor.unlink()
    assert _deliver_in_fresh_process(mlflow_server.where, recorded)["pending"] == 0
    _check_complete(mlflow_server.where)

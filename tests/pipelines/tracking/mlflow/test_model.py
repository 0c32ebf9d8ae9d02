from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pate.errors import InputError
from pate.models import TreesSpec, fit_trees
from pate.student.export import save_exported
from pate.values import Released
from pipelines.tracking.destination import Destination, destination
from pipelines.tracking.mlflow.sink import MlflowClient, MlflowSink
from pipelines.tracking.tracker import ModelCard, Tracker

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

PUBLIC = Released.public
ROWS = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)


def _network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 10)).eval()


def _publish(where: Destination, public: Path, *, run_id: str, seed: int) -> None:
    card = ModelCard(
        name="pate-model",
        epsilon=0.1 + 0.2,
        delta=1e-6,
        privacy_unit="patient",
        accountant="exact",
        benchmark=None,
        insecure=False,
    )
    with Tracker.open(public, run_id=run_id, insecure=False) as tracker:
        save_exported(PUBLIC(_network(seed)), PUBLIC(ROWS), public / "student")
        tracker.model(PUBLIC("student"), PUBLIC(card))
    result = MlflowSink(where).deliver(public)
    assert (result.pending, result.reason) == (0, None)


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Destination]:
    home = tmp_path_factory.mktemp("home")
    where = destination(None, home=home)
    _publish(where, home / "first", run_id="run-1", seed=1)
    _publish(where, home / "second", run_id="run-2", seed=2)
    return where


@pytest.fixture(scope="module")
def client(where: Destination) -> Any:
    return MlflowClient(tracking_uri=where.uri, registry_uri=where.uri)


@pytest.mark.slow
def test_a_model_loads_with_equal_weights_where_pickle_is_forbidden(where: Destination, tmp_path: Path) -> None:
    code = (
        "import sys, numpy, mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pytorch.load_model('models:/pate-model@candidate')\n"
        "served = mlflow.pyfunc.load_model('models:/pate-model@candidate')\n"
        "rows = served.input_example\n"
        "numpy.savez(sys.argv[2], rows=rows, five=served.predict(numpy.repeat(rows, 3, 0)[:5]),\n"
        "    **{'w.' + key: value.numpy() for key, value in model.state_dict().items()})\n"
    )
    environment = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, where.uri, str(tmp_path / "found.npz")],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=100,
    )
    found = np.load(tmp_path / "found.npz")
    network = _network(2)
    weights = network.state_dict()
    assert {name for name in found.files if name.startswith("w.")} == {f"w.{key}" for key in weights}
    assert all(np.array_equal(found[f"w.{key}"], value.numpy()) for key, value in weights.items())
    assert np.array_equal(found["rows"].astype(np.float32), ROWS)
    with torch.no_grad():
        expected = network(torch.from_numpy(np.repeat(ROWS, 3, 0)[:5]))
    np.testing.assert_allclose(found["five"], expected.numpy(), rtol=1e-5, atol=1e-6)


def test_versions_carry_the_guarantee_and_the_alias_names_the_last(where: Destination, client: Any) -> None:
    first, second = sorted(client.search_model_versions("name = 'pate-model'"), key=lambda found: found.version)
    assert client.get_model_version_by_alias("pate-model", "candidate").version == second.version
    assert float(second.tags["epsilon"]) == 0.1 + 0.2, "not rounded"
    assert {first.tags["pate.run_id"], second.tags["pate.run_id"]} == {"run-1", "run-2"}
    assert (second.tags["privacy_unit"], second.tags["accountant"]) == ("patient", "exact")
    assert second.tags["delta"] == "1e-06"
    assert second.tags["benchmark"] == "false"
    assert "benchmark_set" not in second.tags
    archive = where.database.parent.parent / "second" / "student" / "model.pt2"
    assert second.tags["pate.model_digest"] == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_the_logged_model_belongs_to_its_run_and_links_to_its_version(client: Any) -> None:
    for version in client.search_model_versions("name = 'pate-model'"):
        (output,) = client.get_run(version.run_id).outputs.model_outputs
        logged = client.get_logged_model(output.model_id)
        assert str(logged.status) == "READY"
        assert logged.source_run_id == version.run_id
        assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "pate-model", "version": version.version}]


def test_an_upload_that_was_interrupted_is_completed(where: Destination, client: Any, tmp_path: Path) -> None:
    public = tmp_path / "public"
    with Tracker.open(public, run_id="run-3", insecure=False):
        pass
    result = MlflowSink(where).deliver(public)
    save_exported(PUBLIC(_network(3)), PUBLIC(ROWS), public / "student")
    digest = hashlib.sha256((public / "student" / "model.pt2").read_bytes()).hexdigest()
    experiment = client.get_experiment_by_name("pate").experiment_id
    tags = {"pate.model_digest": digest, "pate.run_id": "run-3"}
    pending = client.create_logged_model(experiment, name="student", source_run_id=result.runs["campaign"], tags=tags)
    assert str(pending.status) == "PENDING"
    _publish(where, public, run_id="run-3", seed=3)
    assert [m.model_id for m in client.search_logged_models([experiment], "tags.`pate.run_id` = 'run-3'")] == [
        pending.model_id
    ]
    assert str(client.get_logged_model(pending.model_id).status) == "READY"


def test_files_other_than_the_recorded_ones_are_not_registered(where: Destination, tmp_path: Path) -> None:
    card = ModelCard(
        name="other", epsilon=1.0, delta=0.0, privacy_unit="r", accountant="a", benchmark=None, insecure=False
    )
    with Tracker.open(tmp_path, run_id="run-4", insecure=False) as tracker:
        save_exported(PUBLIC(_network(4)), PUBLIC(ROWS), tmp_path / "student")
        tracker.model(PUBLIC("student"), PUBLIC(card))
    save_exported(PUBLIC(_network(5)), PUBLIC(ROWS), tmp_path / "student")
    with pytest.raises(InputError, match="recorded"):
        MlflowSink(where).deliver(tmp_path)


@pytest.mark.slow
def test_trees_load_and_predict_where_pickle_is_forbidden(where: Destination, client: Any, tmp_path: Path) -> None:
    labels = np.arange(90) % 3
    rows = (np.random.default_rng(2).normal(size=(90, 5)) + labels[:, None]).astype(np.float32)
    trees = fit_trees(TreesSpec(rounds=5), rows, labels, 3, seed=0)
    card = ModelCard(
        name="trees", epsilon=1.0, delta=0.0, privacy_unit="r", accountant="a", benchmark=None, insecure=False
    )
    with Tracker.open(tmp_path / "public", run_id="run-trees", insecure=False) as tracker:
        save_exported(PUBLIC(trees), PUBLIC(rows[:4]), tmp_path / "public" / "student")
        tracker.model(PUBLIC("student"), PUBLIC(card))
    assert MlflowSink(where).deliver(tmp_path / "public").pending == 0
    code = (
        "import sys, numpy, mlflow, xgboost\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "booster = mlflow.xgboost.load_model('models:/trees@candidate')\n"
        "served = mlflow.pyfunc.load_model('models:/trees@candidate')\n"
        "rows = numpy.load(sys.argv[2])\n"
        "numpy.savez(sys.argv[3], example=served.input_example, proba=served.predict(rows),\n"
        "    scores=booster.predict(xgboost.DMatrix(rows), output_margin=True))\n"
    )
    np.save(tmp_path / "rows.npy", rows)
    environment = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    files = [str(tmp_path / name) for name in ("rows.npy", "found.npz")]
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, where.uri, *files],
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=100,
    )
    found = np.load(tmp_path / "found.npz")
    scores = trees(torch.from_numpy(rows))
    np.testing.assert_array_equal(found["scores"], scores.numpy())
    np.testing.assert_allclose(found["proba"], scores.softmax(dim=1).numpy(), rtol=1e-5)
    np.testing.assert_array_equal(found["example"].astype(np.float32), rows[:4])
    version = client.get_model_version_by_alias("trees", "candidate")
    content = (tmp_path / "public" / "student" / "trees.json").read_bytes()
    assert version.tags["pate.model_digest"] == hashlib.sha256(content).hexdigest()
    folder = Path(version.source.removeprefix("file://"))
    assert (folder / "trees.json").read_bytes() == content
    assert not [path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:1] == b"\x80"]

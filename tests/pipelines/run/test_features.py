"""The representation and the queries come from the public pool alone, once, and do not change the run's other rules."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open

from pate.data import PrivateRecords, Study
from pate.errors import InputError
from pate.features import PackedEncoder
from pate.student.export import load_exported
from pipelines.config.experiment import Config, load
from pipelines.data.sources import load_study
from pipelines.progress import Quiet
from pipelines.run.benchmark import train_pooled
from pipelines.run.features import fit_encoder
from pipelines.run.queries import choose_queries
from pipelines.storage.run_folder import RunFolder

CONFIGS = Path(__file__).parents[3] / "configs"
GRAPH = {"kind": "inputs", "diffusion": {"neighbours": 6, "components": 40, "width": 40}}
SIMCLR = {
    "kind": "simclr",
    "model": {"kind": "cnn", "hidden": [4, 8]},
    "train": {"steps": 3, "batch_size": 32},
    "augmentation": {"shift": 0.1},
}

WAVELETS = {"kind": "scattering", "scales": 1, "angles": 4, "components": 20}


def configuration(folder: Path, **changes: Any) -> Config:
    content = yaml.safe_load((CONFIGS / "digits.yaml").read_text())
    for key, value in changes.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    (folder / "c.yaml").write_text(yaml.safe_dump(content))
    return load(folder / "c.yaml")


def with_other_private_records(study: Study) -> Study:
    rng = np.random.default_rng(1)
    private = PrivateRecords(
        features=rng.random(study.private.features.shape, dtype=np.float32),
        labels_N=rng.integers(0, 10, len(study.private)),
        sites_N=study.private.sites_N,
    )
    return Study(task=study.task, classes=study.classes, private=private, pool=study.pool, evaluation=study.evaluation)


@pytest.mark.parametrize("features", [GRAPH, SIMCLR, WAVELETS], ids=["inputs", "simclr", "scattering"])
def test_other_private_records_give_the_same_encoder_and_the_same_queries(
    tmp_path: Path, features: dict[str, Any]
) -> None:
    config = configuration(tmp_path, features=features, labelling={"queries": "central"})
    study = load_study(config)
    found = []
    for number, own in enumerate((study, with_other_private_records(study))):
        store = RunFolder(tmp_path / str(number), config.run_id)
        store.create()
        encoder = fit_encoder(config, own, store, Quiet())
        assert encoder is not None
        found.append((encoder.sha256, choose_queries(config, own, encoder)))
    assert found[0] == found[1]


def test_an_encoder_is_made_once(tmp_path: Path) -> None:
    config = configuration(tmp_path, features=GRAPH)
    study, store = load_study(config), RunFolder(tmp_path, config.run_id)
    store.create()
    first = fit_encoder(config, study, store, Quiet())
    path = store.encoder_file
    before = path.stat().st_mtime_ns
    again = fit_encoder(config, study, store, Quiet())
    assert first is not None
    assert again is not None
    assert (again.content, path.stat().st_mtime_ns) == (first.content, before)


def test_random_queries_are_what_they_were_without_a_representation(tmp_path: Path) -> None:
    plain, graph = configuration(tmp_path), configuration(tmp_path, features=GRAPH)
    study = load_study(plain)
    assert choose_queries(plain, study, None) == choose_queries(graph, study, None)


def test_a_student_that_begins_with_features_needs_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="features section"):
        configuration(tmp_path, student={"start": "features"})
    with pytest.raises(InputError, match=r"features section for student\.see"):
        configuration(tmp_path, student={"see": "features"})
    with pytest.raises(InputError, match="got both"):
        configuration(tmp_path, features=GRAPH, student={"start": "features", "see": "features"})


def test_a_weights_path_stays_out_of_what_is_published(tmp_path: Path) -> None:
    features = {
        "kind": "backbone", "architecture": "resnet18", "weights": "private-place/w.safetensors", "sha256": "0" * 64
    }  # fmt: skip
    config = configuration(tmp_path, features=features)
    assert "private-place" not in config.model_dump_json()
    assert config.features is not None
    backbone = config.features.build()
    with pytest.raises(InputError, match="readable file") as raised:
        backbone.fit(np.zeros((3, 1, 8, 8), dtype=np.float32), seed=0)
    assert "private-place" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize(("see", "numbers"), [("features", GRAPH["diffusion"]["width"]), ("inputs", 64)])
def test_a_run_with_features_and_central_queries_ends_with_a_student(
    tmp_path: Path, shell: Any, see: str, numbers: int
) -> None:
    content = yaml.safe_load((CONFIGS / "smoke.yaml").read_text())
    content["name"] = "graph"
    content["features"] = GRAPH
    content["teachers"]["see"] = see
    content["labelling"]["queries"] = "central"
    (tmp_path / "graph.yaml").write_text(yaml.safe_dump(content))
    summary = shell.json("run", str(tmp_path / "graph.yaml"))
    assert 0 <= summary["student_accuracy"] <= 1
    weights = next((shell.home / "runs" / summary["run_id"] / "private" / "teachers").glob("*.safetensors"))
    with safe_open(weights, framework="np") as file:
        assert numbers in {size for name in file.keys() for size in file.get_tensor(name).shape}  # noqa: SIM118
    assert (shell.home / "runs" / summary["run_id"] / "public" / "features" / "encoder.safetensors").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("features", [WAVELETS, {**GRAPH, **WAVELETS}], ids=["wavelets", "diffused"])
def test_a_student_on_features_is_a_head_behind_the_encoder(
    tmp_path: Path, shell: Any, features: dict[str, Any]
) -> None:
    """The exported file takes images, and its scores are a linear function of their features."""
    content = yaml.safe_load((CONFIGS / "smoke.yaml").read_text())
    model, train = {"kind": "logistic"}, {"steps": 200, "learning_rate": 0.02}
    content.update(
        name="head",
        features=features,
        student={"learner": "supervised", "see": "features", "spec": {"model": model, "train": train}},
    )
    content["teachers"]["model"] = model
    (tmp_path / "head.yaml").write_text(yaml.safe_dump(content))
    summary = shell.json("run", str(tmp_path / "head.yaml"))
    config, public = load(tmp_path / "head.yaml"), shell.home / "runs" / summary["run_id"] / "public"
    student, study = load_exported(public / "student"), load_study(config)
    images = study.evaluation.inputs
    encoder = config.features.build().empty(images.shape[1:])
    packed = (public / "features" / "encoder.safetensors").read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    encoder.unpack(packed, digest)
    with torch.inference_mode():
        scores = student(torch.from_numpy(images)).numpy()
    seen = np.concatenate([encoder.encode(images), np.ones((len(images), 1), dtype=np.float32)], axis=1)
    weights, *_ = np.linalg.lstsq(seen, scores, rcond=None)
    np.testing.assert_allclose(seen @ weights, scores, atol=1e-3 * np.abs(scores).max())
    packed_encoder = PackedEncoder(
        representation=config.features.build(), input_shape=images.shape[1:], content=packed, sha256=digest
    )
    records = {"inputs": study.private.features, "labels": study.private.labels_N, "evaluation": study.evaluation}
    pooled, raw = (
        train_pooled(**records, config=config, classes=10, encoder=own).accuracy.value for own in (packed_encoder, None)
    )
    assert abs(pooled - raw) > 0.01, "else nothing is tested"
    assert summary["benchmark_only"]["pooled_accuracy"] == pytest.approx(pooled, abs=0.004)
    assert "The student is a head on this encoder." in (public / "report.html").read_text()
    assert config.student.model_kind == "logistic on features"

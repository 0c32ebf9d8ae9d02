"""A whole run whose teachers and student are boosted trees."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
import yaml

from pipelines.config.experiment import Config, load

pytestmark = [pytest.mark.xdist_group("ray")]
CONFIGS = Path(__file__).parents[3] / "configs"
TREES = {"kind": "boosted-trees", "rounds": 15, "depth": 2, "colsample": 0.3}
STUDENT = {"learner": "boosted-trees", "spec": {"rounds": 15, "colsample": 0.3}, "self_training": 1, "threshold": 0.5}


def written(folder: Path, **parts: object) -> Path:
    """The smoke configuration with other teachers or another student."""
    content = yaml.safe_load((CONFIGS / "smoke.yaml").read_text()) | {"name": "trees"}
    content["teachers"] = {"model": TREES, "bundle_size": 10}
    content["student"] = STUDENT
    content["privacy"]["epsilon"] = 200  # enough labels of little noise for the student to be measured
    content["labelling"] = {"max_asked": 150, "mechanism": {"kind": "gnmax", "sigma": 2}}
    path = folder / "trees.yaml"
    path.write_text(yaml.safe_dump(content | parts))
    return path


def test_a_configuration_says_how_networks_are_trained_and_trees_say_it_themselves(tmp_path: Path) -> None:
    config: Config = load(written(tmp_path))
    assert (config.teachers.model.kind, config.teachers.training) == ("boosted-trees", None)
    assert (config.student.model_kind, config.student.updates(100)) == ("boosted-trees", 2)
    assert config.digest() != load(written(tmp_path, teachers={"model": TREES | {"rounds": 16}})).digest()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"teachers": {"model": TREES, "training": {"steps": 3}}}, "remove teachers.training"),
        ({"teachers": {"model": {"kind": "logistic"}}}, "add teachers.training"),
        ({"teachers": {"model": TREES | {"hidden": [3]}}}, r"unknown key teachers\.model\.hidden"),
        ({"teachers": {"model": TREES | {"subsample": 2}}}, r"teachers\.model: Expected 0 < subsample <= 1"),
        ({"student": STUDENT | {"spec": {"depht": 2}}}, r"unknown key student\.spec\.depht"),
        ({"teachers": {"model": TREES, "num_gpus": 0.5}}, "num_gpus=0 for boosted-trees"),
        ({"student": STUDENT | {"start": "features"}}, "no start: features for boosted-trees"),
        ({"student": STUDENT | {"see": "features"}}, "no see: features for boosted-trees"),
        ({"student": STUDENT | {"self_training": -1}}, r"student\.self_training=-1"),
    ],
)
def test_a_wrong_key_is_named_by_its_path(tmp_path: Path, parts: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(written(tmp_path, **parts))


@pytest.mark.slow
def test_a_run_of_trees_ends_with_a_registered_student_and_no_pickle(shell, tmp_path: Path) -> None:
    summary = shell.json("run", str(written(tmp_path)))
    figures = summary["benchmark_only"]
    assert summary["student_accuracy_low"] < summary["student_accuracy"] < summary["student_accuracy_high"]
    assert 0.3 < figures["single_teacher_accuracy"] < figures["label_accuracy"] <= 1
    assert figures["pooled_accuracy"] > summary["student_accuracy"] > 0.25
    run = shell.home / "runs" / summary["run_id"]
    assert sorted(path.suffix for path in (run / "private" / "teachers").glob("bundle-*")) == [
        ".json", ".json", ".sha256", ".sha256",
    ]  # fmt: skip
    assert json.loads((run / "public" / "student" / "model.json").read_text())["format"] == "xgboost-json"
    for path in run.rglob("*"):
        if path.is_file():
            assert path.read_bytes()[:2] not in (b"\x80\x02", b"\x80\x04", b"\x80\x05", b"PK"), path
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    version = client.get_model_version_by_alias("pate-trees", "candidate")
    assert float(version.tags["epsilon"]) == pytest.approx(summary["epsilon"])
    assert "one probability for each of 10 classes" in version.description
    assert shell.json("run", str(tmp_path / "trees.yaml")) == summary

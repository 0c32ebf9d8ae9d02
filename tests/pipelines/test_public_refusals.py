"""What a run refuses because of its configuration and its public data, ``validate`` and ``doctor`` say in its words.

Small studies, each with one oddity that public data alone show. No private record is needed to refuse them, so the run
refuses before it writes or charges anything.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.cli.app import run

CONFIG = """
name: odd
data:
  source: table
  data_id: odd
  task: ill
  private_files: [private.csv]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 40
  evaluation: 30
  label: {column: ill, classes: ["no", "yes"]}
  features:
    numeric: [{columns: [lab, age]}]
    categorical: [{columns: [ward], unknown: ignore}]
partition: {teachers: 6}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 5}}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 4}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 5}}}
"""
CNN = {"kind": "cnn", "hidden": [4]}
SIMCLR = {"kind": "simclr", "model": CNN, "train": {"steps": 2}, "augmentation": {}}


def table(seed: int, count: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"p{seed}-{number}" for number in range(count)],
            "lab": rng.normal(size=count).round(3).astype(object),
            "age": rng.integers(20, 90, count).astype(object),
            "ward": rng.choice(["a", "b"], count),
            "ill": ["no", "yes"] * (count // 2),
        }
    )


class Case:
    """A folder with a study, to be made odd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = copy.deepcopy(yaml.safe_load(CONFIG))
        self.tables = {"private": table(0, 60), "pool": table(1, 40), "evaluation": table(2, 30)}

    def set(self, dotted: str, value: object) -> Case:
        *path, last = dotted.split(".")
        place = self.config
        for key in path:
            place = place[key]
        place[last] = value
        return self

    def cell(self, name: str, column: str, value: object) -> Case:
        self.tables[name].loc[3, column] = value
        return self

    def without(self, name: str) -> Case:
        del self.tables[name]
        return self

    def written(self) -> Path:
        for name, found in self.tables.items():
            found.to_csv(self.folder / f"{name}.csv", index=False)
        path = self.folder / "odd.yaml"
        path.write_text(yaml.safe_dump(self.config))
        return path


def categories(case: Case) -> Case:
    case.tables["pool"] = pd.concat([table(1, 40)] * 10, ignore_index=True)
    case.tables["pool"]["ward"] = [f"w{number}" for number in range(400)]
    return case.set("data.pool", 400)


def one_class(case: Case) -> Case:
    case.tables["evaluation"]["ill"] = "no"
    return case.set("data.label.classes", "public")


def images(case: Case) -> Case:
    """The same study, of 4x4 images."""
    rng = np.random.default_rng(0)
    for name, count in (("private", 60), ("pool", 40), ("evaluation", 30)):
        pictures = rng.integers(0, 255, (count, 4, 4), dtype=np.uint8)
        np.savez(case.folder / f"{name}.npz", images=pictures, labels=np.arange(count) % 2)
        case.set(f"data.{name}_files", [f"{name}.npz"])
    for key in ("label", "features"):
        del case.config["data"][key]
    case.tables.clear()
    return case.set("data.source", "npz").set("data.classes", ["no", "yes"])


def broken_archive(case: Case) -> Case:
    images(case)
    np.savez(case.folder / "evaluation.npz", pictures=np.zeros((30, 4, 4), dtype=np.uint8), labels=np.zeros(30, int))
    return case


ODD: dict[str, tuple[Callable[[Case], Case], str]] = {
    "no pool file": (lambda case: case.without("pool"), "a file at data.pool_files[0], got none"),
    "no evaluation file": (lambda case: case.without("evaluation"), "a file at data.evaluation_files[0], got none"),
    "no private file": (lambda case: case.without("private"), "a file at data.private_files[0], got none"),
    "an unknown column": (lambda case: case.set("data.features.numeric", [{"columns": ["lab", "agee"]}]), "'agee'"),
    "an unknown label column": (lambda case: case.set("data.label.column", "sick"), "data.label.column='sick'"),
    "a label out of the classes": (lambda case: case.set("data.label.classes", ["no", "maybe"]), "labels out of the 2"),
    "no label": (lambda case: case.cell("evaluation", "ill", None), "a label in every record"),
    "labels of one class": (one_class, "two or more classes in the public labels"),
    "a large pool": (lambda case: case.set("data.pool", 41), "at least 41 public records"),
    "a large evaluation set": (lambda case: case.set("data.evaluation", 31), "at least 31 public records"),
    "an empty pool file": (lambda case: _cut(case, "pool"), "records in data.pool_files[0], got an empty table"),
    "text for a number": (lambda case: case.cell("pool", "lab", "high"), "numbers in column 'lab'"),
    "a missing number": (lambda case: case.cell("evaluation", "age", None), "a value of 'age' in every record"),
    "a missing category": (lambda case: case.cell("pool", "ward", None), "a value of 'ward' in every record"),
    "an unknown category": (
        lambda case: case.cell("evaluation", "ward", "z").set(
            "data.features.categorical", [{"columns": ["ward"], "unknown": "refuse"}]
        ),
        "a known category of 'ward'",
    ),
    "hundreds of categories": (categories, "add most_frequent: 100"),
    "another separator": (lambda case: case.set("data.format", {"separator": ";"}), "data."),
    "an id that a program made missing": (
        lambda case: case.set("data.unit", "patient").cell("evaluation", "patient", "nan"), "data.unit='patient'",
    ),
    "the private file as the pool": (lambda case: case.set("data.pool_files", ["private.csv"]), "data.pool_files[0]"),
    "no public file": (
        lambda case: case.set("data.pool_files", []).set("data.evaluation_files", []), "would be published",
    ),
    "an evaluation file alone": (lambda case: case.set("data.pool_files", []), "data.pool_files with"),
    "more queries than inputs": (lambda case: case.set("labelling.max_asked", 41), "data.pool=40"),
    "units without ids": (lambda case: case.set("partition.by", "unit"), "unit ids for partition.by='unit'"),
    "sites without names": (lambda case: case.set("partition.by", "site"), "sites for partition.by='site'"),
    "sites that nothing public names": (
        lambda case: case.set("partition.by", "site").set("data.site", "ward"), "the sites in partition.sites",
    ),
    "predictable noise": (
        lambda case: case.set("labelling.insecure_seeded_noise", 1), "no labelling.insecure_seeded_noise",
    ),
    "teachers by label": (lambda case: case.set("partition.label_skew", 1.0), "no partition.label_skew"),
    "a teacher of images": (lambda case: case.set("teachers.model", CNN), "images for cnn"),
    "a student of images": (lambda case: case.set("student.spec.model", CNN), "images for cnn"),
    "augmentation of a table": (
        lambda case: case.set("student", {**case.config["student"], "learner": "fixmatch", "weak": {}, "strong": {}}),
        "images for student.learner=fixmatch",
    ),
    "scales for other columns": (
        lambda case: case.set("teachers.model.input_mean", [0.0, 1.0, 2.0]), "one input_mean or 4 of them",
    ),
    "an encoder of images": (lambda case: case.set("features", SIMCLR), "images for SimCLR"),
    "wavelets of a table": (lambda case: case.set("features", {"kind": "scattering"}), "images of at least 4 pixels"),
    "a graph larger than the pool": (
        lambda case: case.set("features", {"kind": "inputs", "diffusion": {}}), "a public pool of more than",
    ),
    "images smaller than the network": (
        lambda case: images(case).set("teachers.model", {"kind": "cnn", "hidden": [4, 4, 4]}), "at least 8 pixels",
    ),
    "another network than the encoder": (
        lambda case: images(case).set("features", SIMCLR).set("student.start", "features"),
        "the student's network equal to the encoder's",
    ),
    "weights that are not there": (
        lambda case: images(case).set(
            "features", {"kind": "backbone", "architecture": "resnet18", "weights": "w.st", "sha256": "0" * 64}
        ),
        "a readable file at features.weights",
    ),
    "an archive without images": (broken_archive, "data.image_array"),
    "plain HTTP to another machine": (
        lambda case: case.set("tracking", {"uri": "http://mlflow.example.org:5000"}), "to use https",
    ),
    "an address of Ray's client": (lambda case: case.set("ray", {"address": "ray://x:1"}), "ray.address as host:port"),
    "an address without a port": (lambda case: case.set("ray", {"address": "cluster"}), "ray.address as host:port"),
    "a part that cannot be imported": (
        lambda case: case.set("teachers", {"model": {"kind": "estimator", "estimator": "no_such_module:make"}}),
        "no_such_module:make",
    ),
}  # fmt: skip


def _cut(case: Case, name: str) -> Case:
    case.tables[name] = case.tables[name].iloc[:0]
    return case


def _said(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str]:
    capsys.readouterr()
    code = run(list(command))
    printed = capsys.readouterr()
    return code, printed.err.split(" (details:")[0].strip() if command[0] != "doctor" else printed.out + printed.err


@pytest.mark.parametrize("name", ODD)
def test_a_run_is_refused_in_the_words_of_validate_and_before_any_charge(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PATE_HOME", str(home))
    make, part = ODD[name]
    path = str(make(Case(tmp_path)).written())
    code, refused = _said(capsys, "run", path, "--quiet")
    assert code == 2
    assert refused.startswith("pate: error: ")
    assert part in refused
    assert "the reason is kept in private" not in refused
    assert not (home / "runs").exists()
    assert not (home / "ledger").exists()
    assert _said(capsys, "validate", path) == (2, refused)
    doctor, findings = _said(capsys, "doctor", path)
    assert doctor == 2
    if not name.startswith(("plain HTTP", "an address")):  # in words of its own
        assert refused.removeprefix("pate: error: ") in findings


def _wide(case: Case) -> Case:
    columns = [f"a_laboratory_value_with_a_long_name_{number:03}" for number in range(180)]
    for seed, (name, found) in enumerate(case.tables.items()):
        values = np.random.default_rng(seed).normal(size=(len(found), 180)).round(2)
        case.tables[name] = pd.concat([found, pd.DataFrame(values, columns=columns)], axis=1)
    return case.set("data.features.numeric", [{"columns": columns}])


ACCEPTED: dict[str, Callable[[Case], Case]] = {
    "the study itself": lambda case: case,
    "most frequent categories of hundreds": lambda case: categories(case).set(
        "data.features.categorical", [{"columns": ["ward"], "most_frequent": 5}]
    ),
    "images with wavelets": lambda case: images(case).set(
        "features", {"kind": "scattering", "scales": 1, "angles": 2, "components": 3}
    ),
    "a parameter too long for a tracker": _wide,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ACCEPTED)
def test_a_run_that_validate_accepts_ends_with_a_student(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    path = str(ACCEPTED[name](Case(tmp_path)).written())
    assert _said(capsys, "validate", path) == (0, "")
    assert not (tmp_path / "home").exists()
    code, said = _said(capsys, "run", path, "--quiet")
    assert code == 0, said

"""The look at the public side: what it shows, what it does not read, and that private files do not change it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.cli.app import run

CONFIG = """
name: look
data:
  source: table
  data_id: look
  task: ill
  private_files: [private.csv]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 400
  evaluation: 400
  label: {column: ill, classes: [healthy, rare]}
  unit: patient
  features:
    numeric: [{columns: [lab], missing: {strategy: public_median}}]
    categorical: [{columns: [ward, flag], unknown: ignore}]
partition: {teachers: 6}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 5}}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 4}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 5}}}
"""


def table(seed: int, first: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"p{first + number}" for number in range(400)],
            "lab": [None] * 100 + rng.normal(size=300).round(3).tolist(),
            "ward": ["z" if seed == 2 and number < 40 else "ab"[number % 2] for number in range(400)],
            "flag": "x",
            "note": "free text",
            "ill": ["rare" if number == 7 else "healthy" for number in range(400)],
        }
    )


class Study:
    """A study on disk, and the commands on it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.config: dict[str, Any] = copy.deepcopy(yaml.safe_load(CONFIG))
        for seed, name in enumerate(("private", "pool", "evaluation")):
            first = 350 if name == "evaluation" else 0 if name == "pool" else 10_000
            table(seed, first).to_csv(folder / f"{name}.csv", index=False)

    def validate(self, *options: str) -> tuple[int, str, str]:
        path = self.folder / "look.yaml"
        path.write_text(yaml.safe_dump(self.config))
        self._capsys.readouterr()
        code = run(["validate", str(path), *options])
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    def look(self) -> dict[str, Any]:
        code, out, err = self.validate("--json")
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)["public"]
        return found


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Study:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return Study(tmp_path, capsys)


def test_it_counts_what_the_public_files_hold(study: Study) -> None:
    look = study.look()
    assert (look["pool"], look["evaluation"], look["features"]) == (400, 400, [4])
    assert look["classes"] == [
        {"name": "healthy", "records": 399, "share": 0.9975},
        {"name": "rare", "records": 1, "share": 0.0025},
    ]
    assert look["majority_share"] == 0.9975
    columns = {row["name"]: row for row in look["table"]["columns"]}
    assert columns["lab"]["missing_pool"] == columns["lab"]["missing_evaluation"] == 0.25
    assert columns["ward"]["unknown_evaluation"] == 0.1
    assert columns["flag"]["constant"]
    assert look["table"]["left_out"] == [
        {"name": "patient", "why": "the unit's id"},
        {"name": "note", "why": "not in data.features"},
        {"name": "ill", "why": "the label"},
    ]


def test_a_rare_class_and_shared_units_are_said_in_words(study: Study) -> None:
    code, out, _ = study.validate()
    assert code == 0
    assert "class 'rare' has 0.25% of the evaluation records: accuracy says little about it" in out
    assert "always saying 'healthy' is 99.8% accurate" in out
    assert "50 units are in the pool and in the evaluation set" in out
    assert "ward 10.0% of the evaluation records have no category of their own" in out
    assert "data.private_files: they are there, and were not opened" in out


def test_private_files_are_not_opened(study: Study) -> None:
    good = study.validate()
    for content in (b"", b"\xff\xfe\x00rubbish", (study.folder / "pool.csv").read_bytes() + b"1,2"):
        (study.folder / "private.csv").write_bytes(content)
        assert study.validate() == good
    (study.folder / "private.csv").chmod(0)
    assert study.validate() == good


def test_without_data_the_configuration_alone_is_checked(study: Study) -> None:
    (study.folder / "pool.csv").unlink()
    code, _, err = study.validate()
    assert code == 2
    assert "a file at data.pool_files[0], got none" in err
    code, out, _ = study.validate("--no-data")
    assert code == 0
    assert "any file (--no-data)" in out


def test_a_shipped_set_that_is_not_here_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    monkeypatch.delenv("PATE_DATA_DIR", raising=False)
    for name, fetched in (("adult", "adult"), ("mnist", "mnist"), ("heart_four_hospitals", "heart4")):
        assert run(["validate", name]) == 0
        first = capsys.readouterr().out.splitlines()[0]
        assert f"{name}: valid, but the data are not here: `pate data fetch {fetched}`. Run {name}-" in first


def test_a_joined_table_of_both_sides_keeps_the_public_files_closed(study: Study) -> None:
    table(3, 0)[["patient"]].assign(height=1.0).to_csv(study.folder / "heights.csv", index=False)
    study.config["data"]["join"] = [{"path": "heights.csv", "column": "patient"}]
    good = study.validate()
    assert good[0] == 0
    assert "a joined table holds rows of private records too" in good[1]
    (study.folder / "heights.csv").write_text("no table")
    assert study.validate() == good


def test_a_pool_drawn_from_private_files_is_not_looked_at(study: Study) -> None:
    data = study.config["data"]
    data["split"] = {"records_may_be_published": True}
    del data["pool_files"], data["evaluation_files"]
    data["pool"], data["evaluation"] = 100, 100
    code, out, _ = study.validate()
    assert code == 0
    assert "they are drawn from data.private_files, which are not opened" in out

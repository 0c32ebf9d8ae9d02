"""Private records of units in the public files are not used, and nothing public says whether there are any."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pate.data.ids import match_keys
from pipelines.cli.app import run
from pipelines.config.experiment import Config, load
from pipelines.data.sources import load_records, load_study

CONFIG = """
name: shared
data:
  source: table
  data_id: shared
  task: ill
  private_files: [{path: private.csv, site: north}]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 40
  evaluation: 30
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  features: {numeric: [{columns: [lab]}]}
partition: {teachers: 4}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 5}}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 2}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 5}}}
"""


def table(seed: int, ids: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"patient": ids, "lab": rng.normal(size=len(ids)).round(3), "ill": ["no", "yes"] * (len(ids) // 2)}
    )


PRIVATE = [f"q{number}" for number in range(54)] + ["P3", "p41", "e5", "e5", "zz", "zz"]
"""P3 stands in the pool in another writing, e5 in the evaluation set; the others nowhere in public."""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    table(0, PRIVATE).to_csv(tmp_path / "private.csv", index=False)
    table(1, [f"p{number}" for number in range(40)]).to_csv(tmp_path / "pool.csv", index=False)
    table(2, [f"e{number}" for number in range(30)]).to_csv(tmp_path / "evaluation.csv", index=False)
    path = tmp_path / "shared.yaml"
    path.write_text(CONFIG)
    return load(path)


def keeping(config: Config) -> Config:
    split = config.data.split.model_copy(update={"shared_units": "keep"})  # type: ignore[union-attr]
    return config.model_copy(update={"data": config.data.model_copy(update={"split": split})})


def test_their_records_are_left_out_whatever_their_writing(config: Config) -> None:
    study = load_study(config)
    assert study.private is not None
    assert study.private.units_N is not None
    assert study.private.origin is not None
    public = set(match_keys([f"p{number}" for number in range(40)] + [f"e{number}" for number in range(30)]).tolist())
    assert not set(match_keys(study.private.units_N).tolist()) & public
    left_out = set(study.private.origin.left_out)
    assert set(study.private.units_N.tolist()) | left_out == set(PRIVATE)
    assert left_out == {"e5", "P3"}
    kept = load_study(keeping(config)).private
    assert kept is not None
    assert len(kept) == len(PRIVATE)


def test_the_rule_of_a_record_is_its_own_id(config: Config, tmp_path: Path) -> None:
    """With and without a unit that stands in public, the records that are used are the same, at the same positions."""
    rows = table(0, PRIVATE)
    found = []
    for private in (
        rows,
        rows[rows["patient"] != "e5"],
        rows.assign(lab=rows["lab"].where(rows["patient"] != "e5", 9)),
    ):
        private.to_csv(tmp_path / "private.csv", index=False)
        records = load_study(config).held_here
        assert records.units_N is not None
        found.append((records.features.tobytes(), records.labels_N.tolist(), records.units_N.tolist()))
    assert found[1] == found[0] == found[2]


def test_a_site_leaves_out_the_same_records(config: Config) -> None:
    study = load_study(config)
    own = load_records(
        config, site="north", encoding=study.encoding, classes=study.classes, public_units=study.public_units
    )
    assert own.units_N is not None
    assert study.held_here.units_N is not None
    assert own.units_N.tolist() == study.held_here.units_N.tolist()


def test_a_configuration_that_does_not_name_the_key_keeps_its_run_id(config: Config) -> None:
    assert "shared_units" not in config.content()["data"]["split"]
    assert keeping(config).content()["data"]["split"]["shared_units"] == "keep"


def test_nothing_is_left_out_where_the_public_files_carry_no_ids(config: Config, tmp_path: Path) -> None:
    for name in ("pool", "evaluation"):
        pd.read_csv(tmp_path / f"{name}.csv").drop(columns="patient").to_csv(tmp_path / f"{name}.csv", index=False)
    assert len(load_study(config).held_here) == len(PRIVATE)


@pytest.mark.slow
def test_a_run_tells_the_operator_alone(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said, rows = [], table(0, PRIVATE)
    for number, private in enumerate((rows, rows[rows["patient"] != "e5"])):
        home = tmp_path / f"home-{number}"
        monkeypatch.setenv("PATE_HOME", str(home))
        private.to_csv(tmp_path / "private.csv", index=False)
        capsys.readouterr()
        assert run(["run", str(tmp_path / "shared.yaml"), "--quiet"]) == 0
        err = capsys.readouterr().err
        (note,) = home.glob("runs/*/private/incidents/sharedunits*")
        assert stat.S_IMODE(note.stat().st_mode) == 0o600
        count = len({"P3", "e5"} & set(private["patient"]))
        assert re.match(rf"{count} privacy units of data.private_files stand in the public files", note.read_text())
        assert run(["incident", note.name]) == 0
        capsys.readouterr()
        public = {path.name for path in home.rglob("*") if path.is_file() and "private" not in path.parts}
        assert not any("sharedunits" in name for name in public)
        text = b"".join(path.read_bytes() for path in home.glob("runs/*/public/*.json"))
        assert b"shared_units" not in text
        said.append(err)
    assert said[0] == said[1]

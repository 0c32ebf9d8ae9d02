"""Raw rows of a study whose tables are joined, and what its preprocessing takes from private files: nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pate.scoring.preprocessing import Preprocessing, TableInput
from pipelines.config.experiment import Config, load
from pipelines.data.raw_input import preprocessing_of
from pipelines.data.sources import load_study

CONFIG = """
name: joined
data:
  source: table
  data_id: joined
  task: ill
  private_files: [{path: private.csv, format: {missing: [CANARY], replace: [{column: age, text: CANARY, by: "1"}]}}]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  join: [{path: lab.csv, column: stay, unmatched: keep, TAKEN format: {missing: ["-1"]}}]
  pool: 6
  evaluation: 6
  format: {missing: ["NA"], replace: [{column: age, text: "> 89", by: "90"}]}
  label: {column: ill, classes: ["no", "yes"]}
  features:
    numeric: [{columns: [age, lab], missing: {strategy: public_median, indicator: true}}]
partition: {teachers: 2, by: random}
privacy: {epsilon: 1, delta: 1e-5}
teachers: {model: {kind: logistic}, training: {steps: 1}}
labelling: {max_asked: 2, mechanism: {kind: gnmax, sigma: 40}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 1}}}
"""


def write(folder: Path, taken: str) -> Config:
    for start, name in enumerate(("private", "pool", "evaluation")):
        ages = ["40", "NA", "> 89", "-1", "7", "8"] if start else ["CANARY", "1", "2", "3", "4", "5"]
        rows = [f"{start}{n},{age},{'yes' if n % 2 else 'no'}" for n, age in enumerate(ages)]
        (folder / f"{name}.csv").write_text("\n".join(["stay,age,ill", *rows]) + "\n")
    lab = [f"{start}{n},{value}" for start in range(3) for n, value in enumerate(["2", "-1", "3", "4.5", "-1"])]
    (folder / "lab.csv").write_text("\n".join(["stay,lab", *lab]) + "\n")
    (folder / "study.yaml").write_text(CONFIG.replace("TAKEN", taken))
    return load(folder / "study.yaml")


@pytest.mark.parametrize("taken", ["", "take: [lab],"])
def test_a_row_with_the_columns_of_both_tables_is_read_as_each_table_was(taken: str, tmp_path: Path) -> None:
    config = write(tmp_path, taken)
    study = load_study(config)
    found = preprocessing_of(config, study)
    assert found is not None
    text = found.to_json()
    assert "CANARY" not in text
    raw = Preprocessing.from_json(text).raw
    assert isinstance(raw, TableInput)
    table, lab = (
        pd.read_csv(tmp_path / name, keep_default_na=False, dtype=str) for name in ("evaluation.csv", "lab.csv")
    )
    rows = table.merge(lab, on="stay", how="left")
    np.testing.assert_array_equal(raw.encode(rows), study.evaluation.inputs)
    typed = rows.assign(lab=pd.to_numeric(rows["lab"]))
    np.testing.assert_array_equal(raw.encode(typed), study.evaluation.inputs)

"""A student and its preprocessing in one folder, opened by one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pate.data.encoding import NumericColumns, fit_encoder
from pate.data.files.file_format import FileFormat
from pate.errors import InputError
from pate.models import TreesSpec, fit_trees
from pate.scoring.preprocessing import ArrayInput, Preprocessing, TableInput
from pate.scoring.scorer import load_student
from pate.scoring.travelling import score_columns
from pate.student.export import read_spec, save_exported
from pate.values import Released

PUBLIC = Released.public
ROWS = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
CLASSES = ("no", "yes")


def table_input() -> Preprocessing:
    pool = pd.DataFrame({"lab": ["1", "2", "4"], "age": ["30", "60", "90"]}, dtype="str")
    encoder = fit_encoder(pool, (NumericColumns(columns=("lab", "age")),), ())
    return Preprocessing(classes=CLASSES, raw=TableInput.of(FileFormat(), encoder))


def saved(folder: Path, network: nn.Module, preprocessing: Preprocessing | None) -> None:
    text = None if preprocessing is None else PUBLIC(preprocessing.to_json())
    save_exported(PUBLIC(network), PUBLIC(ROWS[:4]), folder, text)


def linear() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(2, 2).eval()


def test_rows_get_class_names_and_the_probabilities_of_the_student(tmp_path: Path) -> None:
    saved(tmp_path / "student", linear(), table_input())
    scorer = load_student(tmp_path)
    rows = [{"lab": 1.5, "age": 40}, {"lab": "3", "age": "70"}]
    inputs = torch.from_numpy(scorer.encode(rows))
    with torch.no_grad():
        expected = linear()(inputs).softmax(dim=1).numpy()
    np.testing.assert_array_equal(scorer.predict_proba(rows), expected)
    assert scorer.predict(rows) == [CLASSES[index] for index in expected.argmax(axis=1)]
    found = scorer.scores(pd.DataFrame(rows))
    assert list(found.columns) == score_columns(CLASSES) == ["prediction", "probability_no", "probability_yes"]
    np.testing.assert_array_equal(found[["probability_no", "probability_yes"]].to_numpy(), expected.astype(float))
    assert len(scorer.predict_proba({"lab": 1.5, "age": 40})) == 1, "one row alone"
    for wrong in ([1, 2], 7):
        with pytest.raises(InputError, match="column name"):
            scorer.predict(wrong)  # type: ignore[arg-type]


def test_trees_take_images_in_their_shape(tmp_path: Path) -> None:
    labels = (ROWS[:, 0] > 0).astype(np.int64)
    trees = fit_trees(TreesSpec(rounds=3), ROWS, labels, 2, seed=0)
    raw = ArrayInput(shape=(1, 1, 2), bounds=None)
    saved(tmp_path, trees, Preprocessing(classes=CLASSES, raw=raw))
    images = ROWS.reshape(-1, 1, 1, 2)
    expected = trees(torch.from_numpy(ROWS)).softmax(dim=1).numpy()
    np.testing.assert_array_equal(load_student(tmp_path).predict_proba(images), expected)


def test_preprocessing_that_was_altered_or_is_missing_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, linear(), table_input())
    path = tmp_path / "preprocessing.json"
    path.write_text(path.read_text().replace("60.0", "61.0"))
    with pytest.raises(InputError, match="preprocessing"):
        read_spec(tmp_path)
    path.unlink()
    with pytest.raises(InputError):
        load_student(tmp_path)


def test_a_student_without_preprocessing_says_so_and_keeps_its_description(tmp_path: Path) -> None:
    saved(tmp_path, linear(), table_input())
    saved(tmp_path, linear(), None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input_example.npy", "model.json", "model.pt2"]
    assert "preprocessing" not in (tmp_path / "model.json").read_text(), "as older versions wrote it"
    with pytest.raises(InputError, match="encoded inputs"):
        load_student(tmp_path)

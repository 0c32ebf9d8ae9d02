"""Models that take images, arrays or rows, as MLflow opens them; no run is needed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from pate.data.categories import CategoricalColumns
from pate.data.encoding import NumericColumns, fit_encoder
from pate.data.files.file_format import FileFormat
from pate.data.files.images import Pixels
from pate.errors import InputError
from pate.models import TreesSpec, fit_trees
from pate.scoring.preprocessing import ArrayInput, ImageInput, Preprocessing, RawInput, TableInput
from pate.scoring.scorer import load_student
from pate.student.export import save_exported
from pate.values import Released
from pipelines.operations.predict import predict
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.mlflow.model import write_model_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*AnyType:UserWarning"),  # of MLflow's own classes
]
PUBLIC = Released.public
CLASSES = ("ill", "well")


def network(size: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(size, 2)).eval()


def opened(home: Path, model: nn.Module, raw: RawInput, rows: np.ndarray) -> tuple[RunFolder, Any]:
    """The folder of a run with this student, and the model that MLflow makes of it."""
    folder = RunFolder(home, "study-1")
    folder.public.mkdir(parents=True)
    text = Preprocessing(classes=CLASSES, raw=raw).to_json()
    save_exported(PUBLIC(model), PUBLIC(rows), folder.student, PUBLIC(text))
    target = home / "model"
    target.mkdir()
    write_model_folder(folder.student, target, model_id="m-1", mlflow_run="r-1", tags={"epsilon": "1"})
    return folder, mlflow.pyfunc.load_model(str(target))


def png(values: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(values).save(written, format="PNG")
    return written.getvalue()


def test_a_student_of_images_takes_the_bytes_of_their_files(tmp_path: Path) -> None:
    raw = ImageInput(pixels=Pixels(height=4, width=4, channels=1))
    rows = np.random.default_rng(0).random((4, 1, 4, 4), dtype=np.float32)
    folder, served = opened(tmp_path, network(16), raw, rows)
    pictures = [np.random.default_rng(n).integers(0, 256, (9, 7), dtype=np.uint8) for n in range(3)]
    (tmp_path / "new").mkdir()
    for number, picture in enumerate(pictures):
        (tmp_path / "new" / f"{number}.png").write_bytes(png(picture))
    expected = load_student(folder.public).scores(pictures)
    found = served.predict(pd.DataFrame({"image": [png(picture) for picture in pictures]}))
    pd.testing.assert_frame_equal(found, expected)
    assert len(served.predict(served.input_example)) == 1
    filed = predict(folder, tmp_path / "new")
    assert filed["file"].tolist() == ["0.png", "1.png", "2.png"]
    pd.testing.assert_frame_equal(filed.drop(columns="file"), expected)
    assert len(predict(folder, tmp_path / "new" / "1.png")) == 1
    with pytest.raises(InputError, match="1 of 1"):
        served.predict(pd.DataFrame({"image": [b"no image"]}))
    (tmp_path / "new" / "table.csv").write_text("a,b\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="folder of images"):
        predict(folder, tmp_path / "empty")


def test_a_student_of_arrays_gives_its_scores_and_refuses_another_range(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((4, 1, 2, 2), dtype=np.float32)
    folder, served = opened(tmp_path, network(4), ArrayInput(shape=(1, 2, 2), bounds=(0.0, 1.0)), rows)
    with torch.no_grad():
        expected = network(4)(torch.from_numpy(rows)).numpy()
    np.testing.assert_array_equal(served.predict(rows), expected)
    with pytest.raises(InputError, match="divide by 255"):
        served.predict(rows * 255)
    np.save(tmp_path / "rows.npy", rows)
    found = predict(folder, tmp_path / "rows.npy")
    assert found["row"].tolist() == [0, 1, 2, 3]
    assert found["prediction"].tolist() == [CLASSES[index] for index in expected.argmax(axis=1)]
    (tmp_path / "no.npy").write_text("text")
    with pytest.raises(InputError, match="npy"):
        predict(folder, tmp_path / "no.npy")


def test_trees_of_a_table_take_raw_rows(tmp_path: Path) -> None:
    pool = pd.DataFrame({"lab": ["1", "2", "4", "9"], "ward": ["a", "b", "a", "b"]}, dtype="str")
    encoder = fit_encoder(
        pool, (NumericColumns(columns=("lab",)),), (CategoricalColumns(columns=("ward",), unknown="ignore"),)
    )
    rows = encoder.encode(pool, key="pool")
    trees = fit_trees(TreesSpec(rounds=3, min_child_weight=0.0), rows, np.array([0, 0, 1, 1]), 2, seed=0)
    folder, served = opened(tmp_path, trees, TableInput.of(FileFormat(), encoder), rows)
    proba = trees(torch.from_numpy(rows)).softmax(dim=1).numpy().astype(float)
    frame = pd.DataFrame({"ward": ["a", "b", "a", "b"], "lab": [1, 2, 4, 9]})
    found = served.predict(frame)
    np.testing.assert_array_equal(found[["probability_ill", "probability_well"]].to_numpy(), proba)
    assert served.predict(served.input_example)["prediction"][0] in CLASSES
    described = served.metadata.metadata["raw_inputs"]
    assert described == {
        "kind": "table", "classes": list(CLASSES), "columns": {"lab": "number", "ward": "category"}
    }  # fmt: skip
    example = json.loads((tmp_path / "model" / "serving_input_example.json").read_text())
    assert example["dataframe_split"]["columns"] == ["lab", "ward"]
    assert predict(folder, _csv(tmp_path, frame))["prediction"].tolist() == found["prediction"].tolist()


def _csv(folder: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"

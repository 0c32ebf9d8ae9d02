"""A student as MLflow serves it, and the code that travels with it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import torch

from pate.models.boosted_trees import Trees
from pate.scoring.pictures import Picture
from pate.scoring.preprocessing import ImageInput, TableInput
from pate.scoring.scorer import load_student
from pate.student.export import MODEL_FILES

IMAGE_COLUMN = "image"
"""Column of encoded images."""
LOADER = "pate_student"
"""Module that opens a student, in the folder of its code."""
ARCHIVE = "pate.zip"
_MIDNIGHT = (1980, 1, 1, 0, 0, 0)


@final
class Served:
    """The student of an MLflow model's folder.

    Args:
        folder: of the model; its files were checked by their hashes when they were written, and are again.
    """

    def __init__(self, folder: Path) -> None:
        found = [folder / "data" / MODEL_FILES["pt2"], folder / MODEL_FILES["xgboost-json"]]
        self._scorer = load_student(folder, next((path for path in found if path.is_file()), found[0]))

    def predict(self, model_input: Any) -> Any:
        """Names and probabilities of rows or images; of arrays the logits ``[N, C]`` of a network, or the probabilities
        of trees."""
        raw = self._scorer.preprocessing.raw
        if isinstance(raw, TableInput):
            return self._scorer.scores(model_input)
        if isinstance(raw, ImageInput):
            pictures: list[Picture] = list(model_input[IMAGE_COLUMN])
            return self._scorer.scores(pictures)
        inputs = self._scorer.encode(np.asarray(model_input))
        if isinstance(self._scorer.student.network, Trees):
            return self._scorer.student.predict_proba(inputs)
        with torch.inference_mode():
            return self._scorer.student.network(torch.from_numpy(inputs)).numpy()


def travelling_code() -> dict[str, bytes]:
    """Name -> content of the files in the folder of code: all of ``pate`` as a zip of source, and the loader.

    The same source gives the same bytes.
    """
    root = Path(__file__).parents[1]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.py")):
            name = zipfile.ZipInfo((Path("pate") / path.relative_to(root)).as_posix(), _MIDNIGHT)
            name.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(name, path.read_bytes())
    loader = Path(__file__).with_name("loader.py").read_bytes()
    return {ARCHIVE: content.getvalue(), f"{LOADER}.py": loader}


def example_rows(raw: TableInput) -> pd.DataFrame:
    """A row that the student takes: medians or zeros, and the first category of each column."""
    row: dict[str, object] = {}
    for number in raw.encoder.numeric:
        row[number.name] = number.mean if number.fill is None else number.fill
    for code in raw.encoder.categorical:
        row[code.name] = code.categories[0]
    return pd.DataFrame([row])

"""A student as MLflow serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from pate.models.boosted_trees import Trees
from pate.scoring.pictures import Picture
from pate.scoring.preprocessing import ImageInput, TableInput
from pate.scoring.scorer import load_student
from pate.scoring.travelling import IMAGE_COLUMN
from pate.student.export import MODEL_FILES


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

"""Teachers that are estimators of the user's, in the style of scikit-learn.

A fitted estimator has no format but a pickle. It is kept in the private folder alone, is opened only after its SHA-256
was checked against the one recorded when it was written, and is never part of anything that is published.
"""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pate.errors import expected
from pate.models.own_parts import broken, call_part
from pate.models.specs import EstimatorModel
from pate.models.trees_format import read_json
from pate.teachers.weights import BundleWeights

FORMAT = "pate pickled estimators 1"
KEY = "teachers.model.estimator"


@final
class Estimator(nn.Module):
    """A fitted estimator, or none: inputs ``[N, *shape]``, flattened, to logits ``[N, C]``.

    A row is the logarithm of ``predict_proba``, or 0 for the class that ``predict`` names and minus infinity for all
    others. Predictions that are no class, or probabilities that are not finite, are rows of NaN: an abstention.
    """

    def __init__(self, fitted: Any, classes: int, path: str) -> None:
        super().__init__()
        self.fitted = fitted
        self.classes = classes
        self._path = path

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, on the device of the inputs; computed on the processor."""
        rows_NF = inputs.detach().cpu().flatten(1).numpy()
        scores_NC = np.full((len(rows_NF), self.classes), np.nan, dtype=np.float32)
        if self.fitted is not None and len(rows_NF):
            scores_NC = self._scores(rows_NF)
        return torch.from_numpy(scores_NC).to(inputs.device)

    def _scores(self, rows_NF: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        scores_NC = np.zeros((len(rows_NF), self.classes), dtype=np.float32)
        if hasattr(self.fitted, "predict_proba"):
            known = np.asarray(getattr(self.fitted, "classes_", np.arange(self.classes)))
            proba_NK = np.asarray(self.fitted.predict_proba(rows_NF), dtype=np.float32)
            inside = known.dtype.kind in "iu" and bool(((known >= 0) & (known < self.classes)).all())
            if proba_NK.shape != (len(rows_NF), len(known)) or not inside:
                raise broken(KEY, self._path, f"probabilities of shape {proba_NK.shape}, or other classes than labels")
            scores_NC[:, known] = proba_NK
        else:
            named_N = np.asarray(self.fitted.predict(rows_NF))
            if named_N.shape != (len(rows_NF),):
                raise broken(KEY, self._path, f"predictions of shape {named_N.shape}")
            numbers_N = named_N.astype(np.float64)
            class_N = np.where(np.isin(numbers_N, np.arange(self.classes)), numbers_N, -1).astype(np.int64)
            scores_NC[np.flatnonzero(class_N >= 0), class_N[class_N >= 0]] = 1.0
            scores_NC[class_N < 0] = np.nan
        return scores_NC


def fit_estimator(
    model: EstimatorModel, rows_NF: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64], classes: int, seed: int
) -> Estimator:
    """A new estimator of the user's, fitted on one teacher's records.

    Raises:
        InputError: what the function gives has no ``fit`` and ``predict``, or fails.
    """
    made = call_part(model.estimator, classes, seed % 2**31, key=KEY)
    if not hasattr(made, "fit") or not (hasattr(made, "predict") or hasattr(made, "predict_proba")):
        raise broken(KEY, model.estimator, f"{type(made).__name__} without fit and predict")
    if getattr(made, "classes_", None) is not None:
        raise broken(KEY, model.estimator, "an estimator that is fitted already; make a new one at each call")
    try:
        fitted = made.fit(rows_NF, labels_N)
    except Exception as error:
        raise broken(KEY, model.estimator, f"{type(error).__name__} while it is fitted") from error
    return Estimator(made if fitted is None else fitted, classes, model.estimator)


def pack_estimators(fitted: Sequence[Any], teachers: Sequence[int]) -> BundleWeights:
    """The estimators of the teachers with these numbers; ``None`` for one that abstains.

    The document is ``{"format", "teachers": [number, ...], "models": [pickle in base64 or null, ...]}``.
    """
    texts = [None if own is None else base64.b64encode(pickle.dumps(own)).decode() for own in fitted]
    return BundleWeights.of(json.dumps({"format": FORMAT, "teachers": list(teachers), "models": texts}).encode())


def unpack_estimators(model: EstimatorModel, weights: BundleWeights, classes: int) -> dict[int, nn.Module]:
    """Teacher's number -> its estimator, as a network.

    Raises:
        InputError: the content is not what was hashed, or not from ``pack_estimators``.
    """
    document = read_json(weights.checked())
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise expected(f"a document of {FORMAT!r}", "nothing else is ever loaded; train again")
    fitted = [
        None if text is None else pickle.loads(base64.b64decode(text))  # noqa: S301 - private, and its hash was checked
        for text in document["models"]
    ]
    return {
        int(teacher): Estimator(own, classes, model.estimator)
        for teacher, own in zip(document["teachers"], fitted, strict=True)
    }

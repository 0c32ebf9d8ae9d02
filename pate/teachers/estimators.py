"""Teachers that are estimators of the user's, in the style of scikit-learn.

A fitted estimator has no format but a pickle. It is kept in the private folder alone, is opened only after its SHA-256
was checked against the one recorded when it was written, and is never published.
"""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

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
Fitted: TypeAlias = bytes | int | None
"""A pickle; the only class of the records; or ``None``, for a teacher without records."""


@final
@dataclass(frozen=True, slots=True)
class OneClass:
    """The predictor of a teacher whose records have one class."""

    label: int

    def predict(self, rows_NF: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The constant class, once for each row."""
        return np.full(len(rows_NF), self.label, dtype=np.int64)


@final
class Estimator(nn.Module):
    """A fitted estimator, or none: inputs ``[N, *shape]``, flattened, to logits ``[N, C]``.

    A row is that of ``predict_proba``, or 1 for the class that ``predict`` names and 0 for all others. Predictions
    that are no class, or probabilities that are not finite, are rows that are not finite: an abstention.
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
) -> Fitted:
    """One teacher's estimator from its records, one or more: their class if there is one only, else a pickle.

    The user's function is called twice from one seed, and a copy of what it gave is fitted: an object that the user's
    code still holds never learns. The pickle is taken before any other teacher is fitted.

    Raises:
        InputError: what the function gives is not a new estimator at each call, the same for one seed, or fails.
    """
    if labels_N.min() == labels_N.max():
        return int(labels_N[0])
    made, twin = (_made(model, classes, seed) for _ in range(2))
    if made is twin:
        raise broken(KEY, model.estimator, "one object at two calls; make a new one at each call")
    content = _pickled(made, model)
    if content != _pickled(twin, model):
        raise broken(KEY, model.estimator, "another object at a second call; use the seed, keep nothing")
    own = pickle.loads(content)  # noqa: S301 - written above
    if own is made or own is twin:
        raise broken(KEY, model.estimator, "an object whose pickle is the object itself")
    try:
        fitted = own.fit(rows_NF, labels_N)
    except Exception as error:
        raise broken(KEY, model.estimator, f"{type(error).__name__} while it is fitted") from error
    if content != _pickled(twin, model):
        raise broken(KEY, model.estimator, "an object that changes while another is fitted")
    return _pickled(own if fitted is None else fitted, model)


def _made(model: EstimatorModel, classes: int, seed: int) -> Any:
    """Result of one call of the user's function: an unfitted estimator."""
    made = call_part(model.estimator, classes, seed % 2**31, key=KEY)
    if not hasattr(made, "fit") or not (hasattr(made, "predict") or hasattr(made, "predict_proba")):
        raise broken(KEY, model.estimator, f"{type(made).__name__} without fit and predict")
    learned = [name for name in getattr(made, "__dict__", {}) if name.endswith("_") and not name.startswith("__")]
    if learned or getattr(made, "classes_", None) is not None:
        raise broken(KEY, model.estimator, "an estimator that is fitted already; make a new one at each call")
    return made


def _pickled(estimator: Any, model: EstimatorModel) -> bytes:
    try:
        return pickle.dumps(estimator)
    except Exception as error:
        raise broken(KEY, model.estimator, f"an estimator that cannot be pickled ({type(error).__name__})") from error


def pack_estimators(fitted: Sequence[Fitted], teachers: Sequence[int]) -> BundleWeights:
    """Serialise the results of ``fit_estimator`` for the teachers with these numbers.

    The document is ``{"format", "teachers": [number, ...], "models": [pickle in base64, class or null, ...]}``.
    """
    models = [base64.b64encode(own).decode() if isinstance(own, bytes) else own for own in fitted]
    return BundleWeights.of(json.dumps({"format": FORMAT, "teachers": list(teachers), "models": models}).encode())


def unpack_estimators(model: EstimatorModel, weights: BundleWeights, classes: int) -> dict[int, nn.Module]:
    """Teacher's number -> its estimator, as a network.

    Raises:
        InputError: the content is not what was hashed, or not from ``pack_estimators``.
    """
    document = read_json(weights.checked())
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise expected(f"a document of {FORMAT!r}", "no other format is read; train again")
    return {
        int(teacher): Estimator(_opened(own), classes, model.estimator)
        for teacher, own in zip(document["teachers"], document["models"], strict=True)
    }


def _opened(content: str | int | None) -> Any:
    """The estimator of one teacher; the hash of the document was checked before."""
    if isinstance(content, int):
        return OneClass(content)
    return None if content is None else pickle.loads(base64.b64decode(content))  # noqa: S301 - private and checked

"""The student, which is published: a classifier that was trained on public inputs and released labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pate.errors import expected
from pate.models.training import FloatArray, IntArray, as_inputs, as_labels
from pate.student.calibration import ConfidenceBin, calibration


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """State of training after ``step`` updates; computed from public inputs and released labels alone.

    Attributes:
        step: updates done.
        loss: mean training loss since the last point.
        agreement: fraction of the released labels that the student reproduces, in training.
        held_out: the same on released labels that were set aside; ``None`` if there are none.
        used: mean fraction of the unlabelled batch that entered the loss since the last point.
    """

    step: int
    loss: float
    agreement: float
    held_out: float | None
    used: float


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """A trained classifier.

    Attributes:
        network: inputs ``[N, *input_shape]`` float32 -> logits ``[N, C]``; in evaluation mode, on the CPU.
        classes: C.
        input_shape: shape of one input.
        curve: learning curve.
        fits: how many there were; more than one where the pool showed that a fit had lost a class.
    """

    network: nn.Module
    classes: int
    input_shape: tuple[int, ...]
    curve: tuple[CurvePoint, ...]
    fits: int = 1

    def predict_proba(self, inputs: FloatArray | Tensor, batch_size: int = 1024) -> npt.NDArray[np.float32]:
        """Class probabilities ``[N, C]``."""
        inputs_N = as_inputs(inputs)
        if tuple(inputs_N.shape[1:]) != self.input_shape:
            raise expected(
                f"inputs of shape (N, {', '.join(map(str, self.input_shape))})",
                "reshape them as in training",
                shape=tuple(inputs_N.shape),
            )
        with torch.inference_mode():
            parts = [
                self.network(inputs_N[start : start + batch_size]).softmax(dim=1).numpy()
                for start in range(0, len(inputs_N), batch_size)
            ]
        return np.concatenate([np.zeros((0, self.classes), dtype=np.float32), *parts])

    def predict(self, inputs: FloatArray | Tensor) -> npt.NDArray[np.int64]:
        """The likeliest class of each input ``[N]``, ties to the lowest."""
        classes_N: npt.NDArray[np.int64] = self.predict_proba(inputs).argmax(axis=1)
        return classes_N

    def with_encoder(self, encoder: nn.Module, input_shape: tuple[int, ...]) -> Student:
        """Prepend a public encoder, so that the student takes raw inputs.

        Args:
            encoder: inputs ``[N, *input_shape]`` -> the features that this student takes.
            input_shape: shape of one input.
        """
        return replace(self, network=nn.Sequential(encoder.cpu().eval(), self.network), input_shape=input_shape)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Metrics of a student on labelled data; as private as the labels that they were computed from.

    Attributes:
        count: N.
        accuracy: fraction of correct predictions.
        log_loss: mean negative log probability of the true class, nats.
        class_accuracy: recall of each class; NaN for a class that does not occur.
        calibration: accuracy per confidence bin.
    """

    count: int
    accuracy: float
    log_loss: float
    class_accuracy: tuple[float, ...]
    calibration: tuple[ConfidenceBin, ...]


def evaluate(student: Student, inputs: FloatArray | Tensor, labels: IntArray | Tensor) -> Evaluation:
    """Compare a student's predictions with labels in ``0..C-1``.

    Raises:
        InputError: no records, or labels and inputs do not match.
    """
    labels_N = as_labels(labels).numpy()
    proba_NC = student.predict_proba(inputs)
    if labels_N.shape != (len(proba_NC),) or len(labels_N) == 0:
        raise expected("one label per input and at least one", "check the evaluation data", inputs=len(proba_NC))
    if labels_N.min() < 0 or labels_N.max() >= student.classes:
        raise expected(f"labels in 0..{student.classes - 1}", "check the evaluation data")
    right_N = proba_NC.argmax(axis=1) == labels_N
    true_N = proba_NC[np.arange(len(labels_N)), labels_N].astype(np.float64)
    of_class = [right_N[labels_N == c] for c in range(student.classes)]
    return Evaluation(
        count=len(labels_N),
        accuracy=float(right_N.mean()),
        log_loss=float(-np.log(np.maximum(true_N, np.finfo(np.float32).tiny)).mean()),
        class_accuracy=tuple(float(own.mean()) if len(own) else float("nan") for own in of_class),
        calibration=calibration(proba_NC, labels_N),
    )

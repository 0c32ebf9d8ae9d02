"""A student of boosted trees, which may teach itself on the rest of the pool (Scudder 1965; Lee 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch

from pate.errors import expected
from pate.features.encoder import Encoder
from pate.models.boosted_trees import Abstainer, Trees, TreesSpec, fit_trees
from pate.randomness import derive_seed
from pate.student.learning import OnProgress
from pate.student.pool import LabeledPool
from pate.student.student import CurvePoint, Student


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedTrees:
    """Fits trees to the released labels; then, in each round of self-training, anew to these and to the guesses of
    the round before on the inputs without a label, where it was confident.

    Attributes:
        spec: the trees.
        self_training: how many such rounds; 0 uses the released labels alone.
        threshold: confidence that a guess needs to take part.
        weight: of a guess, where a released label weighs 1.
    """

    spec: TreesSpec
    self_training: int = 0
    threshold: float = 0.8
    weight: float = 0.5

    def __post_init__(self) -> None:
        if self.self_training < 0:
            raise expected("self_training >= 0", "0 turns it off", self_training=self.self_training)
        if not 0 <= self.threshold <= 1:
            raise expected("0 <= threshold <= 1", "give a confidence", threshold=self.threshold)
        if not 0 < self.weight <= 1:
            raise expected("0 < weight <= 1", "a guess counts no more than a label", weight=self.weight)

    def fit(
        self,
        pool: LabeledPool,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        on_progress: OnProgress | None = None,
        start: Encoder | None = None,
    ) -> Student:
        """Train a student on the processor; see ``pate.student.learning.Learner``."""
        if start is not None:
            raise expected("no encoder to begin with", "trees have no weights to copy it to; leave student.start out")
        inputs, labels = (part.numpy() for part in pool.labelled())
        rest = pool.inputs[pool.labels < 0].numpy()
        trees = self._fitted(inputs, labels, np.ones(len(labels)), pool.classes, derive_seed(seed, "trees", 0))
        curve = [_point(1, trees, inputs, labels, used=0.0)]
        for number in range(1, self.self_training + 1):
            if on_progress is not None:
                on_progress(curve[-1])
            belief = _belief(trees, rest)
            sure = belief.max(axis=1, initial=0) >= self.threshold
            trees = self._fitted(
                np.concatenate([inputs, rest[sure]]),
                np.concatenate([labels, belief[sure].argmax(axis=1)]),
                np.concatenate([np.ones(len(labels)), np.full(int(sure.sum()), self.weight)]),
                pool.classes,
                derive_seed(seed, "trees", number),
            )
            curve.append(_point(number + 1, trees, inputs, labels, used=float(sure.mean()) if len(sure) else 0.0))
        if on_progress is not None:
            on_progress(curve[-1])
        return Student(network=trees.eval(), classes=pool.classes, input_shape=pool.input_shape, curve=tuple(curve))

    def _fitted(
        self,
        inputs: npt.NDArray[np.float32],
        labels: npt.NDArray[np.int64],
        weights: npt.NDArray[np.float64],
        classes: int,
        seed: int,
    ) -> Trees:
        trees = fit_trees(self.spec, inputs, labels, classes, seed=seed, weights_N=weights)
        if isinstance(trees, Abstainer):
            raise expected("finite public inputs", "declare how missing values are filled")
        return trees


def _belief(trees: Trees, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = trees(torch.from_numpy(inputs)).softmax(dim=1).numpy()
    return found


def _point(
    step: int, trees: Trees, inputs: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, used: float
) -> CurvePoint:
    belief = _belief(trees, inputs)
    right = belief[np.arange(len(labels)), labels].astype(np.float64)
    loss = float(-np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean())
    agreement = float((belief.argmax(axis=1) == labels).mean())
    return CurvePoint(step=step, loss=loss, agreement=agreement, held_out=None, used=used)

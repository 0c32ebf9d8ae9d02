"""A student of boosted trees, with optional self-training on the rest of the pool (Scudder 1965; Lee 2013)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from pate.errors import expected
from pate.models.boosted_trees import Abstainer, Trees, fit_trees
from pate.models.specs import TreesSpec
from pate.randomness import derive_seed
from pate.student.learning import OnProgress
from pate.student.pool import LabeledPool
from pate.student.student import CurvePoint, Student


def fit_boosted_trees(
    pool: LabeledPool,
    spec: TreesSpec,
    *,
    rounds: int,
    threshold: float,
    weight: float,
    seed: int,
    on_progress: OnProgress | None,
) -> Student:
    """Fit trees to the released labels, then anew in each of ``rounds`` of self-training.

    Args:
        pool: public inputs and released labels.
        spec: the trees.
        rounds: of self-training.
        threshold: confidence that a pseudo-label needs to be used.
        weight: of a pseudo-label, where a released label weighs 1.
        seed: of all fits.
        on_progress: called after each fit.
    """
    inputs, labels = (part.numpy() for part in pool.labelled())
    rest = pool.inputs[pool.labels < 0].numpy()
    trees = _fitted(spec, inputs, labels, np.ones(len(labels)), pool.classes, derive_seed(seed, "trees", 0))
    curve = [_point(1, trees, inputs, labels, used=0.0)]
    for number in range(1, rounds + 1):
        if on_progress is not None:
            on_progress(curve[-1])
        probs = _probs(trees, rest)
        sure = probs.max(axis=1, initial=0) >= threshold
        trees = _fitted(
            spec,
            np.concatenate([inputs, rest[sure]]),
            np.concatenate([labels, probs[sure].argmax(axis=1)]),
            np.concatenate([np.ones(len(labels)), np.full(int(sure.sum()), weight)]),
            pool.classes,
            derive_seed(seed, "trees", number),
        )
        curve.append(_point(number + 1, trees, inputs, labels, used=float(sure.mean()) if len(sure) else 0.0))
    if on_progress is not None:
        on_progress(curve[-1])
    return Student(network=trees.eval(), classes=pool.classes, input_shape=pool.input_shape, curve=tuple(curve))


def _fitted(
    spec: TreesSpec,
    inputs: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    classes: int,
    seed: int,
) -> Trees:
    trees = fit_trees(spec, inputs, labels, classes, seed=seed, weights_N=weights)
    if isinstance(trees, Abstainer):
        raise expected("finite public inputs", "declare how missing values are filled")
    return trees


def _probs(trees: Trees, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = trees(torch.from_numpy(inputs)).softmax(dim=1).numpy()
    return found


def _point(
    step: int, trees: Trees, inputs: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], *, used: float
) -> CurvePoint:
    probs = _probs(trees, inputs)
    true = probs[np.arange(len(labels)), labels].astype(np.float64)
    loss = float(-np.log(np.maximum(true, np.finfo(np.float32).tiny)).mean())
    agreement = float((probs.argmax(axis=1) == labels).mean())
    return CurvePoint(step=step, loss=loss, agreement=agreement, held_out=None, used=used)

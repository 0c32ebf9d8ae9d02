"""Teachers of the user's, tried on public inputs with made-up labels before any record is touched."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pate.errors import PateError
from pate.models.own_parts import broken, own_draws
from pate.models.specs import CustomModel, EstimatorModel, TrainSpec
from pate.models.training import FloatArray, IntArray
from pate.teachers import estimators, own_networks
from pate.teachers.estimators import fit_estimator
from pate.teachers.kinds import TeacherSpec
from pate.teachers.training import train_bundle
from pate.teachers.voting import vote
from pate.votes import VoteArray

STEPS = 2
MOST_INPUTS = 256


def rehearse_teachers(
    model: TeacherSpec, inputs: FloatArray | torch.Tensor, *, train: TrainSpec | None, classes: int, seed: int
) -> None:
    """Fit and ask teachers of the user's; nothing is done for the kinds that pate brings along.

    Tried are a partition of a usual size, the smallest one that the user's code sees, and the first again after
    others were fitted in the same process: what a teacher is may not follow from them.

    Args:
        model: what a teacher is.
        inputs: public, ``[N, ...]``, as a teacher sees them; the labels are made up.
        train: of networks; shortened here.
        classes: C.
        seed: of the rehearsal.

    Raises:
        InputError: the user's code does not meet its contract; with its key and what it did.
    """
    if not isinstance(model, CustomModel | EstimatorModel):
        return
    key, path, smallest = (
        (own_networks.KEY, model.builder, 1) if isinstance(model, CustomModel) else (estimators.KEY, model.estimator, 2)
    )
    rows = _enough(np.asarray(inputs, dtype=np.float32), max(4 * classes, 32))
    short = None if train is None else replace(train, epochs=None, steps=STEPS)
    labels = np.arange(len(rows)) % classes

    def fitted(order: Sequence[int], number: int) -> tuple[bytes, VoteArray]:
        """Weights and votes of one teacher, in a bundle of its own; a pickle may differ where votes are the same."""
        try:
            partition = (rows[list(order)], labels[: len(order)])
            weights = train_bundle(
                [partition], teachers=[number], model=model, train=short, input_shape=rows.shape[1:], classes=classes,
                seed=seed,
            )  # fmt: skip
            votes = vote(weights, rows, model=model, classes=classes)
        except PateError:
            raise
        except Exception as error:
            raise broken(
                key, path, f"{type(error).__name__} where it is fitted on {len(order)} inputs, or asked"
            ) from error
        return weights.content if isinstance(model, CustomModel) else b"", votes

    half = len(rows) // 2  # the other inputs are asked without having been learned
    if isinstance(model, EstimatorModel) and _draws(model, rows[:half], labels[:half], classes, seed):
        raise broken(key, path, "another teacher after others were fitted, drawn from a global generator; use the seed")
    content, votes = fitted(range(half), 0)
    fitted(range(smallest), 1)
    fitted(range(1, len(rows)), 2)
    again, votes_again = fitted(range(half), 0)
    if content != again or not np.array_equal(votes, votes_again):
        raise broken(key, path, "another teacher after others were fitted; use the seed, keep nothing")


def _draws(model: EstimatorModel, rows: FloatArray, labels: IntArray, classes: int, seed: int) -> bool:
    """True if fitting an estimator draws from the global generator of Python or numpy."""
    with own_draws(seed):
        unused = random.random(), np.random.random_sample()
    with own_draws(seed):
        fit_estimator(model, rows.reshape(len(rows), -1).copy(), labels.astype(np.int64), classes, seed)
        return (random.random(), np.random.random_sample()) != unused


def _enough(rows: FloatArray, least: int) -> FloatArray:
    """Between ``least`` and ``MOST_INPUTS`` rows, or ``least`` where that is more; repeated if there are too few."""
    count = max(least, min(len(rows), MOST_INPUTS))
    return rows[np.arange(count) % len(rows)]

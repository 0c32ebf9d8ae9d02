"""Fit a bundle of teachers, each on its own partition."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pate.errors import expected
from pate.features.encoder import PackedEncoder
from pate.models.specs import Shape, Strategy, TrainSpec
from pate.models.training import FloatArray, as_inputs
from pate.randomness import derive_seed
from pate.teachers.kinds import Fitting, TeacherRecords, TeacherSpec, fit_teachers
from pate.teachers.weights import BundleWeights


def train_bundle(
    partitions: Sequence[TeacherRecords],
    *,
    teachers: Sequence[int],
    model: TeacherSpec,
    train: TrainSpec | None,
    input_shape: Shape,
    classes: int,
    seed: int,
    device: str | torch.device = "cpu",
    strategy: Strategy = "sequential",
    encoder: PackedEncoder | None = None,
) -> BundleWeights:
    """Train several teachers, each on its own records and from its own seed.

    A teacher's weights are a function of its number, its partition and what is public (the configuration, who is in
    the bundle, the device and its number of threads), to the last bit: one changed record changes one teacher, and the
    guarantee relies on it. Another bundle changes them by rounding at most. A tiny or one-class partition is normal:
    that teacher votes as trained. A teacher without records is kept and abstains on every query, so that the roster
    does not reveal which teachers had records.

    Args:
        partitions: per teacher, inputs ``[N, *input_shape]`` and labels ``[N]`` in ``0..C-1``. Private.
        teachers: per teacher, its number in the roster.
        model: a network's architecture or trees, one for all.
        train: how to fit networks, one for all; ``None`` for trees.
        input_shape: shape of one input.
        classes: C.
        seed: of the whole ensemble.
        device: where to compute.
        strategy: see ``pate.models.bundle.fit_bundle``; without effect on trees.
        encoder: from public data; teachers then learn from features ``[N, D]``, computed here once per record.

    Raises:
        InputError: no teachers, one named twice, or unusable partitions.
    """
    if not teachers or len(set(teachers)) != len(teachers) or len(teachers) != len(partitions):
        raise expected(
            "one partition for each of one or more different teachers",
            "give sequences of equal length",
            teachers=len(teachers),
            different=len(set(teachers)),
            partitions=len(partitions),
        )
    if encoder is not None:
        made = encoder.open()
        partitions = [(made.encode(_own_copy(inputs), device), labels) for inputs, labels in partitions]
        input_shape = (made.width,)
    seeds = [derive_seed(seed, "teacher", teacher) for teacher in teachers]
    fitting = Fitting(train=train, input_shape=input_shape, classes=classes, device=device, strategy=strategy)
    return fit_teachers(model, partitions, teachers, seeds, fitting)


def _own_copy(inputs: FloatArray) -> torch.Tensor:
    """Inputs copied to memory of their own: rounding in matrix products depends on the array's alignment, which in a
    shared array depends on the number of the others' records.
    """
    return as_inputs(inputs).clone()

"""Fit a bundle of teachers, each on its own partition."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from pate.errors import expected
from pate.features.encoder import PackedEncoder
from pate.models.architectures import ModelSpec, Shape, build
from pate.models.training import FloatArray, IntArray, Records, Strategy, TrainSpec, fit_bundle
from pate.randomness import derive_seed
from pate.teachers.weights import BundleWeights, pack


def train_bundle(
    partitions: Sequence[tuple[FloatArray, IntArray]],
    *,
    teachers: Sequence[int],
    model: ModelSpec,
    train: TrainSpec,
    input_shape: Shape,
    classes: int,
    seed: int,
    device: str | torch.device = "cpu",
    strategy: Strategy = "sequential",
    encoder: PackedEncoder | None = None,
) -> BundleWeights:
    """Train several teachers, each on its own records and from its own seed.

    A teacher's result depends on its number, its partition and public configuration only, not on which bundle
    it is in. A tiny or one-class partition is normal: that teacher votes what it learned. A teacher without
    records is kept and abstains on every query, so that the roster does not tell who had records.

    Args:
        partitions: per teacher, inputs ``[N, *input_shape]`` and labels ``[N]`` in ``0..C-1``. Private.
        teachers: per teacher, its number in the roster.
        model: the architecture, one for all.
        train: how to fit, one for all.
        input_shape: shape of one input.
        classes: C.
        seed: of the whole ensemble.
        device: where to compute.
        strategy: see ``pate.models.training.fit_bundle``.
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
        partitions = [(made.encode(inputs, device), labels) for inputs, labels in partitions]
        input_shape = (made.width,)
    seeds = [derive_seed(seed, "teacher", teacher) for teacher in teachers]
    networks = [build(model, input_shape, classes, derive_seed(own, "weights")) for own in seeds]
    filled = [position for position, (_, labels) in enumerate(partitions) if len(labels)]
    fit_bundle(
        [networks[position] for position in filled],
        [_records(partitions[position], input_shape, classes) for position in filled],
        train,
        seeds=[seeds[position] for position in filled],
        device=device,
        strategy=strategy,
    )
    for position in set(range(len(networks))) - set(filled):
        _silence(networks[position])
    return pack(networks, teachers)


def _records(partition: tuple[FloatArray, IntArray], input_shape: Shape, classes: int) -> Records:
    records = Records.of(*partition, classes)
    if tuple(records.inputs.shape[1:]) != tuple(input_shape):
        raise expected("private inputs of the configured shape", "check the data source", input_shape=input_shape)
    return records


def _silence(network: nn.Module) -> None:
    """Fill the weights with NaN: every logit is NaN, and a NaN logit is an abstention."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.nan)

"""The two things in which kinds of teachers differ: how a bundle is fitted, and how its weights are read.

Everything else (roster, seeds, votes, abstentions) is the same for all; a new kind is registered here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeAlias, final

import torch
from torch import nn

from pate.errors import expected
from pate.models.architectures import build
from pate.models.boosted_trees import Abstainer, Trees, fit_trees
from pate.models.bundle import fit_bundle
from pate.models.specs import ModelSpec, Shape, Strategy, TrainSpec, TreesSpec
from pate.models.training import FloatArray, IntArray, Records
from pate.randomness import derive_seed
from pate.teachers.tree_weights import pack_trees, unpack_trees
from pate.teachers.weights import BundleWeights, pack, unpack

TeacherSpec: TypeAlias = ModelSpec | TreesSpec
TeacherRecords: TypeAlias = tuple[FloatArray, IntArray]
"""Inputs ``[N, *input_shape]`` and labels ``[N]`` of one teacher; N may be 0."""


_SUFFIX: dict[type, str] = {ModelSpec: "safetensors", TreesSpec: "json"}


def suffix_of(model: TeacherSpec) -> str:
    """How the name of a file of weights ends."""
    return _SUFFIX[type(model)]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What is the same for all teachers of a bundle.

    Attributes:
        train: how networks are fitted; ``None`` for trees, whose spec says it.
        input_shape: shape of one input.
        classes: C.
        device: where networks compute.
        strategy: of networks; trees are fitted one after the other.
    """

    train: TrainSpec | None
    input_shape: Shape
    classes: int
    device: str | torch.device
    strategy: Strategy


@singledispatch
def fit_teachers(
    model: object, partitions: Sequence[TeacherRecords], teachers: Sequence[int], seeds: Sequence[int], fitting: Fitting
) -> BundleWeights:
    """Fit the teachers of one bundle; who has no records abstains on every query.

    Each is a function of its own records, number and seed. Who has no records keeps its place in the computation, with
    one record that stands in and is forgotten afterwards: left out, it would shift the others.

    Args:
        model: what each teacher is; decides which function below is called.
        partitions: the records of each teacher.
        teachers: per teacher, its number in the roster.
        seeds: per teacher.
        fitting: what is the same for all.
    """
    raise expected("a kind of teacher that is registered", "register it in pate.teachers.kinds", kind=type(model))


@singledispatch
def read_teachers(model: object, weights: BundleWeights, input_shape: Shape, classes: int) -> dict[int, nn.Module]:
    """Teacher's number -> from inputs to logits, in evaluation mode; the hash is checked before anything is read."""
    raise expected("a kind of teacher that is registered", "register it in pate.teachers.kinds", kind=type(model))


@fit_teachers.register
def _fit_networks(
    model: ModelSpec,
    partitions: Sequence[TeacherRecords],
    teachers: Sequence[int],
    seeds: Sequence[int],
    fitting: Fitting,
) -> BundleWeights:
    if fitting.train is None:
        raise expected("a TrainSpec for networks", "say how they are fitted", kind=model.kind)
    input_shape, classes = fitting.input_shape, fitting.classes
    networks = [build(model, input_shape, classes, derive_seed(own, "weights")) for own in seeds]
    empty = [len(labels) == 0 for _, labels in partitions]
    stand_in = Records(inputs=torch.zeros(1, *input_shape), labels=torch.zeros(1, dtype=torch.int64))
    fit_bundle(
        networks,
        [
            stand_in if none else _records(partition, input_shape, classes)
            for partition, none in zip(partitions, empty, strict=True)
        ],
        fitting.train,
        seeds=seeds,
        device=fitting.device,
        strategy=fitting.strategy,
    )
    for network, none in zip(networks, empty, strict=True):
        if none:
            _silence(network)
    return pack(networks, teachers)


@fit_teachers.register
def _fit_boosted_trees(
    model: TreesSpec,
    partitions: Sequence[TeacherRecords],
    teachers: Sequence[int],
    seeds: Sequence[int],
    fitting: Fitting,
) -> BundleWeights:
    if fitting.train is not None:
        raise expected("no TrainSpec for boosted trees", "their spec says how they are fitted", kind=model.kind)
    fitted: list[Trees | Abstainer] = []
    for partition, seed in zip(partitions, seeds, strict=True):
        if len(partition[1]) == 0:
            fitted.append(Abstainer(fitting.classes))
            continue
        records = _records(partition, fitting.input_shape, fitting.classes)
        fitted.append(fit_trees(model, records.inputs.numpy(), records.labels.numpy(), fitting.classes, seed=seed))
    return pack_trees(fitted, teachers)


@read_teachers.register
def _read_networks(model: ModelSpec, weights: BundleWeights, input_shape: Shape, classes: int) -> dict[int, nn.Module]:
    return unpack(weights, model, input_shape, classes)


@read_teachers.register
def _read_boosted_trees(
    model: TreesSpec, weights: BundleWeights, input_shape: Shape, classes: int
) -> dict[int, nn.Module]:
    return unpack_trees(weights, input_shape, classes)


def _records(partition: TeacherRecords, input_shape: Shape, classes: int) -> Records:
    records = Records.of(*partition, classes)
    if tuple(records.inputs.shape[1:]) != tuple(input_shape):
        raise expected("private inputs of the configured shape", "check the data source", input_shape=input_shape)
    return records


def _silence(network: nn.Module) -> None:
    """Fill the weights with NaN: every logit is NaN, and a NaN logit is an abstention."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.nan)

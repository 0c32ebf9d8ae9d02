"""Kinds of teachers: how a bundle is fitted, and how its weights are read.

Everything else (roster, seeds, votes, abstentions) is the same for all; a new kind is registered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeAlias, final

import torch
from torch import nn

from pate.errors import expected
from pate.models.architectures import build
from pate.models.boosted_trees import Abstainer, Trees, fit_trees
from pate.models.bundle import fit_bundle
from pate.models.own_parts import own_draws
from pate.models.specs import CustomModel, EstimatorModel, ModelSpec, Shape, Strategy, TrainSpec, TreesSpec
from pate.models.training import FloatArray, IntArray, Records
from pate.randomness import derive_seed
from pate.teachers.estimators import Fitted, fit_estimator, pack_estimators, unpack_estimators
from pate.teachers.own_networks import build_own, silence
from pate.teachers.tree_weights import pack_trees, unpack_trees
from pate.teachers.weights import BundleWeights, pack, unpack, unpack_into

TeacherSpec: TypeAlias = ModelSpec | TreesSpec | CustomModel | EstimatorModel
TeacherRecords: TypeAlias = tuple[FloatArray, IntArray]
"""Inputs ``[N, *input_shape]`` and labels ``[N]`` of one teacher; N may be 0."""


_SUFFIX: dict[type, str] = {
    ModelSpec: "safetensors",
    TreesSpec: "json",
    CustomModel: "safetensors",
    EstimatorModel: "json",
}


def suffix_of(model: TeacherSpec) -> str:
    """Suffix of the name of a file of weights."""
    return _SUFFIX[type(model)]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """Settings that all teachers of a bundle share.

    Attributes:
        train: how networks are fitted; ``None`` for trees, whose spec contains it.
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
    """Fit the teachers of one bundle; a teacher without records abstains on every query.

    Each is a function of its own records, number and seed. A teacher without records keeps its position in the
    computation, with one record of zeros, and its weights are discarded afterwards: without it, the positions of the
    others would change.

    Args:
        model: of each teacher; selects the function below.
        partitions: the records of each teacher.
        teachers: per teacher, its number in the roster.
        seeds: per teacher.
        fitting: shared settings.
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
    input_shape, classes = fitting.input_shape, fitting.classes
    networks = [build(model, input_shape, classes, derive_seed(own, "weights")) for own in seeds]
    return pack(_fitted(networks, model.kind, partitions, seeds, fitting, fitting.strategy), teachers)


@fit_teachers.register
def _fit_own_networks(
    model: CustomModel,
    partitions: Sequence[TeacherRecords],
    teachers: Sequence[int],
    seeds: Sequence[int],
    fitting: Fitting,
) -> BundleWeights:
    """One after the other: fused modules of the user's are not proven independent."""
    shape, classes = fitting.input_shape, fitting.classes
    networks = []
    for partition, own in zip(partitions, seeds, strict=True):
        network = build_own(model, shape, classes, derive_seed(own, "weights"))
        with own_draws(derive_seed(own, "draws")):  # such as those of dropout
            networks += _fitted([network], model.kind, [partition], [own], fitting, "sequential")
    return pack(networks, teachers)


def _fitted(
    networks: list[nn.Module],
    kind: str,
    partitions: Sequence[TeacherRecords],
    seeds: Sequence[int],
    fitting: Fitting,
    strategy: Strategy,
) -> list[nn.Module]:
    """The networks, fitted in place; NaN weights where a teacher has no records."""
    if fitting.train is None:
        raise expected("a TrainSpec for networks", "specify how they are fitted", kind=kind)
    input_shape, classes = fitting.input_shape, fitting.classes
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
        strategy=strategy,
    )
    for network, none in zip(networks, empty, strict=True):
        if none:
            silence(network)
    return networks


@fit_teachers.register
def _fit_boosted_trees(
    model: TreesSpec,
    partitions: Sequence[TeacherRecords],
    teachers: Sequence[int],
    seeds: Sequence[int],
    fitting: Fitting,
) -> BundleWeights:
    if fitting.train is not None:
        raise expected("no TrainSpec for boosted trees", "their spec specifies how they are fitted", kind=model.kind)
    fitted: list[Trees | Abstainer] = []
    for partition, seed in zip(partitions, seeds, strict=True):
        if len(partition[1]) == 0:
            fitted.append(Abstainer(fitting.classes))
            continue
        records = _records(partition, fitting.input_shape, fitting.classes)
        fitted.append(fit_trees(model, records.inputs.numpy(), records.labels.numpy(), fitting.classes, seed=seed))
    return pack_trees(fitted, teachers)


@fit_teachers.register
def _fit_estimators(
    model: EstimatorModel,
    partitions: Sequence[TeacherRecords],
    teachers: Sequence[int],
    seeds: Sequence[int],
    fitting: Fitting,
) -> BundleWeights:
    if fitting.train is not None:
        raise expected("no TrainSpec for an estimator", "it knows how it is fitted", kind=model.kind)
    fitted: list[Fitted] = []
    for partition, seed in zip(partitions, seeds, strict=True):
        if len(partition[1]) == 0:
            fitted.append(None)
            continue
        records = _records(partition, fitting.input_shape, fitting.classes)
        rows_NF = records.inputs.flatten(1).numpy().copy()
        with own_draws(derive_seed(seed, "draws")):
            fitted.append(fit_estimator(model, rows_NF, records.labels.numpy().copy(), fitting.classes, seed))
    return pack_estimators(fitted, teachers)


@read_teachers.register
def _read_networks(model: ModelSpec, weights: BundleWeights, input_shape: Shape, classes: int) -> dict[int, nn.Module]:
    return unpack(weights, model, input_shape, classes)


@read_teachers.register
def _read_own_networks(
    model: CustomModel, weights: BundleWeights, input_shape: Shape, classes: int
) -> dict[int, nn.Module]:
    template = build_own(model, input_shape, classes, seed=0)
    return unpack_into(weights, lambda: deepcopy(template), kind=model.kind)


@read_teachers.register
def _read_estimators(
    model: EstimatorModel, weights: BundleWeights, input_shape: Shape, classes: int
) -> dict[int, nn.Module]:
    return unpack_estimators(model, weights, classes)


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

"""Settings of networks, trees, their training and augmentation; importable without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from pate.errors import expected
from pate.models.own_parts import require_import_path

Kind: TypeAlias = Literal["logistic", "mlp", "cnn", "strided_cnn", "resnet18"]
Shape: TypeAlias = tuple[int, ...]

DEFAULT_HIDDEN: dict[str, tuple[int, ...]] = {
    "logistic": (), "mlp": (64,), "cnn": (16, 32), "strided_cnn": (32, 64, 128), "resnet18": ()
}  # fmt: skip
"""Kind -> hidden widths: units of each hidden layer (mlp), channels of each block (cnn, strided_cnn)."""

Strategy: TypeAlias = Literal["sequential", "fused"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Architecture of a network.

    Attributes:
        kind: ``logistic`` (one linear layer), ``mlp``, ``cnn`` (blocks of convolution, group norm, pooling
            and ReLU), ``strided_cnn`` (convolutions that halve the side themselves, Springenberg et al. 2015: about
            three times the images a second of ``cnn`` on a processor) or ``resnet18`` (He et al. 2016, with group
            norm).
        hidden: widths, see ``DEFAULT_HIDDEN``; ``None`` takes the kind's default.
        input_mean: subtracted from the input: one number, or one per channel (images) or feature.
        input_std: then divided by, same form. Both are fixed by the public configuration and become part of
            the network; they are never fitted on private records.
    """

    kind: Kind = "logistic"
    hidden: tuple[int, ...] | None = None
    input_mean: float | tuple[float, ...] = 0.0
    input_std: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        if self.kind not in DEFAULT_HIDDEN:
            raise expected(f"a model kind out of {sorted(DEFAULT_HIDDEN)}", "choose one of them", kind=self.kind)
        if self.kind in ("logistic", "resnet18") and self.hidden:
            raise expected(f"no hidden widths for {self.kind}", "leave hidden out", hidden=self.hidden)
        if any(width < 1 for width in self.widths):
            raise expected("hidden widths >= 1", "give units or channels per layer", hidden=self.hidden)
        if not all(std > 0 for std in as_tuple(self.input_std)):
            raise expected("input_std > 0", "give the fixed scale of the inputs", input_std=self.input_std)

    @property
    def widths(self) -> tuple[int, ...]:
        """The hidden widths, with the kind's default filled in."""
        return DEFAULT_HIDDEN[self.kind] if self.hidden is None else self.hidden


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CustomModel:
    """A network of the user's.

    Attributes:
        builder: import path of a function of input shape and number of classes that gives a new ``torch.nn.Module``,
            such as ``mypackage.models:build``.
    """

    kind: Literal["custom"] = "custom"
    builder: str

    def __post_init__(self) -> None:
        require_import_path(self.builder, key="teachers.model.builder")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorModel:
    """An estimator of the user's, in the style of scikit-learn.

    Attributes:
        estimator: import path of a function of number of classes and seed that gives a new estimator with ``fit``
            and ``predict_proba`` or ``predict``, such as ``mypackage.models:make``.
    """

    kind: Literal["estimator"] = "estimator"
    estimator: str

    def __post_init__(self) -> None:
        require_import_path(self.estimator, key="teachers.model.estimator")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """Settings of a fit.

    Attributes:
        epochs: passes over the records; exactly one of ``epochs`` and ``steps`` is given.
        steps: updates, however many records there are.
        batch_size: records per update.
        learning_rate: of the first update.
        weight_decay: decoupled for ``adamw``, L2 for ``sgd``.
        optimiser: ``adamw`` (Loshchilov, Hutter 2019) or ``sgd`` (Nesterov momentum 0.9).
        schedule: ``constant``, or ``cosine`` from the learning rate down to 0 at the last update.
        label_smoothing: mass that cross-entropy spreads over all classes (Szegedy et al. 2016).
        balanced: ``True`` gives all classes that occur the same total weight.
    """

    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 32
    learning_rate: float = 0.01
    weight_decay: float = 0.0
    optimiser: Literal["adamw", "sgd"] = "adamw"
    schedule: Literal["constant", "cosine"] = "cosine"
    label_smoothing: float = 0.0
    balanced: bool = False

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise expected("exactly one of epochs and steps", "give one", epochs=self.epochs, steps=self.steps)
        if (self.epochs or self.steps or 0) < 1:
            raise expected("epochs or steps >= 1", "give how long to fit", epochs=self.epochs, steps=self.steps)
        if self.batch_size < 1:
            raise expected("batch_size >= 1", "give the records per update", batch_size=self.batch_size)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise expected("a finite learning_rate > 0", "give the step size", learning_rate=self.learning_rate)
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise expected("a finite weight_decay >= 0", "0 turns it off", weight_decay=self.weight_decay)
        if self.optimiser not in ("adamw", "sgd"):
            raise expected("an optimiser out of ['adamw', 'sgd']", "choose one", optimiser=self.optimiser)
        if self.schedule not in ("constant", "cosine"):
            raise expected("a schedule out of ['constant', 'cosine']", "choose one", schedule=self.schedule)
        if not 0 <= self.label_smoothing < 1:
            raise expected("0 <= label_smoothing < 1", "0 turns it off", label_smoothing=self.label_smoothing)

    def updates(self, records: int) -> int:
        """Number of updates for this number of records."""
        if self.steps is not None:
            return self.steps
        return (self.epochs or 0) * math.ceil(records / self.batch_size)

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of update ``step`` (from 0) out of ``steps``."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TreesSpec:
    """Settings of boosted trees and of their fit.

    Attributes:
        rounds: each adds one tree per class.
        depth: most splits between root and leaf.
        learning_rate: fraction of each tree's output that is added.
        min_child_weight: least sum of second derivatives in a leaf; ``2 p (1 - p)`` for each of its records, so 1 asks
            for at least two.
        reg_lambda: squared penalty on the leaves' outputs.
        subsample: fraction of the records that each tree sees.
        colsample: fraction of the features that each tree may split on.
        balanced: ``True`` gives all classes the same total weight.
    """

    kind: Literal["boosted-trees"] = "boosted-trees"
    rounds: int = 50
    depth: int = 3
    learning_rate: float = 0.1
    min_child_weight: float = 1.0
    reg_lambda: float = 1.0
    subsample: float = 1.0
    colsample: float = 1.0
    balanced: bool = False

    def __post_init__(self) -> None:
        for name in ("rounds", "depth"):
            if getattr(self, name) < 1:
                raise expected(f"{name} >= 1", "give a whole number", **{name: getattr(self, name)})
        for name in ("min_child_weight", "reg_lambda"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise expected(f"a finite {name} >= 0", "0 turns it off", **{name: value})
        for name in ("learning_rate", "subsample", "colsample"):
            if not 0 < getattr(self, name) <= 1:
                raise expected(f"0 < {name} <= 1", "1 uses all", **{name: getattr(self, name)})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Extent of random changes of an image. Everything is drawn uniformly, per image, up to the given extent.

    Attributes:
        shift: of the side, each way; 0.1 moves by up to a tenth.
        rotate: degrees, each way.
        zoom: relative, each way; 0.1 scales by 0.9 to 1.1.
        shear: degrees, each way.
        erase: largest side of an erased square (set to 0), of the image's side (DeVries, Taylor 2017).
        noise: largest standard deviation of Gaussian noise, in units of the input.
        flip: ``True`` mirrors left and right at random.
        randaugment: operations per image out of torchvision's RandAugment, for images in [0, 1] with one or
            three channels; 0 for none.
        border: padding beyond the edge.
    """

    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    erase: float = 0.0
    noise: float = 0.0
    flip: bool = False
    randaugment: int = 0
    border: Literal["zeros", "border", "reflection"] = "zeros"

    def __post_init__(self) -> None:
        for name, limit in (("shift", 1), ("rotate", 180), ("zoom", 1), ("shear", 60), ("erase", 1), ("noise", 1e6)):
            value = getattr(self, name)
            if not 0 <= value < limit + (name == "rotate"):
                raise expected(f"0 <= {name} < {limit}", "give how far an image may change", **{name: value})
        if self.randaugment < 0:
            raise expected("randaugment >= 0", "give operations per image", randaugment=self.randaugment)
        if self.border not in ("zeros", "border", "reflection"):
            raise expected("a border out of ['border', 'reflection', 'zeros']", "choose one", border=self.border)


def as_tuple(value: float | tuple[float, ...]) -> tuple[float, ...]:
    """One number, or several, as a tuple."""
    return value if isinstance(value, tuple) else (value,)

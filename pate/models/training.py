"""One fit loop, one model after the other or fused over many models of one architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.models.batches import shuffled_batches
from pate.models.specs import TrainSpec
from pate.randomness import derive_seed

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(logits ``[B, C]``, labels ``[B]``) -> loss of each record ``[B]``."""
AfterStep: TypeAlias = Callable[[int, float], None]
"""Called with (updates done, batch loss) after each update of one model."""
FloatArray: TypeAlias = npt.NDArray[np.floating]
IntArray: TypeAlias = npt.NDArray[np.integer]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Labelled records of one model: ``inputs`` ``[N, *shape]`` float32, ``labels`` ``[N]`` int64, N >= 1."""

    inputs: Tensor
    labels: Tensor

    @classmethod
    def of(cls, inputs: FloatArray | Tensor, labels: IntArray | Tensor, classes: int) -> Records:
        """Records from arrays, copied only where the type differs.

        Raises:
            InputError: none at all, lengths differ, or a label outside ``0..classes-1``. The message names no
                record and no label: they may be private.
        """
        inputs_N, labels_N = as_inputs(inputs), as_labels(labels)
        if len(inputs_N) == 0 or labels_N.shape != inputs_N.shape[:1]:
            raise expected("one label per record and at least one record", "check the arrays")
        if not bool(((labels_N >= 0) & (labels_N < classes)).all()):
            raise expected(f"labels in 0..{classes - 1}", "check the labels and the number of classes")
        return cls(inputs=inputs_N, labels=labels_N)


def as_inputs(inputs: FloatArray | Tensor) -> Tensor:
    """Inputs as a float32 tensor; a read-only array is copied, since torch has no read-only tensors."""
    if isinstance(inputs, np.ndarray):
        inputs = torch.from_numpy(np.require(inputs, dtype=np.float32, requirements=["C", "W"]))
    return inputs.to(torch.float32)


def as_labels(labels: IntArray | Tensor) -> Tensor:
    """Labels as an int64 tensor; a read-only array is copied."""
    if isinstance(labels, np.ndarray):
        labels = torch.from_numpy(np.require(labels, dtype=np.int64, requirements=["C", "W"]))
    return labels.to(torch.int64)


def loss_of(spec: TrainSpec) -> Loss:
    """Cross-entropy with the label smoothing of ``spec``."""
    return lambda logits, labels: functional.cross_entropy(
        logits, labels, reduction="none", label_smoothing=spec.label_smoothing
    )


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weight of one record of each class ``[C]``: classes that occur have equal total weights, a record 1 on average.

    Args:
        labels: of one model's own records.
        classes: C.
    """
    counts_C = torch.bincount(labels, minlength=classes)
    seen_C = counts_C > 0
    equal = len(labels) / seen_C.sum()
    return torch.where(seen_C, equal / counts_C.clamp(min=1), torch.ones(()))


def balanced_weights(labels: Tensor) -> Tensor:
    """Weight of each record ``[N]`` of one model, from its own labels; see ``class_weights``."""
    return class_weights(labels, int(labels.max()) + 1)[labels]


def optimiser_of(parameters: Iterable[Tensor], spec: TrainSpec) -> torch.optim.Optimizer:
    """A fresh optimiser; both kinds work element by element."""
    if spec.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True)
    return torch.optim.SGD(
        parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, momentum=0.9, nesterov=True, fused=True
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next update."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def fit(
    model: nn.Module,
    records: Records,
    spec: TrainSpec,
    *,
    seed: int,
    loss: Loss | None = None,
    device: str | torch.device = "cpu",
    after_step: AfterStep | None = None,
) -> nn.Module:
    """Fit one model in place and leave it in evaluation mode on ``device``.

    Deterministic given ``seed``, device and number of threads.

    Args:
        model: from ``pate.models.architectures.build``.
        records: training records; a single record or a single class is enough.
        spec: how.
        seed: of the order of records.
        loss: per-record loss; cross-entropy by default.
        device: where to compute.
        after_step: progress; may read the model.
    """
    per_record = loss or loss_of(spec)
    model.to(device).train()
    _lay_out(model, torch.channels_last)
    inputs, labels = records.inputs.to(device), records.labels.to(device)
    weights = balanced_weights(records.labels).to(device) if spec.balanced else None
    steps = spec.updates(len(labels))
    optimiser = optimiser_of(model.parameters(), spec)
    order = shuffled_batches(len(labels), spec.batch_size, steps, derive_seed(seed, "batches"))
    for step, index in enumerate(order):
        batch = index.to(device)
        set_rate(optimiser, spec.rate(step, steps))
        losses = per_record(model(inputs[batch]), labels[batch])
        value = (losses if weights is None else losses * weights[batch]).mean()
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if after_step is not None:
            after_step(step + 1, float(value.detach()))
    _lay_out(model, torch.contiguous_format)
    return model.eval()


def _lay_out(model: nn.Module, layout: torch.memory_format) -> None:
    """Order the weights of convolutions in memory: with channels last convolution and pooling of small images are
    faster on a CPU."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.device.type == "cpu":
            layer.weight.data = layer.weight.data.clone(memory_format=layout)  # strides count, also of size 1

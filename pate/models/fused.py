"""Many models of one architecture fitted as one batched computation.

Parameters of T models are stacked to ``[T, ...]``. Dense networks are computed by batched products with their
gradients written out; for every other network ``torch.func.vmap`` maps the network over the stack. The losses
are summed over models, so each model's gradient is its own, and the optimisers work element by element: the
result is that of fitting one after the other, up to the order of floating-point sums.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from pate.models.batches import padded_batches
from pate.models.dense_stack import DenseStack
from pate.models.training import Loss, Records, TrainSpec, optimiser_of, set_rate
from pate.randomness import derive_seed

CACHE_BYTES = 8 * 2**20
"""Parameters, gradients and moments of the models stepped together on a CPU: more would not stay in its cache."""


def fit_fused(
    models: Sequence[nn.Module],
    records: Sequence[Records],
    spec: TrainSpec,
    *,
    seeds: Sequence[int],
    loss: Loss,
    device: str | torch.device = "cpu",
) -> list[nn.Module]:
    """Fit all models in place; see ``pate.models.training.fit_bundle``.

    Models with the same number of updates run together, so that all of one stack follow one schedule.
    """
    together: dict[int, list[int]] = defaultdict(list)
    for position, own in enumerate(records):
        together[spec.updates(len(own.labels))].append(position)
    for steps, positions in together.items():
        size = _stack_size(models[positions[0]], device)
        for first in range(0, len(positions), size):
            stack = positions[first : first + size]
            _fit_stack(
                [models[p] for p in stack],
                [records[p] for p in stack],
                spec,
                steps=steps,
                seeds=[seeds[p] for p in stack],
                loss=loss,
                device=torch.device(device),
            )
    return [model.to(device).eval() for model in models]


class Stack(Protocol):
    """Models of one architecture that are stepped together."""

    @property
    def parameters(self) -> list[Tensor]:
        """Stacked to ``[T, ...]``."""

    def prepare(self, inputs: Tensor) -> Tensor:
        """What can be done with the inputs ``[N, *shape]`` once, before the first update."""

    def gradients(self, inputs: Tensor, labels_TB: Tensor, weight_TB: Tensor, loss: Loss) -> None:
        """Fill the parameters' gradients for prepared inputs ``[T, B, ...]``."""

    def write_back(self) -> None:
        """Copy the parameters into the models."""


@final
class MappedStack:
    """Any networks, by ``torch.func.vmap``."""

    def __init__(self, models: Sequence[nn.Module], device: str | torch.device) -> None:
        self._models = models
        template = models[0].to(device).train()
        self._stack = {
            name: torch.stack([dict(model.named_parameters())[name].detach().to(device) for model in models])
            for name, _ in template.named_parameters()
        }
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        self._batched = vmap(lambda weights, inputs: functional_call(template, weights, (inputs,)))

    @property
    def parameters(self) -> list[Tensor]:
        """Stacked to ``[T, ...]``."""
        return list(self._stack.values())

    def prepare(self, inputs: Tensor) -> Tensor:
        """The inputs as they are."""
        return inputs

    def gradients(self, inputs: Tensor, labels_TB: Tensor, weight_TB: Tensor, loss: Loss) -> None:
        """Fill the gradients of ``sum(weight * loss)``."""
        logits_TBC = self._batched(self._stack, inputs)
        losses = loss(logits_TBC.flatten(0, 1), labels_TB.flatten()).reshape(weight_TB.shape)
        for parameter in self.parameters:
            parameter.grad = None
        (losses * weight_TB).sum().backward()  # type: ignore[no-untyped-call]

    def write_back(self) -> None:
        """Copy the weights into the models."""
        with torch.no_grad():
            for position, model in enumerate(self._models):
                for name, parameter in model.named_parameters():
                    parameter.copy_(self._stack[name][position])


def _stack_size(model: nn.Module, device: str | torch.device) -> int:
    """How many models are stepped together: all on a GPU, on a CPU as many as its cache holds."""
    if torch.device(device).type != "cpu":
        return 2**31
    own = 4 * sum(parameter.nbytes for parameter in model.parameters())
    return max(1, CACHE_BYTES // own)


def _fit_stack(
    models: list[nn.Module],
    records: list[Records],
    spec: TrainSpec,
    *,
    steps: int,
    seeds: list[int],
    loss: Loss,
    device: torch.device,
) -> None:
    stack: Stack = (DenseStack if DenseStack.suits(models[0]) else MappedStack)(models, device)
    inputs_R = stack.prepare(torch.cat([own.inputs for own in records]).to(device))
    labels_R = torch.cat([own.labels for own in records]).to(device)
    rows_STB, weight_STB = _rows(records, spec, steps, seeds)
    rows_STB, weight_STB = rows_STB.to(device), weight_STB.to(device)
    optimiser = optimiser_of(stack.parameters, spec)
    for step in range(steps):
        rows_TB = rows_STB[step]
        batch = inputs_R.index_select(0, rows_TB.flatten()).view(*rows_TB.shape, *inputs_R.shape[1:])
        set_rate(optimiser, spec.rate(step, steps))
        stack.gradients(batch, labels_R[rows_TB], weight_STB[step], loss)
        optimiser.step()
    stack.write_back()


def _rows(records: list[Records], spec: TrainSpec, steps: int, seeds: list[int]) -> tuple[Tensor, Tensor]:
    """Per update: rows of the models' records laid end to end, ``[S, T, B]``, and weights, 0 on padding."""
    sizes = [len(own.labels) for own in records]
    width = min(spec.batch_size, max(sizes))
    found = [
        padded_batches(size, spec.batch_size, steps, derive_seed(seed, "batches"), width=width)
        for size, seed in zip(sizes, seeds, strict=True)
    ]
    first_T = torch.tensor([0, *sizes[:-1]]).cumsum(0)
    rows_STB = torch.stack([index for index, _ in found], dim=1) + first_T[:, None]
    return rows_STB, torch.stack([weight for _, weight in found], dim=1)

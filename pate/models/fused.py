"""Many models of one architecture fitted as one batched computation, in which none depends on another.

Parameters of T models are stacked to ``[T, ...]``. Dense networks are computed by batched products with their
gradients written out; for every other network ``torch.func.vmap`` maps the network over the stack. The result is
that of fitting one after the other, up to the order of floating-point sums.

A model's result is a function of its own records and seed, to the last bit, whatever the records of the others are:

- Which models run together follows from their order, their architecture and the device. All arrays of an update have
  the shapes ``[T, batch_size, ...]``, so the same kernels run on the same slots, whatever the number of records.
- Losses are summed over models, and no operation reduces over slots otherwise: a model's gradient is its own, also
  where another has diverged. The optimisers work element by element, at each model's own rate.
- A model is copied out after its own last update. Its slot is still computed with the stack, but not read.

How many updates a stack computes follows from its largest set of records; that is time, not arithmetic. Sets of very
unequal size, or smaller than a batch, therefore gain less; ``sequential`` computes each for as long as it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from pate.models.dense_stack import DenseStack
from pate.models.slot_optimiser import SlotOptimiser
from pate.models.slots import updates
from pate.models.specs import TrainSpec
from pate.models.training import Loss, Records, balanced_weights

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
    """Fit all models in place; see ``pate.models.bundle.fit_bundle``.

    Models next to each other run together, as many as the device takes of this architecture.
    """
    size = _stack_size(models[0], device) if models else 1
    for first in range(0, len(models), size):
        own = slice(first, first + size)
        _fit_stack(models[own], records[own], spec, seeds=seeds[own], loss=loss, device=torch.device(device))
    return [model.to(device).eval() for model in models]


class Stack(Protocol):
    """Models of one architecture that are stepped together."""

    @property
    def parameters(self) -> list[Tensor]:
        """Stacked to ``[T, ...]``."""

    def prepare(self, inputs: Tensor) -> Tensor:
        """Work on one model's inputs ``[N, *shape]`` that is done once, before the first update."""

    def gradients(self, inputs: Tensor, labels_TB: Tensor, weight_TB: Tensor, loss: Loss) -> None:
        """Fill the parameters' gradients for prepared inputs ``[T, B, ...]``."""

    def write_back(self, slots: Iterable[int]) -> None:
        """Copy the parameters of these slots into their models."""


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

    def write_back(self, slots: Iterable[int]) -> None:
        """Copy the weights of these slots into their models."""
        with torch.no_grad():
            for slot in slots:
                for name, parameter in self._models[slot].named_parameters():
                    parameter.copy_(self._stack[name][slot])


def _stack_size(model: nn.Module, device: str | torch.device) -> int:
    """Number of models that are stepped together: all on a GPU, on a CPU as many as its cache holds."""
    if torch.device(device).type != "cpu":
        return 2**31
    own = 4 * sum(parameter.nbytes for parameter in model.parameters())
    return max(1, CACHE_BYTES // own)


def _fit_stack(
    models: Sequence[nn.Module],
    records: Sequence[Records],
    spec: TrainSpec,
    *,
    seeds: Sequence[int],
    loss: Loss,
    device: torch.device,
) -> None:
    stack: Stack = (DenseStack if DenseStack.suits(models[0]) else MappedStack)(models, device)
    inputs_R, labels_R = _laid_out(stack, records, device)
    balance_R = _balance(records, device) if spec.balanced else None
    optimiser = SlotOptimiser(stack.parameters, spec)
    for update in updates([len(own.labels) for own in records], spec, seeds, device):
        rows_TB = update.rows_TB
        batch = inputs_R.index_select(0, rows_TB.flatten()).view(*rows_TB.shape, *inputs_R.shape[1:])
        weight_TB = update.weight_TB if balance_R is None else update.weight_TB * balance_R[rows_TB]
        stack.gradients(batch, labels_R[rows_TB], weight_TB, loss)
        optimiser.step(update.rate_T)
        stack.write_back(update.last)


def _balance(records: Sequence[Records], device: torch.device) -> Tensor:
    """Weights of all models' records ``[R]``, each model's from its own labels, in the order of ``_laid_out``."""
    return torch.cat([torch.zeros(1), *(balanced_weights(own.labels) for own in records)]).to(device)


def _laid_out(stack: Stack, records: Sequence[Records], device: torch.device) -> tuple[Tensor, Tensor]:
    """Prepared inputs ``[R, ...]`` and labels ``[R]`` of all models end to end, after the zero row.

    Each model's records are prepared alone. A row of zeros keeps its logits finite whatever the weights are, so that
    weight 0 removes its contribution.
    """
    prepared = [stack.prepare(own.inputs.to(device)) for own in records]
    inputs_R = torch.cat([torch.zeros_like(prepared[0][:1]), *prepared])
    labels_R = torch.cat([torch.zeros(1, dtype=torch.int64), *[own.labels for own in records]]).to(device)
    return inputs_R, labels_R

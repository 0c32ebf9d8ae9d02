"""AdamW and SGD for stacked parameters, with a learning rate of its own for each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from pate.models.specs import TrainSpec
from pate.models.training import optimiser_of


@final
class SlotOptimiser:
    """Steps parameters ``[T, ...]`` as torch's optimisers step each slot alone, up to rounding.

    Both optimisers move a parameter by its rate times a direction that does not depend on the rate. torch's own
    computes the directions, at rate 1, into memory that is initialised with the weight decay; each slot then moves
    along them by its own rate. Everything is done element by element, so slots do not affect each other. Moments count
    updates from the first, which is the same one for every slot; their values after a slot's last update are not used.
    """

    def __init__(self, parameters: Sequence[Tensor], spec: TrainSpec) -> None:
        """Begin without moments.

        Args:
            parameters: stacked to ``[T, ...]``; their gradients are read at each step, and may be overwritten.
            spec: which optimiser, and its weight decay.
        """
        self._parameters = parameters
        self._directions = [torch.zeros_like(parameter, requires_grad=False) for parameter in parameters]
        self._inner = optimiser_of(self._directions, replace(spec, learning_rate=1.0, weight_decay=0.0))
        self._decoupled, self._in_gradient = (
            (spec.weight_decay, 0.0) if spec.optimiser == "adamw" else (0.0, spec.weight_decay)
        )

    @torch.no_grad()
    def step(self, rate_T: Tensor) -> None:
        """Move every slot by its own rate."""
        for parameter, direction in zip(self._parameters, self._directions, strict=True):
            torch.mul(parameter, -self._decoupled, out=direction)
            direction.grad = parameter.grad
            if self._in_gradient and parameter.grad is not None:
                parameter.grad.add_(parameter, alpha=self._in_gradient)
        self._inner.step()
        for parameter, direction in zip(self._parameters, self._directions, strict=True):
            parameter.addcmul_(direction, rate_T.view(-1, *[1] * (parameter.ndim - 1)))

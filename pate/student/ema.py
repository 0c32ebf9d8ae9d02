"""An exponential moving average of a network's weights (Polyak, Juditsky 1992; Tarvainen, Valpola 2017)."""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import Tensor, nn


@final
class MovingAverage:
    """Keeps ``average <- d average + (1 - d) weights`` with ``d = min(decay, (1 + t) / (10 + t))`` at update t.

    The smaller ``d`` of the first updates lets the average forget the initial weights.

    Args:
        network: copied; its buffers are copied anew at every update.
        decay: in [0, 1); 0 follows the network itself.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights of ``network``."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        averages: list[Tensor] = list(self.network.parameters())
        weights: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for average, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(buffer)

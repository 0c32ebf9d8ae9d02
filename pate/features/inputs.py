"""The inputs themselves as features, for tables and small images that need no encoder but the graph of the pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder, Untrained
from pate.models.architectures import Shape


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(Untrained):
    """Each number of an input is a feature; nothing is trained.

    Attributes:
        diffusion: whether and how features are placed on the graph of the pool.
    """

    diffusion: Diffusion | None = None

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this kind; see ``Representation``."""
        return Encoder(nn.Flatten(), input_shape, self.diffusion)

    def made_from(self, pool_M: Tensor, device: str | torch.device) -> Encoder:
        """Standardised over the public pool ``[M, ...]``; nothing is random."""
        return self.empty(tuple(pool_M.shape[1:])).standardise(pool_M, device)

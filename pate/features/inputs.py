"""The inputs themselves as features, for tables and small images that need only the graph of the pool."""

from __future__ import annotations

from torch import nn

from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder
from pate.models.specs import Shape


def empty(input_shape: Shape, diffusion: Diffusion | None) -> Encoder:
    """An encoder of this kind; see ``pate.features.encoder.Representation``."""
    return Encoder(nn.Flatten(), input_shape, diffusion)

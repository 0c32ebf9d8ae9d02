"""Representations made from public data alone: an encoder, and the features that it computes.

Settings are importable without torch; modules that compute are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pate.features.diffusion import Diffusion
from pate.features.representations import Backbone, Inputs, Scattering, SimCLR

if TYPE_CHECKING:
    from pate.features.encoder import Encoder, PackedEncoder, Representation

__all__ = ["Backbone", "Diffusion", "Encoder", "Inputs", "PackedEncoder", "Representation", "Scattering", "SimCLR"]


def __getattr__(name: str) -> Any:
    if name not in ("Encoder", "PackedEncoder", "Representation"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.encoder"), name)

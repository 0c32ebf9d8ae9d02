"""Representations made from public data alone: an encoder, and the features that it computes."""

from pate.features.backbone import Backbone
from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder, PackedEncoder, Representation
from pate.features.inputs import Inputs
from pate.features.scattering import Scattering
from pate.features.simclr import SimCLR

__all__ = ["Backbone", "Diffusion", "Encoder", "Inputs", "PackedEncoder", "Representation", "Scattering", "SimCLR"]

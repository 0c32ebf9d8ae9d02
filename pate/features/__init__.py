"""Representations made from public data alone: an encoder, and the features that it computes."""

from pate.features.backbone import Backbone
from pate.features.encoder import Encoder, PackedEncoder, Representation
from pate.features.simclr import SimCLR

__all__ = ["Backbone", "Encoder", "PackedEncoder", "Representation", "SimCLR"]

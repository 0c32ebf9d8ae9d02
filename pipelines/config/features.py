"""The ``features`` section of a configuration: the representation of inputs, from public data alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias

from pydantic import Field, PrivateAttr

from pate.features import Backbone, Inputs, Scattering, SimCLR
from pipelines.config.embedding import Embedding, OneOf, section_of
from pipelines.config.fields import Count, Positive, Threads

if TYPE_CHECKING:
    from pate.features import Representation


class RepresentationConfig(Embedding):
    """Keys of every representation."""

    later_inside: ClassVar[Mapping[str, object]] = MappingProxyType({"train.balanced": False})

    kind: str
    threads: Threads = Field(1, description="torch threads")

    def build(self) -> Representation:
        """Recipe of the encoder."""
        representation: Representation = self.made()
        return representation


class _WithFile(RepresentationConfig):
    """A representation with a file, relative to the configuration."""

    weights: Path

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    def model_post_init(self, context: Any) -> None:
        """Relative paths start at the configuration's folder."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = context["folder"]

    def build(self) -> Representation:
        representation: Representation = self.made(weights=self._folder / self.weights)
        return representation


SimCLRConfig = section_of(
    SimCLR,
    RepresentationConfig,
    name="SimCLRConfig",
    doc="An encoder that learns, from the public pool alone, to ignore small changes of an image (Chen et al. 2020).",
    tag=("kind", "simclr"),
    types={"temperature": Positive},
)
ScatteringConfig = section_of(
    Scattering,
    RepresentationConfig,
    name="ScatteringConfig",
    doc="Wavelet coefficients of an image (Bruna, Mallat 2013), along the directions in which the pool differs most.",
    tag=("kind", "scattering"),
    types={
        "scales": Annotated[
            int, Field(ge=1, le=6, description="wavelets of 1, 2, 4, ... pixels; means over twice the last")
        ],
        "angles": Count,
        "components": Count,
    },
)
BackboneConfig = section_of(
    Backbone,
    _WithFile,
    name="BackboneConfig",
    doc="A torchvision network with weights that were trained on public data elsewhere.",
    tag=("kind", "backbone"),
    types={
        "weights": Annotated[Path, Field(exclude=True, description="safetensors file; relative to the configuration")],
        "sha256": Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")],
        "side": Count,
    },
)
InputsConfig = section_of(
    Inputs,
    RepresentationConfig,
    name="InputsConfig",
    doc="The inputs themselves, for tables and small images.",
    tag=("kind", "inputs"),
)

FeaturesConfig: TypeAlias = Annotated[
    RepresentationConfig, OneOf("kind", SimCLRConfig, ScatteringConfig, BackboneConfig, InputsConfig)
]

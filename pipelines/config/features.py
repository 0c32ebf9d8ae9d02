"""The part of a configuration that says how inputs are represented, from public data alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, PrivateAttr

from pate.features import Backbone, Diffusion, Inputs, Scattering, SimCLR
from pate.features.representations import Architecture
from pate.models import ModelSpec, TrainSpec
from pate.models.specs import Augmentation
from pipelines.config.fields import Count, Positive, Section, Threads

if TYPE_CHECKING:
    from pate.features import Representation

_DIFFUSION: Any = Field(None, description="place features on the graph of the pool's nearest neighbours")


class SimCLRConfig(Section):
    """An encoder that learns, from the public pool alone, what changes of an image do not matter (Chen et al. 2020)."""

    kind: Literal["simclr"]
    model: ModelSpec = Field(description="a cnn; all but its last layer becomes the encoder")
    train: TrainSpec
    augmentation: Augmentation = Field(description="changes that keep what an image shows")
    temperature: Positive = 0.2
    diffusion: Diffusion | None = _DIFFUSION
    threads: Threads = Field(1, description="torch threads")

    def build(self) -> Representation:
        return SimCLR(
            model=self.model,
            train=self.train,
            augmentation=self.augmentation,
            temperature=self.temperature,
            diffusion=self.diffusion,
        )


class BackboneConfig(Section):
    """A torchvision network with weights that were trained on public data elsewhere."""

    kind: Literal["backbone"]
    architecture: Architecture
    weights: Path = Field(exclude=True, description="safetensors file; relative to the configuration")
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$", description="of that file")
    side: Count = Field(64, description="images are resized to this many pixels a side")
    diffusion: Diffusion | None = _DIFFUSION
    threads: Threads = Field(1, description="torch threads")

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    def model_post_init(self, context: Any) -> None:
        """Files are looked for beside the configuration."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = context["folder"]

    def build(self) -> Representation:
        weights = self._folder / self.weights
        return Backbone(
            architecture=self.architecture,
            weights=weights,
            sha256=self.sha256,
            side=self.side,
            diffusion=self.diffusion,
        )


class ScatteringConfig(Section):
    """What wavelets tell of an image (Bruna, Mallat 2013), along the directions in which the pool differs most."""

    kind: Literal["scattering"]
    scales: int = Field(2, ge=1, le=6, description="wavelets of 1, 2, 4, ... pixels; means over twice the last")
    angles: Count = Field(8, description="directions of the wavelets")
    components: Count = Field(100, description="principal components over the pool that are kept")
    diffusion: Diffusion | None = _DIFFUSION
    threads: Threads = Field(1, description="torch threads")

    def build(self) -> Representation:
        return Scattering(scales=self.scales, angles=self.angles, components=self.components, diffusion=self.diffusion)


class InputsConfig(Section):
    """The inputs themselves, for tables and small images."""

    kind: Literal["inputs"]
    diffusion: Diffusion | None = _DIFFUSION
    threads: Threads = Field(1, description="torch threads")

    def build(self) -> Representation:
        return Inputs(diffusion=self.diffusion)


FeaturesConfig: TypeAlias = Annotated[
    SimCLRConfig | ScatteringConfig | BackboneConfig | InputsConfig, Field(discriminator="kind")
]

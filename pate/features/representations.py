"""Representations: recipes of an encoder, from public data alone.

The classes hold settings and are importable without torch; what computes is imported by their methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from pate.errors import expected
from pate.features.diffusion import Diffusion
from pate.models.specs import Augmentation, ModelSpec, Shape, TrainSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pate.features.encoder import Encoder
    from pate.models.training import AfterStep, FloatArray

Architecture: TypeAlias = Literal["resnet18", "resnet50", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny"]


class Untrained(ABC):
    """A representation without training and randomness."""

    @abstractmethod
    def made_from(self, pool_M: Tensor, device: str | torch.device) -> Encoder:
        """An encoder made from the public pool ``[M, *input_shape]``; nothing is random."""

    def updates(self, inputs: int) -> int:
        """Zero."""
        return 0

    def fit(
        self,
        pool: FloatArray | Tensor,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
        after_step: AfterStep | None = None,
    ) -> Encoder:
        """See ``Representation``; seed and ``after_step`` are ignored.

        Raises:
            PrivacyViolation: private-tagged data.
            InputError: inputs that this representation cannot use, or fewer than two.
        """
        from pate.features.encoder import public_inputs  # noqa: PLC0415 - imports torch

        return self.made_from(public_inputs(pool), device)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(Untrained):
    """Each number of an input is a feature; nothing is trained.

    Attributes:
        diffusion: how features are placed on the graph of the pool; ``None`` for not.
    """

    diffusion: Diffusion | None = None

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this kind; see ``pate.features.encoder.Representation``."""
        from pate.features.inputs import empty  # noqa: PLC0415 - imports torch

        return empty(input_shape, self.diffusion)

    def made_from(self, pool_M: Tensor, device: str | torch.device) -> Encoder:
        """Standardised over the public pool ``[M, ...]``."""
        return self.empty(tuple(pool_M.shape[1:])).standardise(pool_M, device)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scattering(Untrained):
    """Principal components of the logarithms of an image's scattering coefficients.

    Coefficients are local means of ``|image * wavelet|`` and of ``||image * wavelet| * coarser wavelet|``: they change
    little under small shifts and deformations of the image, and keep information that pixels' means lose (Bruna, Mallat
    2013, "Invariant scattering convolution networks"). Under differential privacy, linear models on them beat networks
    trained end to end at moderate budgets (Tramer, Boneh 2021).

    Attributes:
        scales: J; wavelets of ``2 ** 0 .. 2 ** (J - 1)`` pixels, means over ``2 ** J``.
        angles: L; directions of the wavelets over half a turn.
        components: principal components that are kept.
        diffusion: how features are placed on the graph of the pool; ``None`` for not.
    """

    scales: int = 2
    angles: int = 8
    components: int = 100
    diffusion: Diffusion | None = None

    def __post_init__(self) -> None:
        if min(self.scales, self.angles, self.components) < 1:
            raise expected("scales, angles and components >= 1", "2, 8 and 100 are usual", scales=self.scales)

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this kind; see ``pate.features.encoder.Representation``."""
        from pate.features.scattering import empty  # noqa: PLC0415 - imports torch

        return empty(input_shape, self.scales, self.angles, self.components, self.diffusion)

    def made_from(self, pool_M: Tensor, device: str | torch.device) -> Encoder:
        """See ``Untrained``."""
        from pate.features.scattering import made_from  # noqa: PLC0415 - imports torch

        return made_from(pool_M, self.scales, self.angles, self.components, self.diffusion, device)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone(Untrained):
    """A torchvision classifier without its last layer, pre-trained elsewhere on public data.

    The supplier of the weights is responsible for that: a network that was trained on the private records would void
        the guarantee.

    Attributes:
        architecture: torchvision's name.
        weights: safetensors file with the state dict under torchvision's names.
        sha256: hex digest of the file.
        side: images are resized to this many pixels a side (bilinear); one channel is repeated to three.
        diffusion: how features are placed on the graph of the pool; ``None`` for not.
    """

    architecture: Architecture
    weights: Path
    sha256: str
    side: int = 64
    diffusion: Diffusion | None = None

    def __post_init__(self) -> None:
        if self.side < 32:
            raise expected("side >= 32", "224 is what most weights were trained on", side=self.side)

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this kind; see ``pate.features.encoder.Representation``."""
        from pate.features.backbone import empty  # noqa: PLC0415 - imports torch

        return empty(input_shape, self.architecture, self.side, self.diffusion)

    def made_from(self, pool_M: Tensor, device: str | torch.device) -> Encoder:
        """See ``Untrained``."""
        from pate.features.backbone import made_from  # noqa: PLC0415 - imports torch

        return made_from(pool_M, self.architecture, self.weights, self.sha256, self.side, self.diffusion, device)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SimCLR:
    """Contrastive learning on the public pool alone: two augmented copies of an image attract, all others repel.

    Attributes:
        model: the network; all of it but the last layer becomes the encoder.
        train: how to fit; ``epochs`` count passes over the pool. Large batches give many negatives.
        augmentation: changes that preserve the content of an image.
        temperature: of the similarities (cosines).
        diffusion: how features are placed on the graph of the pool; ``None`` for not.
    """

    model: ModelSpec
    train: TrainSpec
    augmentation: Augmentation
    temperature: float = 0.2
    diffusion: Diffusion | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise expected("temperature > 0", "0.1 to 0.5 are usual", temperature=self.temperature)
        if self.train.batch_size < 2:
            raise expected("batch_size >= 2", "256 is usual", batch_size=self.train.batch_size)
        if self.train.balanced:
            raise expected("balanced: false", "an encoder learns without labels", balanced=True)

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this kind; see ``pate.features.encoder.Representation``."""
        from pate.features.simclr import empty  # noqa: PLC0415 - imports torch

        return empty(input_shape, self.model, self.diffusion)

    def updates(self, inputs: int) -> int:
        """Number of updates for this number of public images."""
        return self.train.updates(inputs)

    def fit(
        self,
        pool: FloatArray | Tensor,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        after_step: AfterStep | None = None,
    ) -> Encoder:
        """Train an encoder on the public images ``[M, channels, height, width]``.

        Deterministic given pool, seed, device and number of threads.

        Raises:
            PrivacyViolation: private-tagged data.
            InputError: no images, or fewer than two.
        """
        from pate.features.encoder import public_inputs  # noqa: PLC0415 - imports torch
        from pate.features.simclr import fit  # noqa: PLC0415

        return fit(
            public_inputs(pool),
            model=self.model,
            train=self.train,
            augmentation=self.augmentation,
            temperature=self.temperature,
            diffusion=self.diffusion,
            seed=seed,
            device=device,
            after_step=after_step,
        )

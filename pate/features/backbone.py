"""A given encoder: a torchvision network with weights that the user supplies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder, Untrained
from pate.models.architectures import Shape

Architecture = Literal["resnet18", "resnet50", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny"]
_HEADS = {"resnet18": "fc", "resnet50": "fc"}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone(Untrained):
    """A torchvision classifier without its last part, pre-trained elsewhere on data that are public.

    Whoever supplies the weights answers for that: a network that saw the private records would void the guarantee.

    Attributes:
        architecture: torchvision's name.
        weights: safetensors file with the state dict under torchvision's names.
        sha256: hex digest of the file.
        side: images are resized to this many pixels a side (bilinear); one channel is repeated to three.
        diffusion: whether and how features are placed on the graph of the pool.
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
        """An encoder of this architecture; see ``Representation``."""
        if len(input_shape) != 3 or input_shape[0] not in (1, 3):
            raise expected(
                "images of one or three channels for a backbone", "leave features out", input_shape=input_shape
            )
        return Encoder(nn.Sequential(_Prepared(self.side), self._body()), input_shape, self.diffusion)

    def made_from(self, pool_M: Tensor, device: str | torch.device) -> Encoder:
        """The given network, standardised over the public pool ``[M, channels, height, width]``; nothing is random.

        Raises:
            InputError: the file is missing, not what was declared, or of another architecture.
        """
        encoder = self.empty(tuple(pool_M.shape[1:]))
        self._load(encoder.body[1])  # type: ignore[index]
        return encoder.standardise(pool_M, device)

    def _body(self) -> nn.Module:
        from pate import torchvision_cpu  # noqa: PLC0415 - takes seconds to import; only a backbone needs it

        network: nn.Module = torchvision_cpu.torchvision.models.get_model(self.architecture, weights=None)
        setattr(network, _HEADS.get(self.architecture, "classifier"), nn.Flatten())
        return network.eval()

    def _load(self, body: nn.Module) -> None:
        try:
            content = self.weights.read_bytes()
        except OSError as error:
            raise expected(
                "a readable file at features.weights", "check the path", error=error.strerror or "unreadable"
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256.lower():
            raise expected("features.weights with the declared SHA-256", "correct features.sha256 or the file")
        try:
            tensors = load(content)
        except SafetensorError as error:
            raise expected(
                "features.weights in safetensors format", "convert the state dict with safetensors.torch.save_file"
            ) from error
        head = _HEADS.get(self.architecture, "classifier")
        own = {name: value for name, value in tensors.items() if not name.startswith(f"{head}.")}
        wanted = {name: tuple(value.shape) for name, value in body.state_dict().items()}
        if {name: tuple(value.shape) for name, value in own.items()} != wanted:
            raise expected(f"features.weights of a {self.architecture}", "check the architecture", tensors=len(own))
        body.load_state_dict(own)


@final
class _Prepared(nn.Module):
    """Images in [0, 1] as ImageNet's networks expect them."""

    mean: Tensor
    std: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        sized = functional.interpolate(images, size=(self.side, self.side), mode="bilinear", align_corners=False)
        return (sized.expand(-1, 3, -1, -1) - self.mean) / self.std

"""A given encoder: a torchvision network with weights that the user supplies."""

from __future__ import annotations

from pathlib import Path
from typing import final

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.features.diffusion import Diffusion
from pate.features.encoder import Encoder
from pate.features.requirements import read_weights, require_channels
from pate.models.specs import Shape

_HEADS = {"resnet18": "fc", "resnet50": "fc"}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def empty(input_shape: Shape, architecture: str, side: int, diffusion: Diffusion | None) -> Encoder:
    """An encoder of this architecture; see ``pate.features.encoder.Representation``."""
    require_channels(input_shape)
    return Encoder(nn.Sequential(_Prepared(side), _body(architecture)), input_shape, diffusion)


def made_from(
    pool_M: Tensor,
    architecture: str,
    weights: Path,
    sha256: str,
    side: int,
    diffusion: Diffusion | None,
    device: str | torch.device,
) -> Encoder:
    """The given network, standardised over the public pool ``[M, channels, height, width]``; nothing is random.

    Raises:
        InputError: the file is missing, not what was declared, or of another architecture.
    """
    encoder = empty(tuple(pool_M.shape[1:]), architecture, side, diffusion)
    _load(encoder.body[1], architecture, weights, sha256)  # type: ignore[index]
    return encoder.standardise(pool_M, device)


def _body(architecture: str) -> nn.Module:
    from pate import torchvision_cpu  # noqa: PLC0415 - takes seconds to import; only a backbone needs it

    network: nn.Module = torchvision_cpu.torchvision.models.get_model(architecture, weights=None)
    setattr(network, _HEADS.get(architecture, "classifier"), nn.Flatten())
    return network.eval()


def _load(body: nn.Module, architecture: str, weights: Path, sha256: str) -> None:
    content = read_weights(weights, sha256)
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise expected(
            "features.weights in safetensors format", "convert the state dict with safetensors.torch.save_file"
        ) from error
    head = _HEADS.get(architecture, "classifier")
    own = {name: value for name, value in tensors.items() if not name.startswith(f"{head}.")}
    wanted = {name: tuple(value.shape) for name, value in body.state_dict().items()}
    if {name: tuple(value.shape) for name, value in own.items()} != wanted:
        raise expected(f"features.weights of a {architecture}", "check the architecture", tensors=len(own))
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

"""Classifiers by name: the networks of teachers and students."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from pate.models.input_shapes import require_input_shape, require_one_for_each
from pate.models.specs import ModelSpec, Shape, as_tuple

_SMALL_IMAGE = 64  # up to this side, resnet18 starts at full resolution (He et al. 2016, section 4.2)


def build(spec: ModelSpec, input_shape: Shape, classes: int, seed: int) -> nn.Module:
    """A freshly initialised network from inputs ``[N, *input_shape]``, float32, to logits ``[N, C]``.

    Args:
        spec: which network.
        input_shape: ``(channels, height, width)`` of an image, or ``(features,)``.
        classes: C.
        seed: of the initial weights. The global random state is left as it was.

    Raises:
        InputError: the shape does not suit the network.
    """
    require_input_shape(spec, input_shape, classes)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        match spec.kind:
            case "logistic" | "mlp":
                network = _dense(input_shape, spec.widths, classes)
            case "cnn":
                network = _convolutional(input_shape, spec.widths, classes, _pooled_block)
            case "strided_cnn":
                network = _convolutional(input_shape, spec.widths, classes, _strided_block)
            case "resnet18":
                network = _resnet18(input_shape, classes)
    return nn.Sequential(FixedScaling(spec.input_mean, spec.input_std, input_shape), *network)


@final
class FixedScaling(nn.Module):
    """``(x - mean) / std`` with constants; not part of the weights.

    Args:
        mean: one number, or one per channel or feature.
        std: the same.
        input_shape: shape of one input.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float | tuple[float, ...], std: float | tuple[float, ...], input_shape: Shape) -> None:
        super().__init__()
        for name, values in (("mean", as_tuple(mean)), ("std", as_tuple(std))):
            require_one_for_each(name, len(values), input_shape)
            constant = torch.tensor(values, dtype=torch.float32).reshape(-1, *[1] * (len(input_shape) - 1))
            self.register_buffer(name, constant, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Scaled inputs, same shape."""
        return (inputs - self.mean) / self.std


def _dense(input_shape: Shape, widths: tuple[int, ...], classes: int) -> list[nn.Module]:
    features = int(torch.Size(input_shape).numel())
    layers: list[nn.Module] = [nn.Flatten()]
    for width in widths:
        layers += [nn.Linear(features, width), nn.ReLU()]
        features = width
    return [*layers, nn.Linear(features, classes)]


def _convolutional(
    input_shape: Shape, widths: tuple[int, ...], classes: int, block: Callable[[int, int], list[nn.Module]]
) -> list[nn.Module]:
    channels, height, width_px = input_shape
    layers: list[nn.Module] = []
    for width in widths:
        layers += block(channels, width)
        channels, height, width_px = width, height // 2, width_px // 2
    return [*layers, nn.Flatten(), nn.Linear(channels * height * width_px, classes)]


def _pooled_block(channels: int, width: int) -> list[nn.Module]:
    # ReLU after pooling is the same function (ReLU keeps order) at a quarter of the work
    return [nn.Conv2d(channels, width, 3, padding=1), group_norm(width), nn.MaxPool2d(2), nn.ReLU()]


def _strided_block(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 4, stride=2, padding=1), group_norm(width), nn.ReLU()]


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with groups of eight channels where they divide, else one group.

    It uses no batch statistics: a batch may be one record, models can be fused and averaged, and evaluation equals
    training (Wu, He 2018).
    """
    return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels)


def _resnet18(input_shape: Shape, classes: int) -> list[nn.Module]:
    from pate import torchvision_cpu  # noqa: PLC0415 - takes seconds to import; only this kind needs it

    network = torchvision_cpu.torchvision.models.resnet18(weights=None, num_classes=classes, norm_layer=group_norm)
    channels, height, width = input_shape
    if min(height, width) <= _SMALL_IMAGE:
        network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return [network]

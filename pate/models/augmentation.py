"""Random changes of images that keep their class, a fresh one for every image of a batch.

Geometry is one batched ``affine_grid`` with its own parameters per image, so a batch costs one call and the
random numbers come from a given generator. RandAugment (Cubuk et al. 2020) comes from torchvision, which draws
once per call from the global state: it is applied to small chunks under a forked state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor
from torch.nn import functional

from pate.errors import expected

_CHUNK = 8  # images that share one RandAugment draw


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far an image may be changed. Everything is drawn uniformly, per image, up to the given extent.

    Attributes:
        shift: of the side, each way; 0.1 moves by up to a tenth.
        rotate: degrees, each way.
        zoom: relative, each way; 0.1 scales by 0.9 to 1.1.
        shear: degrees, each way.
        erase: largest side of an erased square (set to 0), of the image's side (DeVries, Taylor 2017).
        noise: largest standard deviation of Gaussian noise, in units of the input.
        flip: whether left and right may change places.
        randaugment: operations per image out of torchvision's RandAugment, for images in [0, 1] with one or
            three channels; 0 for none.
        border: what lies beyond the edge.
    """

    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    erase: float = 0.0
    noise: float = 0.0
    flip: bool = False
    randaugment: int = 0
    border: Literal["zeros", "border", "reflection"] = "zeros"

    def __post_init__(self) -> None:
        for name, limit in (("shift", 1), ("rotate", 180), ("zoom", 1), ("shear", 60), ("erase", 1), ("noise", 1e6)):
            value = getattr(self, name)
            if not 0 <= value < limit + (name == "rotate"):
                raise expected(f"0 <= {name} < {limit}", "give how far an image may change", **{name: value})
        if self.randaugment < 0:
            raise expected("randaugment >= 0", "give operations per image", randaugment=self.randaugment)
        if self.border not in ("zeros", "border", "reflection"):
            raise expected("a border out of ['border', 'reflection', 'zeros']", "choose one", border=self.border)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Changed copies of images ``[B, channels, height, width]``.

        Args:
            images: float32, on any device.
            generator: on the CPU, so that every device draws the same.
        """
        if images.ndim != 4:
            raise expected("images to augment", "give (channels, height, width), or no augmentation", ndim=images.ndim)
        if self.randaugment:
            images = _randaugment(images, self.randaugment, generator)
        if self.flip or self.shift or self.rotate or self.zoom or self.shear:
            images = self._moved(images, generator)
        if self.erase:
            images = _erased(images, self.erase, generator)
        if self.noise:
            extent = self.noise * torch.rand(len(images), 1, 1, 1, generator=generator)
            images = images + (extent * torch.randn(images.shape, generator=generator)).to(images.device)
        return images

    def _moved(self, images: Tensor, generator: torch.Generator) -> Tensor:
        def within(extent: float, columns: int = 1) -> Tensor:
            return extent * (2 * torch.rand(len(images), columns, generator=generator) - 1)

        angle, shear = (within(math.radians(degrees)).squeeze(1) for degrees in (self.rotate, self.shear))
        scale = 1 / (1 + within(self.zoom).squeeze(1))
        mirror = torch.where(within(1.0).squeeze(1) < 0, -1.0, 1.0) if self.flip else torch.ones(len(images))
        cos, sin, slant = angle.cos() * scale, angle.sin() * scale, shear.tan()
        linear = torch.stack([cos * mirror, slant * cos - sin, sin * mirror, slant * sin + cos], dim=1)
        affine = torch.cat([linear.view(-1, 2, 2), within(2 * self.shift, 2).view(-1, 2, 1)], dim=2).to(images.device)
        grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode=self.border, align_corners=False)


def _erased(images: Tensor, extent: float, generator: torch.Generator) -> Tensor:
    """A square of up to ``extent`` of the side around a uniform centre, set to 0."""
    count, _, height, width = images.shape
    half_side = extent / 2 * torch.rand(count, 1, generator=generator)
    centre = torch.rand(count, 2, generator=generator)
    rows = ((torch.arange(height) + 0.5) / height - centre[:, :1]).abs() < half_side
    columns = ((torch.arange(width) + 0.5) / width - centre[:, 1:]).abs() < half_side
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    return images.masked_fill(inside.to(images.device), 0.0)


def _randaugment(images: Tensor, operations: int, generator: torch.Generator) -> Tensor:
    from pate import torchvision_cpu  # noqa: PLC0415 - takes seconds to import; only this needs it

    transform = torchvision_cpu.v2.RandAugment(num_ops=operations)
    seed = int(torch.randint(2**62, (1,), generator=generator))
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        chunks = [transform(pixels[start : start + _CHUNK]) for start in range(0, len(pixels), _CHUNK)]
    changed: Tensor = torch.cat(chunks).to(images.dtype) / 255
    return changed

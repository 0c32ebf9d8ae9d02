"""Random, class-preserving changes of images, drawn anew for every image of a batch.

Geometry is one batched ``affine_grid`` with parameters per image, so a batch costs one call and the random numbers
come from a given generator. RandAugment (Cubuk et al. 2020) comes from torchvision, which draws
once per call from the global state: it is applied to small chunks under a forked state.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from pate.errors import expected
from pate.models.specs import Augmentation

_CHUNK = 8  # images that share one RandAugment draw


def augment(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Changed copies of images ``[B, channels, height, width]``.

    Args:
        images: float32, on any device.
        how: the extent of each change.
        generator: on the CPU, so that draws are the same on every device.
    """
    if images.ndim != 4:
        raise expected("images to augment", "give (channels, height, width), or no augmentation", ndim=images.ndim)
    if how.randaugment:
        images = _randaugment(images, how.randaugment, generator)
    if how.flip or how.shift or how.rotate or how.zoom or how.shear:
        images = _moved(images, how, generator)
    if how.erase:
        images = _erased(images, how.erase, generator)
    if how.noise:
        extent = how.noise * torch.rand(len(images), 1, 1, 1, generator=generator)
        images = images + (extent * torch.randn(images.shape, generator=generator)).to(images.device)
    return images


def _moved(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    def within(extent: float, columns: int = 1) -> Tensor:
        return extent * (2 * torch.rand(len(images), columns, generator=generator) - 1)

    angle, shear = (within(math.radians(degrees)).squeeze(1) for degrees in (how.rotate, how.shear))
    scale = 1 / (1 + within(how.zoom).squeeze(1))
    mirror = torch.where(within(1.0).squeeze(1) < 0, -1.0, 1.0) if how.flip else torch.ones(len(images))
    cos, sin, slant = angle.cos() * scale, angle.sin() * scale, shear.tan()
    linear = torch.stack([cos * mirror, slant * cos - sin, sin * mirror, slant * sin + cos], dim=1)
    affine = torch.cat([linear.view(-1, 2, 2), within(2 * how.shift, 2).view(-1, 2, 1)], dim=2).to(images.device)
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode=how.border, align_corners=False)


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

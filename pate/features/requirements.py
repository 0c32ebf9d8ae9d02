"""Pools that a representation can be made from; importable without torch."""

from __future__ import annotations

from pathlib import Path

from pate.errors import expected
from pate.features.diffusion import Diffusion
from pate.files import bytes_hash
from pate.models.specs import Shape


def require_images(input_shape: Shape) -> None:
    """Refuse tables for SimCLR."""
    if len(input_shape) != 3:
        raise expected("images for SimCLR", "leave features out for tables", input_shape=input_shape)


def require_body(kind: str, widths: tuple[int, ...]) -> None:
    """Refuse a network without layers before its last."""
    if kind != "resnet18" and not widths:
        raise expected("a cnn or an mlp as encoder", "choose such a model", kind=kind)


def require_window(input_shape: Shape, scales: int) -> None:
    """Refuse inputs that are smaller than the coarsest wavelet."""
    window = 2**scales
    if len(input_shape) != 3 or min(input_shape[1:]) < window:
        raise expected(
            f"images of at least {window} pixels a side for scattering",
            "choose fewer scales, or leave features out for tables",
            input_shape=input_shape,
        )


def scattering_width(input_shape: Shape, scales: int, angles: int) -> int:
    """Number of coefficients of one image."""
    channels, height, width = input_shape
    maps = 1 + scales * angles + scales * (scales - 1) // 2 * angles**2
    window = 1 << scales
    return channels * maps * (height // window) * (width // window)


def require_components(count: int, features: int, pool: int) -> None:
    """Refuse more principal components than features or inputs."""
    if not 1 <= count <= min(features, pool):
        raise expected(
            f"1 to {min(features, pool)} components", "ask for fewer, or use a larger pool", components=count
        )


def require_channels(input_shape: Shape) -> None:
    """Refuse inputs that a backbone cannot take."""
    if len(input_shape) != 3 or input_shape[0] not in (1, 3):
        raise expected("images of one or three channels for a backbone", "leave features out", input_shape=input_shape)


def read_weights(weights: Path, sha256: str) -> bytes:
    """The content of a file of weights, which must be the declared one."""
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise expected(
            "a readable file at features.weights", "check the path", error=error.strerror or "unreadable"
        ) from error
    if bytes_hash(content) != sha256.lower():
        raise expected("features.weights with the declared SHA-256", "correct features.sha256 or the file")
    return content


def require_neighbours(diffusion: Diffusion, pool: int) -> None:
    """Refuse a pool that is too small for the graph of its inputs."""
    least = max(diffusion.neighbours, diffusion.width) + 1
    if pool <= least:
        raise expected(
            f"a public pool of more than {least} inputs",
            "use more inputs, or lower features.diffusion.width and neighbours",
            pool=pool,
        )

"""The form of public images, from which a first configuration proposes its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from pate.data.files.image_reading import in_threads, is_dicom, read_images
from pate.data.files.picture import DEEP, Pixels
from pate.errors import expected

LARGEST_SIDE = 64
"""Side of a first configuration at most, so that a first run is quick."""
LOOKED_AT = 200
"""Images that are opened at most."""
_BITS = (10, 12, 14, 16, 31)
_GREY = 8
"""Largest mean difference between channels of a grey picture that was written in colour."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SeenImages:
    """A proposal for images like those that were looked at.

    Attributes:
        pixels: their form.
        mean: of brightness.
        std: its deviation.
        looked_at: number of images.
    """

    pixels: Pixels
    mean: float
    std: float
    looked_at: int


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Glance:
    """One image: its shorter side, whether it has colours, and the values of one deeper than 8 bits."""

    side: int
    coloured: bool = False
    lowest: float | None = None
    highest: float | None = None
    floats: bool = False


def look_at(paths: Sequence[str]) -> SeenImages:
    """Look at some public images, evenly spaced.

    Raises:
        InputError: some cannot be read.
    """
    chosen = [paths[row] for row in np.unique(np.linspace(0, len(paths) - 1, LOOKED_AT).astype(int))]
    seen = list(in_threads(_glance, chosen))
    glances = [glance for glance in seen if glance is not None]
    if not glances:
        raise expected("readable public images", "check the files of --public", unreadable=len(chosen))
    side = min(LARGEST_SIDE, int(np.median([glance.side for glance in glances])))
    bits, window = _range(glances)
    pixels = Pixels(
        height=max(1, side),
        width=max(1, side),
        channels=3 if any(glance.coloured for glance in glances) else 1,
        bits=bits,
        window=window,
    )
    brightness = read_images(chosen, pixels, key="--public")
    return SeenImages(
        pixels=pixels,
        mean=round(float(brightness.mean()), 2),
        std=max(0.05, round(float(brightness.std()), 2)),
        looked_at=len(chosen),
    )


def _range(glances: Sequence[_Glance]) -> tuple[int | None, tuple[float, float] | None]:
    """Return the bits or the window of deep images, if there are any."""
    deep = [glance for glance in glances if glance.highest is not None]
    if not deep:
        return None, None
    lowest = min(glance.lowest or 0 for glance in deep)
    highest = max(glance.highest or 0 for glance in deep)
    if not any(glance.floats for glance in deep) and lowest >= 0:
        return next(bits for bits in _BITS if highest < 2**bits), None
    if lowest >= 0 and highest <= 1:
        return None, (0.0, 1.0)
    return None, (float(np.floor(lowest)), float(np.ceil(max(highest, lowest + 1))))


def _glance(path: str) -> _Glance | None:
    try:
        return _glance_at_dicom(Path(path)) if is_dicom(Path(path)) else _glance_at_file(Path(path))
    except Exception:  # counted when it is read
        return None


def _glance_at_dicom(path: Path) -> _Glance:
    from pydicom import dcmread  # noqa: PLC0415 - only DICOM needs it

    found = dcmread(path, stop_before_pixels=True, force=True)
    coloured = int(found.SamplesPerPixel) == 3 or str(found.PhotometricInterpretation) == "PALETTE COLOR"
    return _Glance(side=min(int(found.Rows), int(found.Columns)), coloured=coloured)


def _glance_at_file(path: Path) -> _Glance:
    from PIL import Image  # noqa: PLC0415 - only images need it

    with Image.open(path) as image:
        side = min(image.size)
        if image.mode in DEEP and image.format != "PPM":
            values = np.asarray(image)
            return _Glance(side=side, lowest=float(values.min()), highest=float(values.max()), floats=image.mode == "F")
        channels = np.asarray(image.convert("RGB"), dtype=np.int16)
    between = np.abs(channels - channels.mean(axis=-1, keepdims=True)).mean()
    return _Glance(side=side, coloured=bool(between > _GREY))

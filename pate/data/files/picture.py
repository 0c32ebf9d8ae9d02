"""One picture file in one form: upright, grey or RGB, of the declared size.

Files of 8 bits per channel are shown as they are. Deeper ones (16 and 32 bits, floats) need the range between black and
white: from the configuration, or from the file's own header. It is never taken from the values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.errors import expected

if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Values: TypeAlias = npt.NDArray[np.float32]
DEEP = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Modes of Pillow with more than 8 bits."""
DEEPEST = np.float32(65535)
LEAST_BITS, MOST_BITS = 9, 31
_HIDDEN_DEPTH = re.compile(r";16[BLN]$")
_WHITE_IS_ZERO = 262
_ORIENTATION = 274
DECLARE = "declare data.pixels.bits (12 for values up to 4095) or data.pixels.window ([black, white])"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """The form that every image is converted to.

    Attributes:
        height: in pixels.
        width: in pixels.
        channels: 1 (grey) or 3 (colour).
        bits: of whole numbers in files deeper than 8 bits; 12: black is 0 and white 4095, and larger ones are refused.
        window: black and white in files deeper than 8 bits; values beyond them are black or white.
    """

    height: int
    width: int
    channels: int
    bits: int | None = None
    window: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or self.channels not in (1, 3):
            raise expected(
                "data.pixels with height and width >= 1 and 1 or 3 channels",
                "declare the size and channels to which images are converted",
                height=self.height,
                width=self.width,
                channels=self.channels,
            )
        if self.bits is not None and not LEAST_BITS <= self.bits <= MOST_BITS:
            raise expected(
                f"{LEAST_BITS} <= data.pixels.bits <= {MOST_BITS}", "files of 8 bits need none", bits=self.bits
            )
        if self.window is not None and (not self.window[0] < self.window[1] or not all(np.isfinite(self.window))):
            raise expected(
                "data.pixels.window as [black, white] with black below white", "correct it", window=self.window
            )
        if self.bits is not None and self.window is not None:
            raise expected("data.pixels.bits or data.pixels.window", "remove one", bits=self.bits, window=self.window)


class Unreadable(Exception):
    """A file that is no picture in a form that can be used.

    Attributes:
        reason: the fault, without content of the file.
        remedy: the way out.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def read_file(path: Path, pixels: Pixels) -> Picture:
    """Read a picture file that is not DICOM. Shape ``[height, width]`` or ``[height, width, 3]``.

    Raises:
        Unreadable: it cannot be used.
        Exception: the decoder's own errors, whose text may quote the file.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415 - only images need it

    with Image.open(path) as image:
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # of a camera: the others are previews
            raise Unreadable("several pictures in one file", "write each to a file of its own")
        raw = _raw_mode(image)
        if image.mode not in DEEP and _HIDDEN_DEPTH.search(raw):
            raise Unreadable("16 bits for each channel of a colour", "convert them to 8 bits for each channel")
        image.load()
        upright = ImageOps.exif_transpose(image) if _is_turned(image) else image
        if upright.mode not in DEEP:
            return from_image(upright, pixels)
        values = _shown(np.asarray(upright), pixels, known=_known_range(image, raw), floats=upright.mode == "F")
        if image.format == "TIFF" and image.tag_v2.get(_WHITE_IS_ZERO) == 0:  # type: ignore[attr-defined]
            values = 1 - values
    return from_values(values, pixels)


def from_image(image: Image.Image, pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Return an 8-bit picture in the declared form; transparency is ignored."""
    from PIL import Image  # noqa: PLC0415

    plain = image.convert("L" if pixels.channels == 1 else "RGB")
    return np.asarray(plain.resize((pixels.width, pixels.height), Image.Resampling.BILINEAR))


def from_values(values: Values, pixels: Pixels) -> npt.NDArray[np.uint16]:
    """Return grey values in [0, 1] in the declared form, in 16 bits."""
    from PIL import Image  # noqa: PLC0415

    plain = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    resized = np.asarray(plain.resize((pixels.width, pixels.height), Image.Resampling.BILINEAR))
    grey = np.rint(np.clip(resized, 0, 1) * DEEPEST).astype(np.uint16)
    return grey if pixels.channels == 1 else np.repeat(grey[..., None], 3, axis=-1)


def between(values: npt.NDArray[np.generic], black: float, white: float) -> Values:
    """Return values as fractions of the way from black to white, within [0, 1]."""
    fractions = (np.asarray(values, dtype=np.float64) - black) / (white - black)
    return np.clip(fractions, 0, 1).astype(np.float32)


def _shown(
    values: npt.NDArray[np.generic], pixels: Pixels, *, known: tuple[float, float] | None, floats: bool
) -> Values:
    """Return deep values as brightness in [0, 1]."""
    if not np.isfinite(values).all():
        raise Unreadable("values that are no numbers", "replace them")
    if known is not None:
        return between(values, *known)
    if pixels.window is not None:
        return between(values, *pixels.window)
    if floats:
        raise Unreadable("floating-point values without a range", "declare data.pixels.window ([black, white])")
    if pixels.bits is None:
        raise Unreadable("more than 8 bits without a range", DECLARE)
    white = 2**pixels.bits - 1
    if int(values.min()) < 0 or int(values.max()) > white:
        raise Unreadable("values beyond data.pixels.bits", DECLARE)
    return between(values, 0, white)


def _is_turned(image: Image.Image) -> bool:
    """Return ``True`` if EXIF says that the picture is not upright; broken EXIF says nothing."""
    try:
        return image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    except Exception:  # its parser raises many kinds
        return False


def _raw_mode(image: Image.Image) -> str:
    """Return the layout of values in the file, by Pillow's name."""
    tiles = getattr(image, "tile", None)
    args = tiles[0].args if tiles else ""
    found = args[0] if isinstance(args, tuple) and args else args
    return found if isinstance(found, str) else ""


def _known_range(image: Image.Image, raw: str) -> tuple[float, float] | None:
    """Return black and white of a deep file whose header tells them."""
    if image.format == "PPM" and image.mode == "I":  # scaled by the largest value that the header names
        return 0, 65535
    return (0, 4095) if raw.startswith("I;12") else None

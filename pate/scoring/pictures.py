"""Images from the bytes of their files or from arrays, read as a study reads its files."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pate.data.body import rows_refused
from pate.data.files.images import Pixels, read_images
from pate.data.records import FloatArray

Picture: TypeAlias = bytes | npt.NDArray[np.generic]
"""The bytes of an image file, or an array ``[H, W]`` or ``[H, W, 1 or 3]`` of bytes in 0..255."""


def read_pictures(pictures: list[Picture], pixels: Pixels, *, key: str) -> FloatArray:
    """Images in one shape. Shape ``[N, channels, height, width]``, float32 in [0, 1].

    Raises:
        InputError: what is no image, or an array of another shape or type.
    """
    found = [_file_content(picture) for picture in pictures]
    broken_N = np.array([content is None for content in found], dtype=bool)
    if broken_N.any():
        raise rows_refused(
            "encoded images, or arrays [height, width] or [height, width, 1 or 3] of bytes in 0..255",
            "send the bytes of the image's file",
            key=key,
            bad_N=broken_N,
        )
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for number, content in enumerate(found):
            path = Path(scratch) / f"{number}"  # the kind is recognised by the content
            path.write_bytes(content or b"")
            paths.append(str(path))
        images: FloatArray = read_images(paths, pixels, key=key)
        return np.array(images)


def _file_content(picture: Picture) -> bytes | None:
    """The content of an image file; ``None`` if there is no such."""
    if isinstance(picture, bytes):
        return picture or None
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or 0 in picture.shape:
        return None
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.ndim != 2 and (picture.ndim != 3 or picture.shape[-1] != 3):
        return None
    return encoded_picture(picture)


def encoded_picture(picture: npt.NDArray[np.generic]) -> bytes:
    """An array of bytes, ``[H, W]`` or ``[H, W, 3]``, as the content of a PNG file."""
    from PIL import Image  # noqa: PLC0415 - only images need it

    written = io.BytesIO()
    Image.fromarray(picture).save(written, format="PNG")
    return written.getvalue()

"""Images as arrays: one form for all loaders, ``[N, channels, height, width]``, float32 in [0, 1]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pate.data.records import FloatArray
from pate.data.refusal import refused

BRIGHTEST = 255


def to_inputs(images: npt.NDArray[np.generic], *, key: str) -> FloatArray:
    """Inputs from stored images.

    Args:
        images: ``[N, H, W]`` or ``[N, H, W, channels]`` with 1 or 3 channels; bytes in 0..255, or floats, which
            are taken as they are.
        key: the configuration key, for errors.

    Raises:
        InputError: another shape or type.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise refused(
            f"images [N, height, width] or [N, height, width, 1 or 3] in {key}",
            "reshape them",
            detail=f"{key}: {images.shape}",
        )
    if images.dtype == np.uint8:
        scaled = images.astype(np.float32) / np.float32(BRIGHTEST)
    elif np.issubdtype(images.dtype, np.floating):
        scaled = images.astype(np.float32)
    else:
        raise refused(f"images of bytes or floats in {key}", "convert them", detail=f"{key}: {images.dtype}")
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def to_labels(labels: npt.NDArray[np.generic], *, classes: int, key: str) -> npt.NDArray[np.int64]:
    """Class indices from stored labels ``[N]`` or ``[N, 1]``; their range is checked, never printed."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise refused(
            f"whole-number labels [N] or [N, 1] in {key}",
            "store class indices",
            detail=f"{key}: {labels.shape} of {labels.dtype}",
        )
    found = labels.astype(np.int64)
    outside = int(((found < 0) | (found >= classes)).sum())
    if outside:
        raise refused(
            f"labels within the {classes} data.classes in {key}",
            "declare all classes, or correct the labels",
            detail=f"{key}: records_outside={outside}",
        )
    return found

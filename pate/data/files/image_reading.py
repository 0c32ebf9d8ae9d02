"""Many image files, decoded by a few threads at a time, in order; those that cannot be used are counted by reason."""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pate.data.body import DETAILS
from pate.data.files import dicom
from pate.data.files.picture import DECLARE, Picture, Pixels, Unreadable, from_image, from_values, read_file
from pate.data.files.stored_images import FloatArray, ImageStore, StoredImages, brightness
from pate.data.refusal import refused
from pate.errors import InputError

In = TypeVar("In")
Out = TypeVar("Out")
OnDone: TypeAlias = Callable[[int], None]
"""(hundredths of the work that were finished) -> None."""
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm"})
IN_MEMORY = 2**26
"""Bytes of float32 above which private images are held in a file."""
MOST_THREADS = 8
ENOUGH = 8
"""Images of more than 8 bits from which a range that was declared wrongly is seen."""
FULL = 65535
LEAST_CONTRAST = FULL // 4
"""Brightness that some of them reach where it is right."""
AHEAD = 4
"""Images that are decoded before they are used, for each thread."""
BROKEN = ("missing, truncated or no image", "restore the files, or remove them from the folder or manifest")
_TALKATIVE = ("PIL", "pydicom")


def read_images(paths: Sequence[str], pixels: Pixels, *, key: str) -> FloatArray:
    """Images in one shape. Shape ``[N, channels, height, width]``, float32 in [0, 1].

    Raises:
        InputError: files that cannot be used; a count in public, paths and reasons in the private detail.
    """
    inputs = np.zeros((len(paths), *_shape(pixels)), dtype=np.float32)
    for row, picture in _pictures(paths, pixels, key):
        inputs[row] = brightness(picture)
    return inputs


def read_private_images(
    paths: Sequence[str], pixels: Pixels, *, key: str, on_done: OnDone | None = None
) -> FloatArray | StoredImages:
    """As ``read_images``; many are held in a file, so that memory does not grow with them.

    Args:
        paths: of the files.
        pixels: the form.
        key: the configuration key, for errors.
        on_done: receives finished hundredths, so that it does not learn the number of images.
    """
    shape = _shape(pixels)
    if len(paths) * int(np.prod(shape)) * 4 <= IN_MEMORY:
        return read_images(paths, pixels, key=key)
    store, told = ImageStore(shape), 0
    for row, picture in _pictures(paths, pixels, key):
        store.add(picture)
        now = 100 * (row + 1) // len(paths)
        if on_done is not None and now > told:
            on_done(now - told)
        told = now
    return store.images()


def read_picture(path: Path, pixels: Pixels) -> Picture:
    """Read a file of any kind in the declared form.

    Raises:
        Unreadable: it cannot be used.
        Exception: a decoder's error, whose text may quote the file.
    """
    from PIL import Image  # noqa: PLC0415 - only images need it

    if not is_dicom(path):
        return read_file(path, pixels)
    values = dicom.read_dicom(path, pixels)
    if values.dtype == np.uint8:
        return from_image(Image.fromarray(values), pixels)
    return from_values(values.astype(np.float32, copy=False), pixels)


def is_dicom(path: Path) -> bool:
    """Return ``True`` for a DICOM file, by its name or by its mark."""
    suffix = path.suffix.lower()
    return suffix in dicom.SUFFIXES or (suffix not in SUFFIXES and dicom.has_mark(path))


def in_threads(function: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """Yield the result for each item, in order; a few are worked on at a time, and a few wait."""
    threads = max(1, min(MOST_THREADS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))
    waiting: deque[Future[Out]] = deque()
    with silent(), ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def silent() -> Iterator[None]:
    """Warnings and log lines of decoders, which may quote a file, are not shown."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    before = [logger.level for logger in loggers]
    from PIL import Image  # noqa: PLC0415

    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _shape(pixels: Pixels) -> tuple[int, int, int]:
    return pixels.channels, pixels.height, pixels.width


def _pictures(paths: Sequence[str], pixels: Pixels, key: str) -> Iterator[tuple[int, Picture]]:
    """Yield the number and the picture of each file; after the last, refuse if there were faults."""

    def attempt(path: str) -> Picture | tuple[str, str]:
        try:
            return read_picture(Path(path), pixels)
        except Unreadable as fault:
            return fault.reason, fault.remedy
        except Exception:  # a decoder's error may quote the file
            return BROKEN

    faults: dict[int, tuple[str, str]] = {}
    darkest, brightest = [], []
    for row, found in enumerate(in_threads(attempt, paths)):
        if isinstance(found, tuple):
            faults[row] = found
            continue
        if found.dtype == np.uint16:
            darkest.append(int(found.min()))
            brightest.append(int(found.max()))
        if not faults:
            yield row, found
    if faults:
        raise _refused(paths, faults, key)
    if len(darkest) >= ENOUGH:
        _require_contrast(np.array(darkest), np.array(brightest), pixels, key)


def _require_contrast(
    darkest_N: npt.NDArray[np.int64], brightest_N: npt.NDArray[np.int64], pixels: Pixels, key: str
) -> None:
    """Refuse deep images that are all nearly black or white, or mostly without any contrast: their range is wrong."""
    narrow = brightest_N.max() < LEAST_CONTRAST or darkest_N.min() > FULL - LEAST_CONTRAST
    clipped = int(((darkest_N == FULL) | (brightest_N == 0)).sum())
    if (narrow and pixels.window is None) or 2 * clipped > len(darkest_N):
        raise refused(
            f"images of more than 8 bits in {key} that use a quarter of their range",
            DECLARE,
            detail=f"{key}: {len(darkest_N)} images, values between {darkest_N.min()} and {brightest_N.max()} of "
            f"{FULL}, {clipped} all black or white",
        )


def _refused(paths: Sequence[str], faults: dict[int, tuple[str, str]], key: str) -> InputError:
    """The error for images that cannot be used: the remedy of the most frequent fault, counts and paths in private."""
    counts = Counter(faults.values())
    (_, remedy), _ = counts.most_common(1)[0]
    listed = [f"{count} of {len(paths)}: {reason}; {way}" for (reason, way), count in counts.most_common()]
    listed += [f"row {row}: {paths[row]!r}: {reason}" for row, (reason, _) in list(faults.items())[:DETAILS]]
    return InputError(
        f"Expected readable images in {key}, got {len(faults)} of {len(paths)} records that differ; {remedy}",
        private_detail=f"{key}, rows counted from 0 as read:\n" + "\n".join(listed),
    )

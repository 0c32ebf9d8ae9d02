"""Images in a file without a name, in 8 or 16 bits, that are read as floats only where they are used.

The file is open, mode 0600, and has no entry in any folder, so that it is gone with the process that made it, however
that ends. It lies in ``TMPDIR``, else in ``/var/tmp``, which is on a disk where ``/tmp`` may be memory.

Shape legend: ``N`` images.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.data.files.picture import Picture
from pate.values import Redacted

FloatArray: TypeAlias = npt.NDArray[np.float32]
BRIGHTEST = {1: np.float32(255), 2: np.float32(65535)}
"""Largest value by number of bytes."""


def brightness(picture: Picture) -> FloatArray:
    """Brightness in [0, 1], channels first. Shape ``[channels, height, width]``."""
    scaled = picture.astype(np.float32) / BRIGHTEST[picture.dtype.itemsize]
    return np.ascontiguousarray(scaled[None] if scaled.ndim == 2 else scaled.transpose(2, 0, 1))


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PackedImages:
    """Some images in as few bytes as they have, to be sent to a task.

    Attributes:
        pictures: in 8 or 16 bits.
        shape: of one input.
    """

    pictures: list[Picture]
    shape: tuple[int, ...]

    def unpacked(self) -> FloatArray:
        """Return the inputs. Shape ``[N, channels, height, width]``."""
        inputs = np.empty((len(self.pictures), *self.shape), dtype=np.float32)
        for row, picture in enumerate(self.pictures):
            inputs[row] = brightness(picture)
        return inputs


@final
class _OpenFile:
    """A descriptor that is closed with the last object that holds it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)


@final
class StoredImages(Redacted):
    """Inputs ``[N, channels, height, width]``, float32 in [0, 1], that are held in a file.

    Args:
        file: of the images, one after the other.
        shape: of one input.
        starts_N: the byte at which each image begins.
        sizes_N: its number of bytes.
    """

    def __init__(
        self, file: _OpenFile, shape: tuple[int, ...], starts_N: npt.NDArray[np.int64], sizes_N: npt.NDArray[np.int64]
    ) -> None:
        self._file = file
        self._one = shape
        self._starts_N = starts_N
        self._sizes_N = sizes_N
        self._begun: dict[bytes, Any] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all inputs."""
        return len(self), *self._one

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the inputs as they are read."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(self._starts_N)

    def __iter__(self) -> Iterator[FloatArray]:
        for row in range(len(self)):
            yield brightness(self._picture(row))

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> FloatArray:
        return self.packed(rows).unpacked()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        inputs = self[np.arange(len(self))]
        return inputs if dtype is None else inputs.astype(dtype)

    def take(self, rows: npt.NDArray[np.int64]) -> StoredImages:
        """Return the images at these positions, in the same file."""
        return StoredImages(self._file, self._one, self._starts_N[rows], self._sizes_N[rows])

    def packed(self, rows: npt.NDArray[np.int64]) -> PackedImages:
        """Return the images at these positions in as few bytes as they have."""
        return PackedImages(pictures=[self._picture(row) for row in rows.tolist()], shape=self._one)

    def hashed(self, digest: Any) -> Any:
        """Return a running SHA-256 after the bytes of all inputs; computed once for each state before."""
        before = digest.digest()
        if before not in self._begun:
            for inputs in self:
                digest.update(inputs.astype("<f4", copy=False).tobytes())
            self._begun[before] = digest
        return self._begun[before].copy()

    def _picture(self, row: int) -> Picture:
        channels, height, width = self._one
        size = int(self._sizes_N[row])
        content = os.pread(self._file.descriptor, size, int(self._starts_N[row]))
        deep = size == 2 * channels * height * width
        form = (height, width) if channels == 1 else (height, width, channels)
        if deep:
            return np.frombuffer(content, dtype=np.uint16).reshape(form)
        return np.frombuffer(content, dtype=np.uint8).reshape(form)


@final
class ImageStore(Redacted):
    """A file that takes images one after the other.

    Args:
        shape: of one input.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        with tempfile.TemporaryFile(dir=_folder()) as file:
            self._file = _OpenFile(os.dup(file.fileno()))
        self._shape = shape
        self._sizes: list[int] = []

    def add(self, picture: Picture) -> None:
        """Write the next image."""
        content = picture.tobytes()
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._file.descriptor, rest) :]
        self._sizes.append(len(content))

    def images(self) -> StoredImages:
        """Return all images that were written."""
        sizes_N = np.array(self._sizes, dtype=np.int64)
        return StoredImages(self._file, self._shape, np.cumsum(sizes_N) - sizes_N, sizes_N)


def _folder() -> str | None:
    """Return the folder of files without a name; ``None``: the usual one."""
    on_disk = Path("/var/tmp")  # noqa: S108 - the file has no name and is readable by its owner alone
    return None if os.environ.get("TMPDIR") or not os.access(on_disk, os.W_OK) else str(on_disk)

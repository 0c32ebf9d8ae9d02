"""Untrusted ``.npy`` files: the header is compared with the file before memory is allocated."""

from __future__ import annotations

import math
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_npy(path: Path) -> npt.NDArray[Any]:
    """Map an array, without pickle.

    Raises:
        ValueError: it is no ``.npy`` file, or its header does not match the content of the file.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        shape, dtype = _header(file)
        held = path.stat().st_size - file.tell()
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    if math.prod(shape) * dtype.itemsize != held:
        raise ValueError(f"a header that announces {math.prod(shape) * dtype.itemsize} bytes, and {held} bytes")
    if held == 0:
        return np.zeros(shape, dtype=dtype)
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        read = _READERS[np.lib.format.read_magic(file)]
        shape, _, dtype = read(file)
    except (KeyError, RecursionError, MemoryError, OverflowError, TypeError, SyntaxError, TokenError) as error:
        raise ValueError("no header of a .npy file") from error
    if not all(type(size) is int and 0 <= size < 2**62 for size in shape):
        raise ValueError("a shape that no array has")
    return shape, dtype

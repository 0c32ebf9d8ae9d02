"""Arrays from an untrusted NumPy archive: announced sizes are checked against the file before memory is allocated."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import psutil

from pate.data.refusal import refused, require_file
from pate.errors import InputError

KINDS = "biufSU"
"""Kinds of entries: numbers and text."""
MODEST = 2**28
"""Bytes that arrays may take however small their archive is."""
DENSEST = 200
"""Bytes of larger arrays for each byte of their archive; images do not compress further."""
WORKING = 12
"""Bytes that each entry takes further while it is made an input: three arrays of float32."""


def read_arrays(path: Path, names: Mapping[str, str], *, key: str, role_keys: Mapping[str, str]) -> dict[str, Any]:
    """Some arrays of an archive.

    Args:
        path: of the archive.
        names: role -> name of the array.
        key: the configuration key of the file, for errors.
        role_keys: role -> the configuration key of the array's name, for errors.

    Raises:
        InputError: no archive, a missing array, pickled objects, or sizes that the file cannot hold.
    """
    require_file(path, key=key)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            for role, name in names.items():
                if f"{name}.npy" not in members:
                    raise refused(
                        f"an array {name!r} in {key}",
                        f"correct {role_keys[role]} or prefix",
                        detail=f"{path}, arrays: {sorted(members)}",
                    )
            wanted = {role: members[f"{name}.npy"] for role, name in names.items()}
            _require_room(archive, wanted, path, key)
            return {role: _read(archive, member) for role, member in wanted.items()}
    except InputError:
        raise
    except Exception as error:  # an error about broken content may quote it
        raise _unreadable(key, f"{path}: {type(error).__name__}: {error}") from None


def _require_room(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: Path, key: str) -> None:
    """Refuse arrays that are larger than the archive can hold, or than the memory."""
    stored, total, entries = path.stat().st_size, 0, 0
    for member in members.values():
        shape, dtype, start = _header(archive, member)
        if dtype.kind not in KINDS or dtype.itemsize == 0:
            raise _unreadable(key, f"{path}, {member.filename}: {dtype}")
        size = math.prod(shape) * dtype.itemsize
        if start + size != member.file_size or member.compress_size > stored:
            raise _unreadable(key, f"{path}, {member.filename}: {shape} of {dtype} in {member.file_size} bytes")
        total, entries = total + size, entries + math.prod(shape)
    if total > max(MODEST, DENSEST * stored):
        raise _unreadable(key, f"{path}: {total} bytes of arrays in {stored} bytes")
    if total + WORKING * entries > psutil.virtual_memory().available:
        raise refused(
            f"arrays in {key} that fit the memory of this machine",
            "give it more memory, or prepare smaller images",
            detail=f"{path}: {total} bytes of arrays",
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[np.generic]:
    with archive.open(member) as stream:
        array: npt.NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):  # also compares the checksum
            raise ValueError("bytes after the array")
    return array


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of an array, and where it begins."""
    with archive.open(member) as stream:
        return (*_declared(stream), stream.tell())


def _declared(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, _, dtype = read(stream)
    return shape, dtype


def _unreadable(key: str, detail: str) -> InputError:
    return refused(f"a whole NumPy archive without pickles at {key}", "fetch or save it again", detail=detail)

"""The origin of private records: their position in their files, and the content by which they are recognised.

Both are taken from the records as read, before anything is dropped, joined or encoded, so that neither the
pool, nor the list of features, nor the size of images changes them.

Shape legend: ``N`` records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.values import Redacted

if TYPE_CHECKING:
    import pandas as pd

FILE_BITS = 40
"""Bits of a position that count within a file."""
Digests: TypeAlias = tuple[bytes, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Origin(Redacted):
    """The origin of records.

    Attributes:
        positions_N: the position of each record in its file: the number of the line or array row, from 0, with the
            number of the file among those of its site in the bits above ``FILE_BITS``. Shape ``[N]``.
        raw: digests of each record as it was read; the first is of the whole record. Length N.
        files: digests of the files.
        left_out: ids of the units whose records are not used, since they stand in the public files.
        unknown: lines about categories that the public encoder does not know.
    """

    positions_N: npt.NDArray[np.int64]
    raw: tuple[Digests, ...]
    files: Digests = ()
    left_out: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def take(self, index: npt.NDArray[np.int64]) -> Origin:
        """The origin of the records at these positions, in this order."""
        return replace(self, positions_N=self.positions_N[index], raw=tuple(self.raw[row] for row in index.tolist()))


def joined(origins: Sequence[Origin], sites: Sequence[str | None]) -> Origin:
    """The origin of the records of several files, one after the other.

    Args:
        origins: one for each file.
        sites: the declared site of each file; files of one site are numbered among themselves.
    """
    rows = []
    for number, origin in enumerate(origins):
        file = sum(site == sites[number] for site in sites[:number])
        rows.append(origin.positions_N + (file << FILE_BITS))
    return Origin(
        positions_N=np.concatenate(rows),
        raw=tuple(digests for origin in origins for digests in origin.raw),
        files=tuple(digest for origin in origins for digest in origin.files),
    )


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file, which recognises it under another name."""
    with path.open("rb") as file:
        return hashlib.sha256(b"file" + hashlib.file_digest(file, "sha256").digest()).digest()


def rows_digests(table: pd.DataFrame, label: str | None) -> tuple[Digests, ...]:
    """Digests of each row of a table of text: with all columns, and without the label; columns in order of name.

    Args:
        table: text in canonical form, missing values as NaN.
        label: name of the label's column.
    """
    columns = sorted(table.columns)
    whole = _row_digests(table, columns, b"row")
    bare = _row_digests(table, [name for name in columns if name != label], b"row without label")
    return tuple(zip(whole, bare, strict=True))


def array_digests(images: npt.NDArray[np.generic], labels_N: npt.NDArray[np.int64]) -> tuple[Digests, ...]:
    """Digests of each row of an array as it was stored: with its label, and alone."""
    head = f"array{images.dtype.str}{images.shape[1:]}".encode()
    bare = [hashlib.sha256(head + row.tobytes()).digest() for row in np.ascontiguousarray(images)]
    return tuple(
        (hashlib.sha256(digest + int(label).to_bytes(8, "big", signed=True)).digest(), digest)
        for digest, label in zip(bare, labels_N, strict=True)
    )


def _row_digests(table: pd.DataFrame, columns: list[str], purpose: bytes) -> list[bytes]:
    values = [table[name].fillna("\x1e").astype(str).tolist() for name in columns]
    head = purpose + "\x1f".join(columns).encode("utf-8", "surrogatepass")
    rows = zip(*values, strict=True) if values else (() for _ in range(len(table)))
    return [hashlib.sha256(head + "\x1f".join(row).encode("utf-8", "surrogatepass")).digest() for row in rows]

"""Votes: always private. A vote is a class index, or -1 for an abstention.

On disk a matrix is a ``.npy`` file of one or two bytes per vote, written a block of teachers at a time and read through
a memory map: 5,000 teachers on 10,000 queries are 50 MB there, and no float copy of them exists anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.arrays import IntArray
from pate.errors import InputError, expected
from pate.files import file_hash, sync
from pate.npy_file import load_npy
from pate.values import Redacted

ABSTAIN = -1
BLOCK = 2**21
"""Votes that are checked at once."""
VoteArray: TypeAlias = npt.NDArray[np.signedinteger[Any]]
"""int8 or int16."""


def narrowest(classes: int) -> np.dtype[np.signedinteger[Any]]:
    """The smallest type that holds a vote on ``classes`` classes."""
    return np.dtype(np.int8 if classes <= np.iinfo(np.int8).max else np.int16)


def as_votes(raw: npt.NDArray[np.generic], classes: int) -> VoteArray:
    """Votes from raw predictions: NaN, fractional and out-of-range ones become abstentions. Any shape."""
    values = np.asarray(raw)
    if values.dtype.kind not in "iu":
        values = np.asarray(values, dtype=np.float64)
        values = np.where(np.isfinite(values) & (values == np.floor(values)), values, ABSTAIN)
    return np.where((values >= 0) & (values < classes), values, ABSTAIN).astype(narrowest(classes))


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VoteMatrix(Redacted):
    """One vote per teacher and query.

    Attributes:
        labels_TQ: votes in ``[-1, classes)``, int8 or int16, possibly a memory map. Shape ``[T, Q]``.
        classes: number of classes ``C``.
    """

    labels_TQ: VoteArray
    classes: int

    def __post_init__(self) -> None:
        if self.labels_TQ.ndim != 2 or self.labels_TQ.dtype not in (np.int8, np.int16):
            raise expected("an int8 or int16 vote matrix [T, Q]", "collect votes first", shape=self.labels_TQ.shape)
        if self.classes < 2:
            raise expected("classes >= 2", "a vote needs two classes", classes=self.classes)
        if self.labels_TQ.size and (self.labels_TQ.min() < ABSTAIN or self.labels_TQ.max() >= self.classes):
            raise expected(f"votes in [-1, {self.classes})", "use VoteMatrix.collect for raw votes")

    @classmethod
    def collect(cls, raw_TQ: npt.NDArray[np.generic], classes: int) -> VoteMatrix:
        """Votes from raw predictions: NaN, fractional and out-of-range ones become abstentions. Shape ``[T, Q]``."""
        return cls(labels_TQ=as_votes(raw_TQ, classes), classes=classes)

    @classmethod
    def strict(cls, labels_TQ: npt.ArrayLike, classes: int) -> VoteMatrix:
        """Votes from a table in which anything else is an error, such as a user's file. Shape ``[T, Q]``.

        Raises:
            InputError: a number that is neither a class index nor -1.
        """
        labels = _whole_numbers(labels_TQ, "labels")
        outside = int(((labels < ABSTAIN) | (labels >= classes)).sum())
        if outside:
            raise expected("labels in -1 .. C-1", "write an abstention as -1", classes=classes, outside=outside)
        return cls(labels_TQ=labels.astype(narrowest(classes)), classes=classes)

    def histogram(self) -> VoteHistogram:
        """Votes for each class; a teacher adds at most one vote to a query."""
        teachers, queries = self.labels_TQ.shape
        wide = self.classes + 1  # the first column counts abstentions
        counts = np.zeros(queries * wide, dtype=np.int64)
        cells_Q = np.arange(queries) * wide + 1
        rows = max(1, BLOCK // max(1, queries))
        for start in range(0, teachers, rows):
            cells = cells_Q + np.asarray(self.labels_TQ[start : start + rows])
            counts += np.bincount(cells.ravel(), minlength=len(counts))
        return VoteHistogram(counts_QC=counts.reshape(queries, wide)[:, 1:].copy(), teachers=teachers)

    def save(self, path: Path) -> str:
        """Write to the private folder; returns the SHA-256 of the file."""
        with path.open("wb") as file:
            np.save(file, self.labels_TQ, allow_pickle=False)
        return file_hash(path)

    @classmethod
    def load(cls, path: Path, classes: int, sha256: str) -> VoteMatrix:
        """Map what ``save`` or ``VoteFile`` wrote.

        Raises:
            InputError: the file is not the one that was written.
        """
        if file_hash(path) != sha256:
            raise InputError(
                "Expected the vote matrix as it was persisted, got a file with another hash; restore the run's "
                "private folder (votes are never recomputed)",
                private_detail=str(path),
            )
        try:
            labels_TQ = load_npy(path)
        except ValueError as error:
            raise expected("a vote matrix", "restore the run's private folder", file=path.name) from error
        return cls(labels_TQ=labels_TQ, classes=classes)


@final
class VoteFile(Redacted):
    """A vote matrix on its way to the private folder; teachers whose votes never arrive abstain.

    Args:
        path: appears when the matrix is complete.
        teachers: the roster's size ``T``.
        queries: number of queries ``Q``.
        classes: number of classes ``C``.
    """

    def __init__(self, path: Path, *, teachers: int, queries: int, classes: int) -> None:
        if min(teachers, queries) < 1:
            raise expected("at least one teacher and one query", "ask something", teachers=teachers, queries=queries)
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.new")
        self._classes = classes
        self._labels_TQ = np.lib.format.open_memmap(
            self._part, mode="w+", dtype=narrowest(classes), shape=(teachers, queries)
        )
        self._labels_TQ[:] = ABSTAIN

    def put(self, teachers: Sequence[int], raw_TQ: npt.NDArray[np.generic]) -> None:
        """Add the raw votes of some teachers; see ``VoteMatrix.collect``. Shape ``[len(teachers), Q]``."""
        if raw_TQ.shape != (len(teachers), self._labels_TQ.shape[1]):
            raise expected("one vote per teacher and query", "collect them again", shape=raw_TQ.shape)
        self._labels_TQ[list(teachers)] = as_votes(raw_TQ, self._classes)

    def finish(self) -> str:
        """Write the complete matrix; returns the SHA-256 of the file."""
        self._labels_TQ.flush()
        del self._labels_TQ
        sync(self._part)
        self._part.replace(self._path)
        return file_hash(self._path)


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VoteHistogram(Redacted):
    """Votes counted by class.

    Attributes:
        counts_QC: non-negative counts, at most ``teachers`` in a row. Shape ``[Q, C]``.
        teachers: the roster's size ``T``.
    """

    counts_QC: IntArray
    teachers: int

    def __post_init__(self) -> None:
        counts = self.counts_QC
        if counts.ndim != 2 or counts.dtype != np.int64 or counts.shape[1] < 2:
            raise expected("int64 counts [Q, C] with C >= 2", "count votes first", shape=counts.shape)
        if counts.size and (counts.min() < 0 or counts.sum(axis=1).max() > self.teachers):
            raise expected("counts >= 0 that sum to at most the roster", "each teacher votes once a query")

    @classmethod
    def strict(cls, counts_QC: npt.ArrayLike, teachers: int) -> VoteHistogram:
        """Counts from a table of whole numbers of any type, such as a user's file. Shape ``[Q, C]``.

        Raises:
            InputError: the table holds something else.
        """
        return cls(counts_QC=_whole_numbers(counts_QC, "counts"), teachers=teachers)

    def __len__(self) -> int:
        return len(self.counts_QC)


def _whole_numbers(values: npt.ArrayLike, name: str) -> IntArray:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise expected(f"integer {name}", "give numbers", dtype=str(array.dtype))
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise expected(f"finite integer {name}", "NaN, infinities and fractions are no votes", dtype=str(array.dtype))
    return array.astype(np.int64)

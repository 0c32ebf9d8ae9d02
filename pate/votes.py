"""Votes: private from the first to the last. A vote is a class index, or -1 for an abstention."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.errors import InputError, expected
from pate.values import Redacted

ABSTAIN = -1
VoteArray: TypeAlias = npt.NDArray[np.int16]
CountArray: TypeAlias = npt.NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VoteMatrix(Redacted):
    """One vote per teacher and query.

    Attributes:
        labels_TQ: votes in ``[-1, classes)``. Shape ``[T, Q]``.
        classes: number of classes ``C``.
    """

    labels_TQ: VoteArray
    classes: int

    def __post_init__(self) -> None:
        if self.labels_TQ.ndim != 2 or self.labels_TQ.dtype != np.int16:
            raise expected("an int16 vote matrix [T, Q]", "collect votes first", shape=self.labels_TQ.shape)
        if self.classes < 2:
            raise expected("classes >= 2", "one class leaves nothing to vote on", classes=self.classes)
        if self.labels_TQ.size and (self.labels_TQ.min() < ABSTAIN or self.labels_TQ.max() >= self.classes):
            raise expected(f"votes in [-1, {self.classes})", "use VoteMatrix.collect for raw votes")

    @classmethod
    def collect(cls, raw_TQ: npt.NDArray[np.generic], classes: int) -> VoteMatrix:
        """Votes as they came: NaN, fractional and out-of-range ones become abstentions. Shape ``[T, Q]``."""
        values = np.asarray(raw_TQ, dtype=np.float64)
        valid = np.isfinite(values) & (values >= 0) & (values < classes) & (values == np.floor(values))
        return cls(labels_TQ=np.where(valid, values, ABSTAIN).astype(np.int16), classes=classes)

    def histogram(self) -> VoteHistogram:
        """Votes for each class; a teacher adds at most one vote to a query."""
        counts_QC = np.stack([(self.labels_TQ == c).sum(axis=0) for c in range(self.classes)], axis=1)
        return VoteHistogram(counts_QC=counts_QC.astype(np.int64), teachers=len(self.labels_TQ))

    def save(self, path: Path) -> str:
        """Write to the private folder; returns the SHA-256 of the file."""
        with path.open("wb") as file:
            np.save(file, self.labels_TQ, allow_pickle=False)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    @classmethod
    def load(cls, path: Path, classes: int, sha256: str) -> VoteMatrix:
        """Read what ``save`` wrote.

        Raises:
            InputError: the file is not the one that was written.
        """
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise InputError(
                "Expected the vote matrix as it was persisted, got a file with another hash; restore the run's "
                "private folder (votes are never recomputed)",
                private_detail=str(path),
            )
        return cls(labels_TQ=np.load(path, allow_pickle=False), classes=classes)


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VoteHistogram(Redacted):
    """Votes counted by class.

    Attributes:
        counts_QC: non-negative counts, at most ``teachers`` in a row. Shape ``[Q, C]``.
        teachers: the roster's size ``T``.
    """

    counts_QC: CountArray
    teachers: int

    def __post_init__(self) -> None:
        counts = self.counts_QC
        if counts.ndim != 2 or counts.dtype != np.int64 or counts.shape[1] < 2:
            raise expected("int64 counts [Q, C] with C >= 2", "count votes first", shape=counts.shape)
        if counts.size and (counts.min() < 0 or counts.sum(axis=1).max() > self.teachers):
            raise expected("counts >= 0 that sum to at most the roster", "each teacher votes once a query")

    def __len__(self) -> int:
        return len(self.counts_QC)

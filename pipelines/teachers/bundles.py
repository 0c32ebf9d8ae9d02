"""A bundle of teachers inside a task: training, votes and storage of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final

from pate.arrays import IntArray
from pate.data.files.stored_images import FloatArray, PackedImages
from pate.errors import InputError
from pate.files import file_hash, write_atomically
from pate.teachers import BundleWeights, TeacherRecords, train_bundle, vote
from pate.votes import VoteArray


class RecordSource(Protocol):
    """The source of some teachers' records; sent to a task and loaded there."""

    def load(self) -> list[TeacherRecords]:
        """Load inputs and labels of each teacher."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SentRecords:
    """Records that travel with their task."""

    records: Sequence[tuple[FloatArray | PackedImages, IntArray]]

    def load(self) -> list[TeacherRecords]:
        """Load inputs and labels of each teacher."""
        return [(x.unpacked() if isinstance(x, PackedImages) else x, labels) for x, labels in self.records]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBundle:
    """The weights of a bundle in a private folder, with their hash in a second file.

    Attributes:
        path: of the weights.
        sha256: their expected hash; ``None``: the one in the second file.
    """

    path: Path
    sha256: str | None = None

    @property
    def recorded(self) -> str | None:
        """The stored hash, if the weights were written completely."""
        file = self.path.with_suffix(".sha256")
        return file.read_text() if file.exists() else None

    def is_whole(self) -> bool:
        """Return ``True`` if both files exist and agree; a bundle interrupted between them is trained again."""
        return self.recorded is not None and self.path.exists() and file_hash(self.path) == self.recorded

    def write(self, weights: BundleWeights) -> None:
        """Keep weights; the hash last."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.path, weights.content)
        self.record(weights.sha256)

    def record(self, sha256: str) -> None:
        """Keep the hash alone, where the weights stay at their site."""
        write_atomically(self.path.with_suffix(".sha256"), sha256)

    def read(self) -> BundleWeights:
        """Return the weights; their hash is checked when they are unpacked.

        Raises:
            InputError: they are not there.
        """
        try:
            return BundleWeights(content=self.path.read_bytes(), sha256=self.sha256 or self.recorded or "")
        except OSError as error:
            raise InputError(
                "Expected the teachers' weights in their private folder, got none; restore it or start a new run",
                private_detail=str(error),
            ) from error


def train_and_keep(*, source: RecordSource, keep: StoredBundle | None, **spec: Any) -> BundleWeights | str:
    """Train a bundle on the records that its source loads here.

    Args:
        source: of the records.
        keep: location of weights that are not returned to the driver.
        spec: see ``pate.teachers.train_bundle``.

    Returns:
        The weights, or the hash of those that are kept; a bundle already stored is not trained again.
    """
    if keep is not None and keep.is_whole():
        return keep.recorded or ""
    weights = train_bundle(source.load(), **spec)
    if keep is None:
        return weights
    keep.write(weights)
    return weights.sha256


def vote_of_bundle(*, weights: BundleWeights | StoredBundle, inputs: Any, classes: int, **spec: Any) -> VoteArray:
    """Return the votes of a bundle, one or two bytes each. Shape ``[T, Q]``."""
    read = weights.read() if isinstance(weights, StoredBundle) else weights
    return vote(read, inputs, classes=classes, **spec)

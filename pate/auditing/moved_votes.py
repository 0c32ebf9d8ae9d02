"""Number of votes moved by one changed privacy unit, over many changes of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from pate.auditing.record_changes import Kind
from pate.votes import VoteArray


def most_moved(before_TQ: VoteArray, after_TQ: VoteArray) -> int:
    """The most teachers whose votes on one query differ; all, where the matrices are not of one shape."""
    if before_TQ.shape != after_TQ.shape:
        return int(max(before_TQ.shape[0], after_TQ.shape[0]))
    differ_TQ = np.asarray(before_TQ) != np.asarray(after_TQ)
    return int(differ_TQ.sum(axis=0).max(initial=0))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Runs with one kind of change. Counts over runs, without data of any unit.

    Attributes:
        kind: of the change.
        runs: number of runs.
        refused: those of them that were refused.
        moved: among the others, the most votes moved on one query.
        teachers: among the others, the most teachers with other weights.
        allowed: number of votes, and of teachers, that may change.
        told: runs whose public output differs from that of the unchanged run.
    """

    kind: Kind
    runs: int
    refused: int
    moved: int
    teachers: int
    allowed: int
    told: int

    @property
    def broken(self) -> bool:
        """True if a unit reached more teachers than are charged, or something public depends on it."""
        return max(self.moved, self.teachers) > self.allowed or self.told > 0

"""Number of votes that one changed privacy unit moves, over many changes of each kind."""

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
    """Runs with one kind of change. Counts over runs, nothing of any unit.

    Attributes:
        kind: of the change.
        runs: how many.
        refused: of these, those that ended with the one sentence.
        moved: of the others, the most votes that moved on one query.
        teachers: of the others, the most teachers that learned something else.
        allowed: how many votes may move, and as many teachers.
        told: runs whose public side differs from that of the unchanged run, or that ended with other words.
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

"""Two vote histograms that one teacher's change turns into each other, on every query of a short campaign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from pate.arrays import IntArray
from pate.errors import expected


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Synthetic neighbouring histograms, not derived from data, so not private.

    Attributes:
        name: of the test case.
        first_QC: votes without the change. Shape ``[Q, C]``.
        second_QC: votes with it. Shape ``[Q, C]``.
    """

    name: str
    first_QC: IntArray
    second_QC: IntArray

    def __post_init__(self) -> None:
        first_QC, second_QC = self.first_QC, self.second_QC
        if first_QC.ndim != 2 or first_QC.shape != second_QC.shape or min(first_QC.min(), second_QC.min()) < 0:
            raise expected("two histograms of one shape, counts >= 0", "give [Q, C] twice", shape=first_QC.shape)
        change_QC = second_QC - first_QC
        moved = max((np.abs(change_QC * (change_QC * sign > 0)).sum(axis=1)).max() for sign in (1, -1))
        if moved > 1:
            raise expected("one vote moved on each query", "neighbours differ in one teacher", pair=self.name)

    @property
    def teachers(self) -> int:
        """The roster's size."""
        return int(max(self.first_QC.sum(axis=1).max(), self.second_QC.sum(axis=1).max()))


def opposite_moves(name: str, *, top: int) -> Neighbours:
    """Two tied queries on two classes; the teacher's vote moves one way on the first and the other way on the second,
    so that noise shared by the queries reveals the move."""
    first = np.array([[top, top], [top, top]], dtype=np.int64)
    move = np.array([[-1, 1], [1, -1]], dtype=np.int64)
    return Neighbours(name=name, first_QC=first, second_QC=first + move)

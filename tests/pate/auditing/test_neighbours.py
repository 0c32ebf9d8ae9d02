"""Only what one teacher can change is a pair of neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from pate.auditing import Neighbours, opposite_moves
from pate.errors import InputError


def test_opposite_moves_change_one_vote_on_each_query() -> None:
    pair = opposite_moves("p", top=10)
    assert (pair.second_QC - pair.first_QC).tolist() == [[-1, 1], [1, -1]]
    assert pair.teachers == 20


@pytest.mark.parametrize("second", [[[3, 1]], [[2, 2]], [[0, 0]], [[0, 3]], [[-1, 2]], [[1, 1], [1, 1]]])
def test_two_votes_or_a_vote_more_or_another_shape_are_refused(second: list[list[int]]) -> None:
    with pytest.raises(InputError):
        Neighbours(name="p", first_QC=np.array([[1, 1]]), second_QC=np.array(second))


@pytest.mark.parametrize("second", [[[0, 2]], [[0, 1]], [[1, 2]], [[1, 1]]])
def test_a_moved_vote_and_an_abstention_are_neighbours(second: list[list[int]]) -> None:
    Neighbours(name="p", first_QC=np.array([[1, 1]]), second_QC=np.array(second))

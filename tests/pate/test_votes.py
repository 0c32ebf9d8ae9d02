"""A teacher moves the histogram by at most one vote to and one vote from, whatever it sends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pate.errors import InputError
from pate.votes import VoteMatrix

odd = st.sampled_from([float("nan"), float("inf"), -float("inf"), -7.0, 0.5, 3.0, 1e300, -1.0])
vote = st.one_of(st.integers(0, 2).map(float), odd)


@given(st.lists(vote, min_size=6, max_size=6), st.integers(0, 5), vote)
def test_an_arbitrary_change_of_one_teacher_moves_at_most_one_vote(votes: list[float], who: int, other: float) -> None:
    before = np.array(votes)[:, None]
    after = before.copy()
    after[who] = other
    change = VoteMatrix.collect(after, 3).histogram().counts_QC - VoteMatrix.collect(before, 3).histogram().counts_QC
    assert np.abs(change).sum() <= 2
    assert change.max() <= 1
    assert change.min() >= -1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1, -2, 3, 0.5, 70_000])
def test_nan_and_out_of_range_votes_are_abstentions(bad: float) -> None:
    votes = VoteMatrix.collect(np.array([[bad], [2]]), 3)
    assert votes.labels_TQ.tolist() == [[-1], [2]]
    assert votes.histogram().counts_QC.tolist() == [[0, 0, 1]]


def test_votes_survive_the_disk_and_changed_files_are_refused(tmp_path: Path) -> None:
    votes = VoteMatrix.collect(np.arange(6).reshape(2, 3) % 3, 3)
    path = tmp_path / "votes.npy"
    digest = votes.save(path)
    assert np.array_equal(VoteMatrix.load(path, 3, digest).labels_TQ, votes.labels_TQ)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="another hash") as error:
        VoteMatrix.load(path, 3, digest)
    assert str(tmp_path) not in str(error.value)

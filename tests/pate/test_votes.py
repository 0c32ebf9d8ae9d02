"""A teacher moves the histogram by at most one vote to and one vote from, whatever it sends."""

from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pate.votes
from pate.errors import InputError, PrivacyViolation
from pate.votes import VoteFile, VoteHistogram, VoteMatrix

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


def test_a_matrix_written_in_blocks_is_the_matrix_written_at_once_and_who_never_came_abstains(tmp_path: Path) -> None:
    raw = np.random.default_rng(0).integers(-1, 5, (9, 7)).astype(float)
    raw[4] = np.nan
    file = VoteFile(tmp_path / "votes.npy", teachers=9, queries=7, classes=5)
    for teachers in ([8, 0], [2, 3, 1], [5, 6, 7]):
        assert not (tmp_path / "votes.npy").exists(), "half a matrix is never seen"
        file.put(teachers, raw[teachers])
    loaded = VoteMatrix.load(tmp_path / "votes.npy", 5, file.finish())
    assert isinstance(loaded.labels_TQ, np.memmap)
    assert np.array_equal(loaded.labels_TQ, VoteMatrix.collect(raw, 5).labels_TQ)
    assert [path.name for path in tmp_path.iterdir()] == ["votes.npy"]


@pytest.mark.parametrize(("classes", "size"), [(2, 1), (127, 1), (128, 2), (3000, 2)])
def test_votes_take_the_fewest_bytes_that_hold_them(classes: int, size: int, tmp_path: Path) -> None:
    raw = np.array([[0, classes - 1, classes, -1]])
    votes = VoteMatrix.collect(raw, classes)
    assert votes.labels_TQ.itemsize == size
    assert votes.labels_TQ.tolist() == [[0, classes - 1, -1, -1]]
    file = VoteFile(tmp_path / "votes.npy", teachers=1, queries=4, classes=classes)
    file.put([0], raw)
    assert (
        VoteMatrix.load(tmp_path / "votes.npy", classes, file.finish()).labels_TQ.tolist() == votes.labels_TQ.tolist()
    )


def test_blocks_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = VoteMatrix.collect(np.random.default_rng(1).integers(-1, 4, (50, 13)), 4)
    naive = np.stack([(votes.labels_TQ == c).sum(axis=0) for c in range(4)], axis=1)
    for block in (1, 13, 40, 2**21):
        monkeypatch.setattr(pate.votes, "BLOCK", block)
        assert np.array_equal(votes.histogram().counts_QC, naive)


def test_a_block_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = VoteFile(tmp_path / "votes.npy", teachers=3, queries=2, classes=2)
    with pytest.raises(InputError, match="one vote per teacher"):
        file.put([0], np.zeros((1, 3)))


def test_histograms_count_votes_and_leave_abstentions_out() -> None:
    table = VoteMatrix.strict(np.array([[0, 2, -1], [0, 1, -1], [2, 2, 0]]), 3)
    assert table.histogram().counts_QC.tolist() == [[2, 0, 1], [0, 1, 2], [1, 0, 0]]
    assert table.histogram().teachers == 3


@pytest.mark.parametrize(
    ("counts", "teachers"),
    [
        ([[3, -1]], 4),
        ([[3.5, 1]], 5),
        ([[math.nan, 1]], 5),
        ([[math.inf, 1]], 5),
        ([[3, 2]], 4),
        ([[3]], 4),
        ([3, 1], 4),
        ([["3", "1"]], 4),
    ],
)
def test_what_is_no_histogram_is_refused(counts: list, teachers: int) -> None:
    with pytest.raises(InputError):
        VoteHistogram.strict(np.array(counts), teachers)


@pytest.mark.parametrize("labels", [[[0, 3]], [[-2, 0]], [[0.5, 0]], [[math.nan, 0]], [0, 1]])
def test_what_is_no_vote_is_refused(labels: list) -> None:
    with pytest.raises(InputError):
        VoteMatrix.strict(np.array(labels), 3)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.float64])
def test_a_table_of_whole_numbers_of_any_type_is_taken(dtype: type) -> None:
    assert VoteHistogram.strict(np.array([[3, 1]], dtype=dtype), 5).counts_QC.tolist() == [[3, 1]]
    assert VoteMatrix.strict(np.array([[2, 0]], dtype=dtype), 3).labels_TQ.tolist() == [[2, 0]]


def test_votes_neither_print_nor_pickle() -> None:
    for private in (VoteHistogram.strict([[17, 13]], 30), VoteMatrix.strict([[1, 0]], 17)):
        assert not {"17", "labels", "counts"} & set(repr(private).replace("(", " ").replace("=", " ").split())
        with pytest.raises(PrivacyViolation):
            pickle.dumps(private)

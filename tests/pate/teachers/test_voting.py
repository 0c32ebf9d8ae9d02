"""Exactly one vote per teacher and query, a class or an abstention."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pate.errors import InputError
from pate.models.architectures import build
from pate.models.specs import ModelSpec
from pate.teachers.voting import vote, votes_of_logits
from pate.teachers.weights import pack
from pate.votes import narrowest

MODEL = ModelSpec(kind="mlp", hidden=(8,))


def bundle(count: int = 3):
    return pack([build(MODEL, (4,), 3, seed) for seed in range(count)], range(count))


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)))
def test_any_logits_give_one_valid_vote_each(logits_QC) -> None:
    votes_Q = votes_of_logits(logits_QC, logits_QC.shape[1])
    assert votes_Q.shape == logits_QC.shape[:1]
    assert votes_Q.dtype == narrowest(logits_QC.shape[1])
    for vote_, logits in zip(votes_Q, logits_QC, strict=True):
        if np.isfinite(logits).all():
            assert vote_ == min(c for c in range(len(logits)) if logits[c] == logits.max())
        else:
            assert vote_ == -1


def test_a_class_out_of_range_is_an_abstention() -> None:
    np.testing.assert_array_equal(votes_of_logits(np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]]), classes=2), [-1, 0])


def test_votes_are_the_networks_own_choice() -> None:
    inputs = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    votes_TQ = vote(bundle(), inputs, model=MODEL, classes=3)
    for seed, votes_Q in enumerate(votes_TQ):
        with torch.no_grad():
            np.testing.assert_array_equal(votes_Q, build(MODEL, (4,), 3, seed)(torch.from_numpy(inputs)).argmax(1))


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_batches_do_not_change_votes(batch_size) -> None:
    inputs = np.random.default_rng(2).normal(size=(50, 4)).astype(np.float32)
    whole = vote(bundle(), inputs, model=MODEL, classes=3)
    np.testing.assert_array_equal(whole, vote(bundle(), inputs, model=MODEL, classes=3, batch_size=batch_size))


def test_a_query_with_nan_is_abstained_on_alone() -> None:
    inputs = np.random.default_rng(3).normal(size=(5, 4)).astype(np.float32)
    inputs[2, 1] = np.nan
    votes_TQ = vote(bundle(), inputs, model=MODEL, classes=3)
    assert (votes_TQ[:, 2] == -1).all()
    assert (np.delete(votes_TQ, 2, axis=1) >= 0).all()


def test_no_queries_give_no_votes() -> None:
    assert vote(bundle(), np.zeros((0, 4), dtype=np.float32), model=MODEL, classes=3).shape == (3, 0)


def test_read_only_inputs_and_pickled_arguments_serve_a_remote_worker() -> None:
    inputs = np.ones((3, 4), dtype=np.float32)
    inputs.flags.writeable = False
    task = pickle.loads(pickle.dumps((vote, bundle(), MODEL)))
    assert task[0](task[1], inputs, model=task[2], classes=3).shape == (3, 3)


def test_inputs_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="architecture"):
        vote(bundle(), np.zeros((2, 5), dtype=np.float32), model=MODEL, classes=3)

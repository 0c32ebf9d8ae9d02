"""Teachers of every kind keep the same promises: own records only, one vote or an abstention, an unchanged roster."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pate.errors import InputError
from pate.models.specs import ModelSpec, TrainSpec, TreesSpec
from pate.teachers import BundleWeights, train_bundle, vote
from pate.teachers.kinds import fit_teachers, read_teachers
from pate.votes import narrowest

TREES = TreesSpec(rounds=10, depth=2, subsample=0.8, colsample=0.3)
NETWORK = ModelSpec(kind="logistic")
KINDS = [(TREES, None), (NETWORK, TrainSpec(steps=60, batch_size=16, learning_rate=0.03))]


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images[:, None] / 16).astype(np.float32), data.target


def trained(partitions, teachers, kind=KINDS[0], **changes):
    model, train = kind
    fixed = {"model": model, "train": train, "input_shape": (1, 8, 8), "classes": 10, "seed": 7}
    return train_bundle(partitions, teachers=teachers, **{**fixed, **changes})


def votes(digits, weights, kind=KINDS[0], **changes):
    return vote(weights, digits[0][-150:], model=kind[0], classes=10, **changes)


def parts(digits, *sizes):
    inputs, labels = digits
    starts = np.cumsum([0, *sizes])
    return [(inputs[a : a + n], labels[a : a + n]) for a, n in zip(starts, sizes, strict=False)]


@pytest.mark.parametrize("kind", KINDS, ids=["trees", "network"])
def test_the_promises_hold_for_every_kind(digits, kind) -> None:
    inputs, labels = digits
    threes = (inputs[labels == 3][:5], labels[labels == 3][:5])
    partitions = [(inputs[:0], labels[:0]), threes, (inputs[:1], labels[:1]), *parts(digits, 150)]
    votes_TQ = votes(digits, trained(partitions, [0, 1, 2, 3], kind), kind)
    assert votes_TQ.shape == (4, 150)
    assert votes_TQ.dtype == narrowest(10)
    assert (votes_TQ[0] == -1).all(), "no records: abstains, and stays in the roster"
    assert set(votes_TQ[1]) == {3}
    assert set(votes_TQ[2]) == {labels[0]}
    assert (votes_TQ[3] == labels[-150:]).mean() > 0.5
    assert trained(partitions, [0, 1, 2, 3], kind).content == trained(partitions, [0, 1, 2, 3], kind).content
    alone = votes(digits, trained(partitions[3:], [3], kind), kind)
    np.testing.assert_array_equal(alone[0], votes_TQ[3])


def test_trees_do_not_heed_how_networks_are_trained(digits) -> None:
    partitions = parts(digits, 30, 30)
    fused = trained(partitions, [0, 1], strategy="fused")
    assert fused.content == trained(partitions, [0, 1], strategy="sequential").content
    for batch_size in (1, 40, 1000):
        np.testing.assert_array_equal(votes(digits, fused, batch_size=batch_size), votes(digits, fused))


def test_another_number_is_another_teacher(digits) -> None:
    (part,) = parts(digits, 60)
    assert not np.array_equal(votes(digits, trained([part], [1])), votes(digits, trained([part], [2])))


def test_a_number_that_is_not_finite_silences_its_teacher_or_its_query_alone(digits) -> None:
    (bad_inputs, bad_labels), good = parts(digits, 30, 30)
    bad_inputs = bad_inputs.copy()
    bad_inputs[3, 0, 0, 0] = np.nan
    weights = trained([(bad_inputs, bad_labels), good], [0, 1])
    queries = digits[0][-5:].copy()
    queries[2, 0, 1, 1] = np.inf
    votes_TQ = vote(weights, queries, model=TREES, classes=10)
    assert (votes_TQ[0] == -1).all()
    assert votes_TQ[1, 2] == -1
    assert (np.delete(votes_TQ[1], 2) >= 0).all()


def test_weights_of_one_kind_are_not_read_as_the_other(digits) -> None:
    one, two = (trained(parts(digits, 20), [0], kind) for kind in KINDS)
    with pytest.raises(InputError, match="safetensors"):
        votes(digits, one, KINDS[1])
    with pytest.raises(InputError, match="JSON"):
        votes(digits, two, KINDS[0])


def test_an_error_about_a_partition_names_no_record_and_no_label(digits) -> None:
    inputs, _ = digits
    with pytest.raises(InputError, match=r"labels in 0\.\.9; check") as caught:
        trained([(inputs[:3], np.array([1, 77, 2]))], [0])
    assert "77" not in str(caught.value)
    with pytest.raises(InputError, match="configured shape"):
        trained([(inputs[:3, 0], np.array([1, 7, 2]))], [0])


def test_each_kind_says_how_it_is_fitted_and_no_other_kind_exists(digits) -> None:
    with pytest.raises(InputError, match="no TrainSpec for boosted trees"):
        trained(parts(digits, 20), [0], (TREES, TrainSpec(steps=1)))
    with pytest.raises(InputError, match="TrainSpec for networks"):
        trained(parts(digits, 20), [0], (NETWORK, None))
    with pytest.raises(InputError, match="registered"):
        trained(parts(digits, 20), [0], (object(), None))
    with pytest.raises(InputError, match="registered"):
        read_teachers(object(), BundleWeights(content=b"", sha256=""), (1,), 2)
    assert set(fit_teachers.registry) == set(read_teachers.registry)

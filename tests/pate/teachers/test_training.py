"""Bundles of teachers: each depends on its own records, number and seed, and bad partitions do no harm."""

import numpy as np
import pytest
import torch
from safetensors.torch import load
from sklearn.datasets import load_digits
from torch import nn

from pate.errors import InputError
from pate.features.encoder import Encoder, PackedEncoder
from pate.features.representations import Untrained
from pate.models.specs import ModelSpec, TrainSpec
from pate.teachers.training import train_bundle
from pate.teachers.voting import vote
from pate.teachers.weights import BundleWeights

MODEL = ModelSpec(kind="logistic")
TRAIN = TrainSpec(steps=80, batch_size=16, learning_rate=0.03)
FIXED = {"model": MODEL, "train": TRAIN, "input_shape": (1, 8, 8), "classes": 10, "seed": 7}


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images[:, None] / 16).astype(np.float32), data.target


def parts(digits, *sizes):
    inputs, labels = digits
    starts = np.cumsum([0, *sizes])
    return [(inputs[a : a + n], labels[a : a + n]) for a, n in zip(starts, sizes, strict=False)]


def votes(digits, weights):
    return vote(weights, digits[0][-200:], model=MODEL, classes=10)


def test_teachers_learn(digits) -> None:
    votes_TQ = votes(digits, train_bundle(parts(digits, 150, 150, 150), teachers=[0, 1, 2], **FIXED))
    assert votes_TQ.shape == (3, 200)
    assert (votes_TQ == digits[1][-200:]).mean() > 0.7


def test_a_teacher_does_not_depend_on_its_bundle(digits) -> None:
    first, second, third = parts(digits, 30, 30, 30)
    together = train_bundle([first, second, third], teachers=[4, 5, 6], **FIXED)
    alone = train_bundle([second], teachers=[5], **FIXED)
    np.testing.assert_array_equal(votes(digits, together)[1], votes(digits, alone)[0])
    elsewhere = train_bundle([second], teachers=[6], **FIXED)
    assert not np.array_equal(votes(digits, alone), votes(digits, elsewhere))


class Mixed(Untrained):
    """Ten mixtures of the numbers of an input, by a product that rounds by where its input begins in memory."""

    def empty(self, input_shape) -> Encoder:
        body = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(input_shape)), 10, bias=False))
        with torch.no_grad():
            body[1].weight.copy_(torch.linspace(-1, 1, body[1].weight.numel()).sin().view_as(body[1].weight))
        return Encoder(body, input_shape)

    def made_from(self, pool_M, device) -> Encoder:
        return self.empty(tuple(pool_M.shape[1:])).standardise(pool_M, device)


def test_where_encoded_records_lie_in_memory_does_not_matter() -> None:
    """The records of all teachers in one array: where those of the second begin follows from how many the first has."""
    rng = np.random.default_rng(0)
    own, labels = rng.normal(size=(7, 33)).astype(np.float32), rng.integers(0, 10, 7)
    encoder = Mixed().fit(rng.normal(size=(50, 33)).astype(np.float32))
    content = encoder.pack()
    packed = PackedEncoder(
        representation=Mixed(), input_shape=(33,), content=content, sha256=BundleWeights.of(content).sha256
    )
    found, raw = set(), set()
    for before in range(1, 6):
        memory = np.concatenate([rng.normal(size=(before, 33)).astype(np.float32), own])
        raw.add(encoder.encode(memory[before:]).tobytes())
        weights = train_bundle(
            [(memory[:before], np.zeros(before, dtype=np.int64)), (memory[before:], labels)], teachers=[0, 1],
            model=MODEL, train=TRAIN, input_shape=(33,), classes=10, seed=7, encoder=packed,
        )  # fmt: skip
        found.add(bytes_of(weights, 1))
    assert len(found) == 1
    if len(raw) == 1:
        pytest.skip("this processor rounds alike wherever an input begins")


def bytes_of(weights: BundleWeights, position: int) -> bytes:
    tensors = load(weights.content)
    return b"".join(tensors[name][position].numpy().tobytes() for name in sorted(tensors))


def test_the_same_input_gives_the_same_bytes(digits) -> None:
    one, two = (train_bundle(parts(digits, 20, 20), teachers=[0, 1], **FIXED) for _ in range(2))
    assert one.content == two.content
    assert one.sha256 == two.sha256


def test_a_teacher_of_one_class_votes_for_it(digits) -> None:
    inputs, labels = digits
    only_threes = (inputs[labels == 3][:5], labels[labels == 3][:5])
    single = (inputs[:1], labels[:1])
    votes_TQ = votes(digits, train_bundle([only_threes, single], teachers=[0, 1], **FIXED))
    assert set(votes_TQ[0]) == {3}
    assert set(votes_TQ[1]) == {labels[0]}


@pytest.mark.parametrize("strategy", ["sequential", "fused"])
def test_a_teacher_without_records_stays_and_abstains(digits, strategy) -> None:
    inputs, labels = digits
    partitions = [(inputs[:0], labels[:0]), *parts(digits, 30)]
    votes_TQ = votes(digits, train_bundle(partitions, teachers=[0, 1], strategy=strategy, **FIXED))
    assert (votes_TQ[0] == -1).all()
    assert (votes_TQ[1] >= 0).all()


def test_a_nan_in_one_partition_silences_that_teacher_only(digits) -> None:
    (bad_inputs, bad_labels), good = parts(digits, 30, 30)
    bad_inputs = bad_inputs.copy()
    bad_inputs[3, 0, 0, 0] = np.nan
    votes_TQ = votes(digits, train_bundle([(bad_inputs, bad_labels), good], teachers=[0, 1], **FIXED))
    assert (votes_TQ[0] == -1).all()
    np.testing.assert_array_equal(votes_TQ[1], votes(digits, train_bundle([good], teachers=[1], **FIXED))[0])


def test_fused_teachers_vote_like_sequential_ones(digits) -> None:
    partitions = parts(digits, *[12] * 20)
    one, two = (
        votes(digits, train_bundle(partitions, teachers=range(20), strategy=strategy, **FIXED))
        for strategy in ("sequential", "fused")
    )
    assert (one == two).mean() > 0.999


@pytest.mark.parametrize(("teachers", "count"), [([], 0), ([1, 1], 2), ([1], 2)])
def test_a_roster_must_name_each_teacher_once(digits, teachers, count) -> None:
    with pytest.raises(InputError, match="different teachers"):
        train_bundle(parts(digits, *[10] * count), teachers=teachers, **FIXED)


def test_an_error_about_a_partition_names_no_record_and_no_label(digits) -> None:
    inputs, labels = digits
    with pytest.raises(InputError, match=r"labels in 0\.\.9; check") as caught:
        train_bundle([(inputs[:3], np.array([1, 77, 2]))], teachers=[0], **FIXED)
    assert "77" not in str(caught.value)
    with pytest.raises(InputError, match="configured shape"):
        train_bundle([(inputs[:3, 0], labels[:3])], teachers=[0], **FIXED)

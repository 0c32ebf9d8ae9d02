"""Trees travel as text under a hash; everything else is refused before it is interpreted."""

from __future__ import annotations

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch

from pate.errors import InputError
from pate.models.boosted_trees import Abstainer, Trees, fit_trees
from pate.models.specs import TreesSpec
from pate.teachers.tree_weights import pack_trees, unpack_trees
from pate.teachers.weights import BundleWeights


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def models(inputs: np.ndarray) -> list[Trees | Abstainer]:
    labels = (inputs[:, 0] > 0).astype(np.int64)
    fitted = [fit_trees(TreesSpec(rounds=3), inputs, labels, 4, seed=seed) for seed in (1, 2)]
    return [fitted[0], Abstainer(4), fitted[1]]


def hashed(content: bytes) -> BundleWeights:
    return BundleWeights(content=content, sha256=hashlib.sha256(content).hexdigest())


def test_trees_come_back_bit_for_bit_under_their_numbers(models, inputs) -> None:
    found = unpack_trees(pack_trees(models, [7, 3, 5]), (3,), 4)
    assert list(found) == [7, 3, 5]
    for before, after in zip(models, found.values(), strict=True):
        np.testing.assert_array_equal(before(torch.from_numpy(inputs)).numpy(), after(torch.from_numpy(inputs)).numpy())
    assert found[3](torch.from_numpy(inputs)).isnan().all()


def test_the_file_is_text_without_anything_of_a_pickle(models) -> None:
    content = pack_trees(models, [0, 1, 2]).content
    document = json.loads(content.decode("ascii"))
    assert sorted(document) == ["format", "models", "teachers"]
    assert not content.startswith((b"\x80", b"PK"))
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(content)


def test_one_altered_bit_is_refused(models) -> None:
    weights = pack_trees(models, [0, 1, 2])
    altered = bytearray(weights.content)
    altered[len(altered) // 2] ^= 1
    with pytest.raises(InputError, match="SHA-256"):
        unpack_trees(BundleWeights(content=bytes(altered), sha256=weights.sha256), (3,), 4)


class Planted:
    """Runs code when unpickled."""

    ran = False

    def __reduce__(self):
        return (setattr, (Planted, "ran", True))


def test_a_planted_pickle_is_refused_and_not_run() -> None:
    with pytest.raises(InputError, match="JSON"):
        unpack_trees(hashed(pickle.dumps(Planted())), (3,), 4)
    assert not Planted.ran
    pickle.loads(pickle.dumps(Planted()))
    assert Planted.ran, "the plant must be live, or this test proves nothing"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "pate boosted trees 2"),
        ("teachers", [0, 0, 2]),
        ("teachers", [0, 1]),
        ("teachers", [0, True, 2]),
        ("teachers", [0, "1", 2]),
        ("teachers", [0, [1], 2]),
        ("teachers", None),
        ("models", [None, None, 3]),
        ("models", "abc"),
        ("models", ["{}", "{}", "{}"]),
    ],
)
def test_another_document_is_refused(models, name: str, value: object) -> None:
    document = json.loads(pack_trees(models, [0, 1, 2]).content)
    document[name] = value
    with pytest.raises(InputError, match="train again"):
        unpack_trees(hashed(json.dumps(document).encode()), (3,), 4)


@pytest.mark.parametrize("content", [b"[]", b"1", b'{"teachers": [], "models": [], "format": "pate boosted trees 1"}'])
def test_a_document_without_teachers_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="train again"):
        unpack_trees(hashed(content), (3,), 4)


@pytest.mark.parametrize(("shape", "classes"), [((2,), 4), ((3,), 5), ((1, 2, 2), 4)])
def test_trees_for_other_inputs_or_classes_are_refused(models, shape, classes) -> None:
    with pytest.raises(InputError, match="boosted trees for"):
        unpack_trees(pack_trees(models, [0, 1, 2]), shape, classes)


def test_weights_pickle_between_processes_but_print_nothing(models) -> None:
    weights = pack_trees(models, [0, 1, 2])
    assert pickle.loads(pickle.dumps(weights)) == weights
    assert repr(weights) == "<BundleWeights: private>"

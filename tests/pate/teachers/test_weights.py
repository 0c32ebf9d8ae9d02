"""Weights travel as safetensors under a hash; everything else is refused before it is interpreted."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save

from pate.errors import InputError, PateError
from pate.models.architectures import build
from pate.models.specs import ModelSpec
from pate.teachers.weights import BundleWeights, pack, unpack

SPEC, SHAPE = ModelSpec(kind="mlp", hidden=(5,)), (3,)


@pytest.fixture
def models():
    return [build(SPEC, SHAPE, 4, seed) for seed in (1, 2)]


def hashed(content: bytes) -> BundleWeights:
    return BundleWeights(content=content, sha256=hashlib.sha256(content).hexdigest())


def test_weights_come_back_bit_for_bit_under_their_numbers(models) -> None:
    networks = unpack(pack(models, [7, 3]), SPEC, SHAPE, 4)
    assert list(networks) == [7, 3]
    inputs = torch.rand(6, 3)
    for before, after in zip(models, networks.values(), strict=True):
        assert torch.equal(before(inputs), after(inputs))
        assert not after.training


class Planted:
    """Runs code when unpickled."""

    ran = False

    def __reduce__(self):
        return (setattr, (Planted, "ran", True))


def test_a_planted_pickle_is_refused_and_not_run() -> None:
    with pytest.raises(PateError, match=r"safetensors.*pickles can run code"):
        unpack(hashed(pickle.dumps(Planted())), SPEC, SHAPE, 4)
    assert not Planted.ran
    pickle.loads(pickle.dumps(Planted()))
    assert Planted.ran, "the plant must be live, or this test proves nothing"


@pytest.mark.parametrize("content", [b"", b"\x00" * 4, b"\xff" * 64, b"PK\x03\x04" + b"\x00" * 60])
def test_whatever_is_not_safetensors_is_refused(content) -> None:
    with pytest.raises(InputError, match="safetensors"):
        unpack(hashed(content), SPEC, SHAPE, 4)


def test_one_altered_bit_is_refused(models) -> None:
    weights = pack(models, [0, 1])
    altered = bytearray(weights.content)
    altered[-1] ^= 1
    with pytest.raises(InputError, match="SHA-256"):
        unpack(BundleWeights(content=bytes(altered), sha256=weights.sha256), SPEC, SHAPE, 4)


@pytest.mark.parametrize(
    ("spec", "shape", "classes"),
    [(ModelSpec(), (3,), 4), (SPEC, (2,), 4), (SPEC, (3,), 5), (ModelSpec(kind="mlp"), (3,), 4)],
)
def test_weights_of_another_architecture_are_refused(models, spec, shape, classes) -> None:
    with pytest.raises(InputError, match="architecture"):
        unpack(pack(models, [0, 1]), spec, shape, classes)


def test_tensors_without_a_roster_are_refused(models) -> None:
    state = {name: value[None] for name, value in models[0].state_dict().items()}
    with pytest.raises(InputError, match="architecture"):
        unpack(hashed(save(state)), SPEC, SHAPE, 4)


def test_weights_pickle_between_processes_but_print_nothing(models) -> None:
    weights = pack(models, [0, 1])
    assert pickle.loads(pickle.dumps(weights)) == weights
    assert repr(weights) == str(weights) == "<BundleWeights: private>"
    assert np.frombuffer(weights.content, dtype=np.uint8).size > 100

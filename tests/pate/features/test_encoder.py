"""An encoder: made from public data, the same everywhere, and never loaded from anything but what was hashed."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from pate.errors import InputError, PrivacyViolation
from pate.features import Encoder, PackedEncoder, SimCLR
from pate.features.encoder import body_of, copy_body, public_inputs
from pate.models import ModelSpec, TrainSpec, build
from pate.models.specs import Augmentation
from pate.values import Private

IMAGES = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32)


def encoder(seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU())
    return Encoder(body, (1, 8, 8)).standardise(IMAGES)


def test_features_are_standardised_over_the_pool_and_of_one_length() -> None:
    made = encoder()
    raw = (made.body(torch.from_numpy(IMAGES)) - made.mean).detach().numpy()
    assert np.allclose(raw.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(raw.std(axis=0) + 1e-3, made.std.numpy(), atol=1e-6)
    assert np.allclose(np.linalg.norm(made.encode(IMAGES), axis=1), np.sqrt(12), rtol=1e-5)


def test_an_inputs_features_do_not_depend_on_its_company() -> None:
    made = encoder()
    together = made.encode(np.tile(IMAGES, (30, 1, 1, 1)))  # more than one piece
    alone = np.concatenate([made.encode(image[None]) for image in IMAGES])
    assert together.shape == (1200, 12)
    assert np.allclose(together[-40:], alone, atol=1e-5)
    assert made.encode(IMAGES[:0]).shape == (0, 12)


def test_a_packed_encoder_computes_the_same_features() -> None:
    made = encoder()
    content = made.pack()
    again = encoder(seed=1).unpack(content, hashlib.sha256(content).hexdigest())
    assert np.array_equal(again.encode(IMAGES), made.encode(IMAGES))
    assert again.pack() == content


def test_altered_foreign_and_pickled_content_is_refused() -> None:
    content = encoder().pack()
    digest = hashlib.sha256(content).hexdigest()
    altered = bytearray(content)
    altered[-1] ^= 1
    with pytest.raises(InputError, match="SHA-256"):
        encoder().unpack(bytes(altered), digest)
    foreign = pickle.dumps({"body": 1})
    with pytest.raises(InputError, match="safetensors"):
        encoder().unpack(foreign, hashlib.sha256(foreign).hexdigest())
    other = Encoder(nn.Sequential(nn.Flatten(), nn.Linear(64, 13)), (1, 8, 8))
    with pytest.raises(InputError, match="architecture"):
        other.unpack(content, digest)


def test_private_and_ill_shaped_inputs_are_refused() -> None:
    with pytest.raises(PrivacyViolation):
        public_inputs(Private(IMAGES))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least two"):
        public_inputs(IMAGES[:1])
    with pytest.raises(InputError, match="inputs of shape"):
        encoder().encode(IMAGES[:, :, :4])


def test_simclr_refuses_tables_and_networks_without_a_body() -> None:
    spec = SimCLR(
        model=ModelSpec(kind="logistic"), train=TrainSpec(steps=1), augmentation=Augmentation(), temperature=0.5
    )
    with pytest.raises(InputError, match="encoder"):
        spec.fit(IMAGES, seed=0)
    with pytest.raises(InputError, match="images"):
        spec.fit(IMAGES.reshape(40, 64), seed=0)


def test_a_student_can_begin_with_the_encoder_and_only_with_one_of_its_own_kind() -> None:
    spec = SimCLR(
        model=ModelSpec(kind="cnn", hidden=(4, 8)),
        train=TrainSpec(steps=2, batch_size=8),
        augmentation=Augmentation(shift=0.1),
    )
    made = spec.fit(IMAGES, seed=0)
    network = build(spec.model, (1, 8, 8), 3, seed=1)
    copy_body(made, network)
    assert all(torch.equal(a, b) for a, b in zip(body_of(network).parameters(), made.body.parameters(), strict=True))
    with pytest.raises(InputError, match=r"features\.model"):
        copy_body(made, build(ModelSpec(kind="cnn", hidden=(4, 16)), (1, 8, 8), 3, seed=1))


def test_a_packed_encoder_opens_elsewhere_as_itself() -> None:
    spec = SimCLR(
        model=ModelSpec(kind="cnn", hidden=(4, 8)), train=TrainSpec(steps=2, batch_size=8), augmentation=Augmentation()
    )
    made = spec.fit(IMAGES, seed=0)
    content = made.pack()
    packed = PackedEncoder(
        representation=spec, input_shape=(1, 8, 8), content=content, sha256=hashlib.sha256(content).hexdigest()
    )
    there: PackedEncoder = pickle.loads(pickle.dumps(packed))  # what Ray does on the way to a worker
    assert np.array_equal(there.open().encode(IMAGES), made.encode(IMAGES))

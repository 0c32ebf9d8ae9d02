"""Coordinates on the pool's graph: the walk that the docstring names, and what it is for."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from pate.data.embedded import digits_study
from pate.errors import InputError
from pate.features import Diffusion, Inputs
from pate.features.diffusion_map import DiffusionMap
from pate.models import ModelSpec, TrainSpec
from pate.teachers import train_bundle, vote

RNG = np.random.default_rng(0)
WAVES, PHASES = RNG.normal(size=(2, 40)) * 1.5, RNG.uniform(0, 2 * np.pi, 40)


def arcs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles, a class each, seen through 40 random waves."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    angle = rng.uniform(0, np.pi, count)
    plane = np.stack([np.cos(angle) * (1 - 2 * label) + label, np.sin(angle) * (1 - 2 * label) + 0.5 * label], axis=1)
    plane += rng.normal(scale=0.05, size=plane.shape)
    return np.cos(plane @ WAVES + PHASES).astype(np.float32), label.astype(np.int64)


def test_coordinates_are_those_of_the_walk_on_the_graph() -> None:
    """Against a dense construction: Gram matrix of the coordinates = N (1 - a)^2p (I - a S)^-2p, with all eigenvectors
    but the few that ``eigsh`` cannot give."""
    rows = torch.nn.functional.normalize(torch.from_numpy(RNG.normal(size=(60, 8)).astype(np.float32)), dim=1)
    spec = Diffusion(neighbours=5, components=8, width=55, alpha=0.9, power=2)
    made = DiffusionMap(spec).fit(rows)
    unit = (rows @ made.rotation).double().numpy()
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    weight = np.zeros((60, 60))
    for i in range(60):
        near = np.argsort(-similarity[i])[:5]
        weight[i, near] = np.exp((similarity[i, near] - 1) / float(made.bandwidth))
    weight = np.maximum(weight, weight.T)
    scale = weight.sum(axis=1) ** -0.5
    walk = 0.1 * np.linalg.inv(np.eye(60) - 0.9 * scale[:, None] * weight * scale[None, :])
    gram = 60 * np.linalg.matrix_power(walk, 4)
    found = made.coordinates.double().numpy() @ made.coordinates.double().numpy().T
    assert np.abs(found - gram).max() < 2e-3 * np.abs(gram).max()


def test_teachers_of_twenty_records_agree_more_on_the_graph_than_on_the_pixels() -> None:
    """Thirty linear heads on digits; figures of one fixed seed (pixels 0.58 and 0.82, graph 0.65 and 0.87)."""
    study = digits_study(private=600, pool=900, evaluation=200, hospitals=1, skew=0.0, seed=0)

    def right(diffusion: Diffusion | None) -> tuple[float, float]:
        encoder = Inputs(diffusion=diffusion).fit(study.pool.inputs)
        features, model = encoder.encode(study.private.features), ModelSpec(kind="logistic")
        rows = [np.arange(20 * t, 20 * t + 20) for t in range(30)]
        weights = train_bundle(
            [(features[row], study.private.labels_N[row]) for row in rows],
            teachers=list(range(30)), model=model, train=TrainSpec(epochs=30, learning_rate=0.03),
            input_shape=(encoder.width,), classes=10, seed=0, strategy="fused",
        )  # fmt: skip
        votes_TE = vote(weights, encoder.encode(study.evaluation.inputs), model=model, classes=10)
        counts_EC = np.stack([(votes_TE == c).sum(axis=0) for c in range(10)], axis=1)
        truth_E = study.evaluation.labels_E
        return float((votes_TE == truth_E).mean()), float((counts_EC.argmax(axis=1) == truth_E).mean())

    single, plurality = right(Diffusion(neighbours=6, components=64, width=50))
    plain_single, plain_plurality = right(None)
    assert single > plain_single + 0.04
    assert plurality > plain_plurality + 0.02


def test_an_inputs_coordinates_do_not_depend_on_its_company_and_survive_packing() -> None:
    pool, _ = arcs(300, seed=3)
    private, _ = arcs(20, seed=4)
    spec = Inputs(diffusion=Diffusion(neighbours=6, components=4, width=12))
    made = spec.fit(pool)
    alone = np.concatenate([made.encode(row[None]) for row in private])
    assert np.allclose(made.encode(np.concatenate([pool, private]))[-20:], alone, atol=1e-4)
    content = made.pack()
    again = spec.empty((40,)).unpack(content, hashlib.sha256(content).hexdigest())
    assert np.array_equal(again.encode(private), made.encode(private))
    assert spec.fit(pool).pack() == content
    with pytest.raises(InputError, match="architecture"):
        Inputs().empty((40,)).unpack(content, hashlib.sha256(content).hexdigest())


def test_a_pool_too_small_for_the_graph_is_refused() -> None:
    pool, _ = arcs(100, seed=5)
    with pytest.raises(InputError, match="public pool of more than 151"):
        Inputs(diffusion=Diffusion()).fit(pool)

"""The contrastive loss is its definition, and training on it makes views of one image alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pate.data.embedded import digits_study
from pate.features import SimCLR
from pate.features.simclr import nt_xent
from pate.models import ModelSpec, TrainSpec
from pate.models.augmentation import augment
from pate.models.specs import Augmentation

CHANGES = Augmentation(shift=0.15, rotate=20, zoom=0.2)


def simclr(steps: int) -> SimCLR:
    return SimCLR(
        model=ModelSpec(kind="cnn", hidden=(8, 16)),
        train=TrainSpec(steps=steps, batch_size=64, learning_rate=0.01),
        augmentation=CHANGES,
    )


@pytest.fixture(scope="module")
def pool() -> np.ndarray:
    return digits_study(private=900, pool=500, evaluation=100, hospitals=1, skew=0.0, seed=0).pool.inputs


def test_the_loss_is_the_papers_sum_over_pairs() -> None:
    rows = torch.randn(10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    temperature, total = 0.3, 0.0
    for i in range(10):
        j = (i + 5) % 10

        def alike(a: int, b: int) -> float:
            return float(rows[a] @ rows[b] / rows[a].norm() / rows[b].norm()) / temperature

        below = sum(math.exp(alike(i, k)) for k in range(10) if k != i)
        total -= math.log(math.exp(alike(i, j)) / below)
    assert float(nt_xent(rows, temperature)) == pytest.approx(total / 10, rel=1e-12)


def test_one_seed_gives_one_encoder_and_the_global_state_stays(pool: np.ndarray) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = simclr(3).fit(pool, seed=1).pack()
    assert torch.equal(before, torch.get_rng_state())
    assert simclr(3).fit(pool, seed=1).pack() == first
    assert simclr(3).fit(pool, seed=2).pack() != first


def test_training_makes_views_of_one_image_alike_and_others_not(pool: np.ndarray) -> None:
    """On images that were not in the pool: mean cosine of two views less that of strangers, in a trained encoder and,
    as the twin that must lose, in one that made a single update."""
    study = digits_study(private=900, pool=500, evaluation=300, hospitals=1, skew=0.0, seed=0)
    images = torch.from_numpy(study.evaluation.inputs)
    one, two = (augment(images, CHANGES, torch.Generator().manual_seed(seed)) for seed in (8, 9))

    def contrast(steps: int) -> float:
        made = simclr(steps).fit(pool, seed=0)
        left, right = made.encode(one), made.encode(two)
        return float((left * right).sum(axis=1).mean() - (left @ right.T).mean()) / made.width

    assert contrast(100) > contrast(1) + 0.08

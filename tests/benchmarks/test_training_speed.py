"""Fused against sequential training of a bundle, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pate.models import ModelSpec, TrainSpec
from pate.models.training import Strategy
from pate.teachers import train_bundle

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_teachers_a_second_fused_against_sequential(kind: str, record: Callable[..., None]) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(20, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 20)) for _ in range(50)]

    def seconds(strategy: Strategy) -> float:
        started = time.perf_counter()
        train_bundle(
            parts, teachers=range(50), model=ModelSpec(kind=kind), train=TrainSpec(steps=100), input_shape=(1, 8, 8),
            classes=10, seed=0, strategy=strategy,
        )  # fmt: skip
        return time.perf_counter() - started

    seconds("fused")
    fused, sequential = seconds("fused"), seconds("sequential")
    record(f"50 {kind} teachers on 8x8 images, fused", 50 / fused, "teachers/s")
    record(f"50 {kind} teachers on 8x8 images, time of fused against sequential", fused, "s", reference=sequential)

"""Fused against sequential training of a bundle, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pate.models import ModelSpec, TrainSpec
from pate.models.specs import Strategy
from pate.teachers import train_bundle

pytestmark = pytest.mark.benchmark


SIZES = {
    "20 records each": [20] * 50,
    "64 records each": [64] * 50,
    "5 to 103 records": [5 + 2 * teacher for teacher in range(50)],
}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["logistic", "mlp"])
def test_teachers_a_second_fused_against_sequential(kind: str, sizes: str, record: Callable[..., None]) -> None:
    """Fused, every batch is as wide as ``batch_size`` and every slot as long as the longest: equal sizes cost least."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(n, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, n)) for n in SIZES[sizes]]

    def seconds(strategy: Strategy) -> float:
        started = time.perf_counter()
        train_bundle(
            parts, teachers=range(50), model=ModelSpec(kind=kind), train=TrainSpec(epochs=30), input_shape=(1, 8, 8),
            classes=10, seed=0, strategy=strategy,
        )  # fmt: skip
        return time.perf_counter() - started

    seconds("fused")
    fused, sequential = seconds("fused"), seconds("sequential")
    what = f"50 {kind} teachers on 8x8 images, {sizes}"
    record(f"{what}, fused", 50 / fused, "teachers/s")
    record(f"{what}, time of fused against sequential", fused, "s", reference=sequential)

"""Digits split into a pool with some noisy labels and an evaluation part; a small table of two long clusters."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from pate.student.pool import LabeledPool


@dataclass(frozen=True)
class Case:
    pool: LabeledPool
    inputs: np.ndarray
    labels: np.ndarray


@pytest.fixture(scope="session")
def digits() -> Case:
    """500 public digits, 80 of them labelled and 5 of those wrongly; 297 for evaluation."""
    data = load_digits()
    inputs, truth = (data.images[:, None] / 16).astype(np.float32), data.target
    order = np.random.default_rng(11).permutation(len(truth))
    public, evaluation = order[:500], order[1500:]
    labels = np.full(500, -1)
    labels[:80] = truth[public[:80]]
    labels[:5] = (labels[:5] + 3) % 10
    return Case(LabeledPool.of(inputs[public], labels, 10), inputs[evaluation], truth[evaluation])


@pytest.fixture(scope="session")
def clusters() -> Case:
    """A table of 300 rows, 6 of them labelled; 300 for evaluation."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 600)
    inputs = np.stack([0.4 * random.normal(size=600) + np.where(truth, 1, -1), 3 * random.normal(size=600)], axis=1)
    labels = np.full(300, -1)
    for c in (0, 1):
        labels[np.flatnonzero(truth[:300] == c)[:3]] = c
    return Case(
        LabeledPool.of(inputs[:300].astype(np.float32), labels, 2), inputs[300:].astype(np.float32), truth[300:]
    )


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

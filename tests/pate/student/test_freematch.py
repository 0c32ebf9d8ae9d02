"""FreeMatch's loss is the paper's, its thresholds follow the student, and it gains from unlabelled images."""

import math

import pytest
import torch

from pate.errors import InputError
from pate.models.architectures import ModelSpec
from pate.models.augmentation import Augmentation
from pate.models.training import TrainSpec
from pate.student.freematch import FreeMatch
from pate.student.learning import Batch, StudentSpec
from pate.student.pool import LabeledPool
from pate.student.student import evaluate
from pate.student.supervised import Supervised

WEAK = Augmentation(shift=0.06)
STRONG = Augmentation(shift=0.12, rotate=15, zoom=0.15, shear=10, erase=0.3, noise=0.1)
NONE = Augmentation()


def spec(steps: int) -> StudentSpec:
    train = TrainSpec(steps=steps, batch_size=32, learning_rate=0.01, weight_decay=0.01)
    return StudentSpec(model=ModelSpec(kind="cnn"), train=train, ema_decay=0.98)


def probabilities(network: torch.nn.Module, images: torch.Tensor) -> list[list[float]]:
    with torch.no_grad():
        rows = network(images).tolist()
    tops = [[math.exp(value) for value in row] for row in rows]
    return [[value / sum(row) for value in row] for row in tops]


def shares(rows: list[list[float]]) -> list[float]:
    guesses = [row.index(max(row)) for row in rows]
    return [guesses.count(c) / len(rows) for c in range(3)]


def means(rows: list[list[float]]) -> list[float]:
    return [sum(row[c] for row in rows) / len(rows) for c in range(3)]


def to_one(values: list[float]) -> list[float]:
    return [value / sum(values) for value in values]


def test_the_loss_is_the_papers_by_loops() -> None:
    """Three batches in a row, without augmentation, on a network that stays."""
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    images, labels = torch.randn(60, 1, 4, 4, generator=generator), torch.arange(60) % 3
    pool = LabeledPool.of(images, labels, 3)
    learner = FreeMatch(spec=spec(1), weak=NONE, strong=NONE, weight=0.7, fairness=0.3, decay=0.8)
    loss = learner.objective(pool, 0, "cpu").loss
    threshold, mean, share = 1 / 3, [1 / 3] * 3, [1 / 3] * 3
    taken = []
    for number in range(3):
        own, rest = slice(20 * number, 20 * number + 4), slice(20 * number + 4, 20 * number + 20)
        found, used = loss(network, Batch(images[own], labels[own], images[rest], 0.0))
        labelled, rows = probabilities(network, images[own]), probabilities(network, images[rest])
        by_labels = -sum(math.log(row[int(y)]) for row, y in zip(labelled, labels[own], strict=True)) / 4
        threshold = 0.8 * threshold + 0.2 * sum(max(row) for row in rows) / 16
        mean = [0.8 * old + 0.2 * new for old, new in zip(mean, means(rows), strict=True)]
        share = [0.8 * old + 0.2 * new for old, new in zip(share, shares(rows), strict=True)]
        chosen = [row for row in rows if max(row) >= threshold * mean[row.index(max(row))] / max(mean)]
        by_guesses = -sum(math.log(max(row)) for row in chosen) / 16
        past = to_one([m / s for m, s in zip(mean, share, strict=True)])
        now = to_one([m / max(s, 1 / 16) for m, s in zip(means(chosen), shares(chosen), strict=True)])
        unfair = sum(a * math.log(b) for a, b in zip(past, now, strict=True))
        assert float(found.detach()) == pytest.approx(by_labels + 0.7 * by_guesses + 0.3 * unfair, rel=1e-4)
        assert float(used) == pytest.approx(len(chosen) / 16)
        taken.append(len(chosen))
    assert 0 < min(taken) < 16, "some take part, some do not"


def test_unlabelled_digits_help(digits) -> None:
    student = FreeMatch(spec=spec(300), weak=WEAK, strong=STRONG).fit(digits.pool, seed=1)
    alone = Supervised(spec=spec(300)).fit(digits.pool, seed=1)
    helped, plain = (evaluate(s, digits.inputs, digits.labels).accuracy for s in (student, alone))
    assert helped > plain + 0.02
    assert student.curve[-1].used > 0.5


def test_a_table_is_refused(clusters) -> None:
    with pytest.raises(InputError, match="choose PseudoLabel"):
        FreeMatch(spec=spec(5), weak=WEAK, strong=STRONG).fit(clusters.pool, seed=1)


@pytest.mark.parametrize("fields", [{"unlabelled_ratio": 0}, {"weight": -1.0}, {"fairness": -0.1}, {"decay": 1.0}])
def test_unusable_settings_are_refused(fields) -> None:
    with pytest.raises(InputError):
        FreeMatch(spec=spec(5), weak=WEAK, strong=STRONG, **fields)

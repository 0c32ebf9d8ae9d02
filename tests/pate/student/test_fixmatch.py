"""FixMatch gains from unlabelled images, and takes images only."""

import math
import time

import pytest
import torch

from pate.errors import InputError
from pate.models.specs import Augmentation, ModelSpec, TrainSpec
from pate.student.fixmatch import _Alignment
from pate.student.learners import FixMatch, Supervised
from pate.student.learning import Batch
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec
from pate.student.student import evaluate

WEAK = Augmentation(shift=0.06)
STRONG = Augmentation(shift=0.12, rotate=15, zoom=0.15, shear=10, erase=0.3, noise=0.1)


def spec(steps: int) -> StudentSpec:
    train = TrainSpec(steps=steps, batch_size=32, learning_rate=0.01, weight_decay=0.01)
    return StudentSpec(model=ModelSpec(kind="cnn"), train=train, ema_decay=0.98, robustness=0.4)


def test_unlabelled_digits_help_within_the_time_allowed(digits) -> None:
    started = time.thread_time()
    student = FixMatch(spec=spec(300), weak=WEAK, strong=STRONG, threshold=0.8).fit(digits.pool, seed=1)
    assert time.thread_time() - started < 30
    alone = Supervised(spec=spec(300)).fit(digits.pool, seed=1)
    helped, plain = (evaluate(s, digits.inputs, digits.labels).accuracy for s in (student, alone))
    assert helped > plain + 0.02
    assert helped > 0.86
    assert student.curve[-1].used > 0.5


def test_the_loss_is_the_papers_by_loops() -> None:
    """Without augmentation and alignment."""
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    images, labels = torch.randn(24, 1, 4, 4, generator=generator), torch.arange(24) % 3
    none, plain = Augmentation(), StudentSpec(model=ModelSpec(), train=TrainSpec(steps=1))
    learner = FixMatch(spec=plain, weak=none, strong=none, threshold=0.5, weight=0.7, alignment=False)
    objective = learner.objective(LabeledPool.of(images, labels, 3), 0, "cpu")
    found, used = objective.loss(network, Batch(images[:4], labels[:4], images[4:], 0.0))
    with torch.no_grad():
        rows = [[math.exp(value) for value in row] for row in network(images).tolist()]
    rows = [[value / sum(row) for value in row] for row in rows]
    chosen = [row for row in rows[4:] if max(row) >= 0.5]
    by_labels = -sum(math.log(row[int(y)]) for row, y in zip(rows, labels[:4], strict=False)) / 4
    by_guesses = -sum(math.log(max(row)) for row in chosen) / 20
    assert float(found.detach()) == pytest.approx(by_labels + 0.7 * by_guesses, rel=1e-5)
    assert float(used) == pytest.approx(len(chosen) / 20)
    assert 0 < len(chosen) < 20


def test_a_threshold_nothing_reaches_uses_nothing(digits) -> None:
    learner = FixMatch(spec=spec(5), weak=WEAK, strong=STRONG, threshold=1.0)
    assert learner.fit(digits.pool, seed=1).curve[-1].used == 0


def test_a_table_is_refused(clusters) -> None:
    with pytest.raises(InputError, match="choose PseudoLabel"):
        FixMatch(spec=spec(5), weak=WEAK, strong=STRONG).fit(clusters.pool, seed=1)


@pytest.mark.parametrize("fields", [{"threshold": -0.1}, {"unlabelled_ratio": 0}, {"weight": -1.0}])
def test_unusable_settings_are_refused(fields) -> None:
    with pytest.raises(InputError):
        FixMatch(spec=spec(5), weak=WEAK, strong=STRONG, **fields)


def test_alignment_moves_guesses_towards_the_class_shares_of_the_labels() -> None:
    pool = LabeledPool.of(torch.zeros(5, 1), torch.tensor([0, 0, 0, 1, -1]), 2)
    align = _Alignment.of(pool, "cpu")
    belief = torch.tensor([[0.4, 0.6], [0.3, 0.7]])
    running = 0.95 * 0.5 + 0.05 * belief.mean(dim=0)
    by_hand = belief * torch.tensor([4 / 6, 2 / 6]) / running
    torch.testing.assert_close(align(belief), by_hand / by_hand.sum(dim=1, keepdim=True))
    for _ in range(200):
        aligned = align(belief)
    torch.testing.assert_close(aligned.sum(dim=1), torch.ones(2))
    assert aligned.mean(dim=0)[0] == pytest.approx(4 / 6, abs=0.01)


def test_a_class_without_labels_keeps_a_share() -> None:
    align = _Alignment.of(LabeledPool.of(torch.zeros(2, 1), torch.tensor([0, 1]), 3), "cpu")
    assert (align(torch.full((4, 3), 1 / 3)) > 0.1).all()

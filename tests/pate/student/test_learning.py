"""What all learners share: repeatable, reported, and blind to everything but the pool."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pate.errors import InputError
from pate.models.specs import Augmentation, ModelSpec, TrainSpec
from pate.randomness import derive_seed
from pate.student.check import check_student
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.label_loss import LabelLoss
from pate.student.learners import FixMatch, NetworkLearner, PseudoLabel, Supervised
from pate.student.learning import TRIES, Batch, Objective
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec

TRAIN = TrainSpec(steps=30, batch_size=16, learning_rate=0.02)
SHIFT = Augmentation(shift=0.1)


def learners(**fields):
    spec = StudentSpec(model=ModelSpec(kind="mlp", hidden=(16,)), train=TRAIN, report_every=8, **fields)
    return [
        Supervised(spec=spec),
        Supervised(spec=spec, augmentation=SHIFT),
        PseudoLabel(spec=spec, threshold=0.8),
        FixMatch(spec=spec, weak=SHIFT, strong=Augmentation(shift=0.1, erase=0.3), threshold=0.5),
    ]


KINDS = range(4)


@pytest.fixture
def one_fit(monkeypatch) -> None:
    """A fit of a few updates is the student, whatever classes it has not learned yet."""
    monkeypatch.setattr("pate.student.learning.TRIES", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_student_and_global_state_stays(digits, kind) -> None:
    before = torch.random.get_rng_state()
    one, two = (learners(ema_decay=0.9)[kind].fit(digits.pool, seed=4) for _ in range(2))
    other = learners(ema_decay=0.9)[kind].fit(digits.pool, seed=5)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one.predict_proba(digits.inputs), two.predict_proba(digits.inputs))
    assert one.curve == two.curve
    assert not np.array_equal(one.predict_proba(digits.inputs), other.predict_proba(digits.inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_progress_is_the_curve(digits, kind, one_fit) -> None:
    seen = []
    student = learners()[kind].fit(digits.pool, seed=4, on_progress=seen.append)
    assert tuple(seen) == student.curve
    assert [point.step for point in seen] == [8, 16, 24, 30]
    assert all(point.held_out is None and 0 <= point.used <= 1 for point in seen)
    assert seen[-1].agreement > seen[0].agreement
    assert not student.network.training


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_labels_choose_the_best_point(digits, kind, one_fit) -> None:
    student = learners(held_out=0.25)[kind].fit(digits.pool, seed=4)
    _, aside = digits.pool.split(0.25, seed=4)
    assert aside is not None
    best = max(point.held_out for point in student.curve if point.held_out is not None)
    reached = (student.predict(aside.inputs) == aside.labels.numpy()).mean()
    assert reached == pytest.approx(best)


def test_a_label_set_aside_does_not_teach(digits, one_fit) -> None:
    kept, aside = digits.pool.split(0.25, seed=4)
    assert aside is not None
    labels = digits.pool.labels.clone()
    moved = (digits.pool.labels >= 0) & (kept.labels < 0)
    labels[moved] = (labels[moved] + 1) % 10
    altered = LabeledPool(inputs=digits.pool.inputs, labels=labels, classes=10)
    one, two = (learners(held_out=0.25)[0].fit(pool, seed=4) for pool in (digits.pool, altered))
    assert [point.loss for point in one.curve] == [point.loss for point in two.curve]


def test_a_single_released_label_is_enough(clusters) -> None:
    pool = LabeledPool.of(clusters.pool.inputs, np.where(np.arange(300) == 7, 1, -1), 2)
    spec = StudentSpec(model=ModelSpec(), train=TRAIN, held_out=0.5)
    for learner in (Supervised(spec=spec), PseudoLabel(spec=spec)):
        assert learner.fit(pool, seed=1).curve[-1].agreement == 1.0


@pytest.mark.parametrize(
    "fields", [{"ema_decay": 1.0}, {"held_out": -0.1}, {"held_out": 1.0}, {"robustness": 1.5}, {"report_every": 0}]
)
def test_an_unusable_spec_is_refused(fields) -> None:
    with pytest.raises(InputError):
        StudentSpec(model=ModelSpec(), train=TRAIN, **fields)


def fits_until_one_learns(pool: LabeledPool, dead: int) -> tuple[int, np.ndarray]:
    """How many fits there were if the first ``dead`` ones end without weights, and what the student answers."""
    fits = 0

    def batch_loss(network: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal fits
        fits += batch.progress == 0
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(float(fits > dead))
        loss = torch.nn.functional.cross_entropy(network(batch.inputs), batch.labels)
        return loss * (fits > dead), torch.zeros(())

    class Deadly(NetworkLearner):
        def objective(self, *_: object) -> Objective:
            return Objective(batch_loss, 0)

    student = Deadly(spec=StudentSpec(model=ModelSpec(), train=replace(TRAIN, steps=150))).fit(pool, seed=1)
    return fits, student.predict_proba(pool.inputs)


def test_a_fit_that_ends_in_the_same_answer_for_all_begins_again(digits) -> None:
    fits, proba = fits_until_one_learns(digits.pool, dead=1)
    assert fits == 2
    assert np.ptp(proba, axis=0).max() > 0.5
    fits, proba = fits_until_one_learns(digits.pool, dead=TRIES)
    assert fits == TRIES, "it gives up"
    assert np.ptp(proba, axis=0).max() == 0


def test_one_answer_for_all_is_right_where_all_labels_are_the_same(digits) -> None:
    labels = np.where(np.arange(len(digits.pool.inputs)) < 5, 0, -1)
    assert fits_until_one_learns(LabeledPool.of(digits.pool.inputs, labels, 10), dead=9)[0] == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_class_that_a_robust_loss_lost_comes_back(digits, seed, monkeypatch) -> None:
    train = TrainSpec(steps=120, batch_size=16, learning_rate=0.02)
    spec = StudentSpec(model=ModelSpec(kind="mlp", hidden=(16,)), train=train, robustness=0.9)
    mended, again = (Supervised(spec=spec).fit(digits.pool, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(mended.predict_proba(digits.inputs), again.predict_proba(digits.inputs))
    monkeypatch.setattr("pate.student.learning.TRIES", 1)
    alone = Supervised(spec=spec).fit(digits.pool, seed=seed)
    first, chosen = (check_student(student, digits.pool) for student in (alone, mended))
    assert first.lost > chosen.lost
    assert (alone.fits, mended.fits > 1) == (1, True)
    correct = [(own.predict(digits.inputs) == digits.labels).mean() for own in (alone, mended)]
    assert correct[1] > correct[0] + 0.1


def test_a_student_without_a_problem_is_the_first_fit(digits, monkeypatch) -> None:
    spec = StudentSpec(model=ModelSpec(), train=TrainSpec(steps=200, batch_size=16, learning_rate=0.05))
    student = Supervised(spec=spec).fit(digits.pool, seed=1)
    assert (student.fits, check_student(student, digits.pool).lost) == (1, 0)
    monkeypatch.setattr("pate.student.learning.TRIES", 1)
    alone = Supervised(spec=spec).fit(digits.pool, seed=1)
    np.testing.assert_array_equal(student.predict_proba(digits.inputs), alone.predict_proba(digits.inputs))


def test_the_least_harmed_of_several_fits_is_the_student(digits, monkeypatch) -> None:
    monkeypatch.setattr("pate.student.learning.TRIES", 3)
    monkeypatch.setattr("pate.student.learning._tells_nothing_apart", lambda *_: True)
    checks = [SimpleNamespace(lost=lost, problems=problems) for lost, problems in ((4, 1), (3, 2), (3, 2))]
    monkeypatch.setattr("pate.student.learning.check_student", lambda *_: checks.pop(0))
    learner = learners()[0]
    student = learner.fit(digits.pool, seed=1)
    second = derive_seed(1, "again", 1)
    monkeypatch.setattr("pate.student.learning.TRIES", 1)
    monkeypatch.setattr("pate.student.learning.check_student", check_student)
    alone = learner.fit(digits.pool, seed=second)
    assert student.fits == 3
    np.testing.assert_array_equal(student.predict_proba(digits.inputs), alone.predict_proba(digits.inputs))


def test_balanced_gives_a_rare_class_the_weight_of_the_others() -> None:
    rng = np.random.default_rng(0)
    rare = rng.random(1000) < 0.1
    inputs = (rng.normal(size=1000) + rare).astype(np.float32)[:, None]
    pool = LabeledPool.of(inputs, rare.astype(int), 2)

    def recall(*, balanced: bool) -> float:
        train = TrainSpec(steps=150, learning_rate=0.05, balanced=balanced)
        predicted = Supervised(spec=StudentSpec(model=ModelSpec(), train=train)).fit(pool, seed=1).predict(inputs)
        return float(predicted[rare].mean())

    assert recall(balanced=False) < 0.2
    assert recall(balanced=True) > 0.5


def test_a_warm_start_is_cross_entropy_until_it_ends() -> None:
    pool = LabeledPool.of(np.zeros((4, 1), np.float32), np.array([0, 1, 1, 1]), 3)
    logits, labels = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.5, 0.0]]), torch.tensor([0, 1])
    spec = StudentSpec(model=ModelSpec(), train=TRAIN, robustness=0.7, warm_up=0.25)
    loss = LabelLoss(spec, pool, "cpu")
    assert loss(logits, labels, 0.2) == torch.nn.functional.cross_entropy(logits, labels)
    assert loss(logits, labels, 0.25) == GeneralisedCrossEntropy(0.7)(logits, labels).mean()
    weighed = LabelLoss(replace(spec, train=replace(TRAIN, balanced=True)), pool, "cpu")
    own = GeneralisedCrossEntropy(0.7)(logits, labels)
    assert weighed(logits, labels, 0.5) == pytest.approx(float((2 * own[0] + 2 / 3 * own[1]) / 2))

"""Pseudo-labels gain from unlabelled rows, on a ramp."""

import pytest

from pate.errors import InputError
from pate.models.specs import ModelSpec, TrainSpec
from pate.student.learners import PseudoLabel, Supervised
from pate.student.specs import StudentSpec
from pate.student.student import evaluate

SPEC = StudentSpec(model=ModelSpec(kind="mlp"), train=TrainSpec(steps=300, batch_size=16, learning_rate=0.02))


def test_unlabelled_rows_help(clusters) -> None:
    alone, helped = (
        evaluate(learner.fit(clusters.pool, seed=1), clusters.inputs, clusters.labels).accuracy
        for learner in (Supervised(spec=SPEC), PseudoLabel(spec=SPEC, unlabelled_ratio=16))
    )
    assert helped > alone + 0.01
    assert helped > 0.97


def test_the_weight_grows_from_nothing_to_its_full_value() -> None:
    learner = PseudoLabel(spec=SPEC, weight=3.0, ramp=(0.2, 0.6))
    weights = [learner.unlabelled_weight(t / 10) for t in range(11)]
    assert weights[:2] == [0.0, 0.0]
    assert weights[4] == pytest.approx(1.5)
    assert weights[6:] == [3.0] * 5
    assert weights == sorted(weights)


def test_a_ramp_without_width_is_a_step() -> None:
    learner = PseudoLabel(spec=SPEC, ramp=(0.5, 0.5))
    assert [learner.unlabelled_weight(t) for t in (0.4, 0.5)] == [0.0, 1.0]


def test_before_the_ramp_nothing_unlabelled_is_used(clusters) -> None:
    student = PseudoLabel(spec=SPEC, ramp=(1.0, 1.0)).fit(clusters.pool, seed=1)
    assert all(point.used == 0 for point in student.curve)
    alone = Supervised(spec=SPEC).fit(clusters.pool, seed=1)
    assert (student.predict_proba(clusters.inputs) == alone.predict_proba(clusters.inputs)).all()


def test_a_threshold_nothing_reaches_uses_nothing(clusters) -> None:
    student = PseudoLabel(spec=SPEC, threshold=1.0, ramp=(0.0, 0.0)).fit(clusters.pool, seed=1)
    assert student.curve[0].used < 0.5


@pytest.mark.parametrize("fields", [{"ramp": (0.6, 0.2)}, {"threshold": 1.5}, {"unlabelled_ratio": 0}, {"weight": 0.0}])
def test_unusable_settings_are_refused(fields) -> None:
    with pytest.raises(InputError):
        PseudoLabel(spec=SPEC, **fields)

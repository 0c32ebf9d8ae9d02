"""The supervised learner learns digits and tables, quickly."""

import time

from pate.models.specs import Augmentation, ModelSpec, TrainSpec
from pate.student.learners import Supervised
from pate.student.specs import StudentSpec
from pate.student.student import evaluate


def test_it_learns_digits_from_eighty_labels_of_which_five_are_wrong(digits) -> None:
    spec = StudentSpec(
        model=ModelSpec(kind="cnn"), train=TrainSpec(steps=200, batch_size=32, learning_rate=0.005, weight_decay=0.01)
    )
    started = time.thread_time()
    student = Supervised(spec=spec, augmentation=Augmentation(shift=0.1)).fit(digits.pool, seed=1)
    assert time.thread_time() - started < 10
    assert evaluate(student, digits.inputs, digits.labels).accuracy > 0.8


def test_it_learns_a_table(clusters) -> None:
    spec = StudentSpec(model=ModelSpec(kind="mlp"), train=TrainSpec(steps=100, learning_rate=0.02))
    student = Supervised(spec=spec).fit(clusters.pool, seed=1)
    assert evaluate(student, clusters.inputs, clusters.labels).accuracy > 0.75

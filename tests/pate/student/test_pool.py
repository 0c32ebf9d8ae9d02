"""The pool: released labels in, nothing else; labels set aside come from released ones."""

import numpy as np
import pytest
import torch

from pate.data import PrivateRecords
from pate.errors import InputError, PrivacyViolation
from pate.student.pool import LabeledPool

LABELS = np.array([0, -1, 2, 1, -1, 2, 0, 1, 2, 0])


def pool() -> LabeledPool:
    return LabeledPool.of(np.arange(20, dtype=np.float32).reshape(10, 2), LABELS, 3)


def test_the_labelled_part_is_what_was_released() -> None:
    inputs, labels = pool().labelled()
    np.testing.assert_array_equal(labels, LABELS[LABELS >= 0])
    np.testing.assert_array_equal(inputs[:, 0], 2 * np.flatnonzero(LABELS >= 0))


def test_a_split_moves_labels_and_keeps_inputs() -> None:
    kept, aside = pool().split(0.5, seed=3)
    assert aside is not None
    assert len(kept.inputs) == 10
    assert len(aside.labels) == 4
    assert len(kept.labelled()[1]) == 4
    both = torch.cat([kept.labelled()[0], aside.labelled()[0]])
    assert sorted(both[:, 0].tolist()) == (2 * np.flatnonzero(LABELS >= 0)).tolist()


def test_a_split_follows_its_seed() -> None:
    one, two, other = (pool().split(0.5, seed)[0].labels.tolist() for seed in (3, 3, 4))
    assert one == two
    assert one != other


@pytest.mark.parametrize("fraction", [0.0, 0.1])
def test_too_small_a_part_sets_nothing_aside(fraction) -> None:
    kept, aside = pool().split(fraction, seed=1)
    assert aside is None
    assert torch.equal(kept.labels, pool().labels)


def test_one_label_always_stays() -> None:
    kept, _ = LabeledPool.of(np.zeros((2, 1)), np.array([1, 0]), 2).split(0.99, seed=1)
    assert len(kept.labelled()[1]) == 1


@pytest.mark.parametrize(("labels", "classes"), [([-1, -1], 2), ([0, 2], 2), ([0, -2], 2), ([0], 2), ([0, 0], 1)])
def test_unusable_pools_are_refused(labels, classes) -> None:
    with pytest.raises(InputError):
        LabeledPool.of(np.zeros((2, 3)), np.array(labels), classes)


def test_private_tagged_data_are_refused_to_teach_or_validate_a_student() -> None:
    records = PrivateRecords(features=np.zeros((3, 2), dtype=np.float32), labels_N=np.zeros(3, dtype=np.int64))
    for inputs, labels in ((records, np.zeros(3, dtype=np.int64)), (np.zeros((3, 2), dtype=np.float32), records)):
        with pytest.raises(PrivacyViolation):
            LabeledPool.of(inputs, labels, classes=2)  # type: ignore[arg-type]

"""Groups of records by how sure the student is."""

from __future__ import annotations

import numpy as np
import pytest

from pate.errors import InputError
from pate.student.calibration import calibration


def test_groups_hold_every_record_once_with_its_own_figures() -> None:
    proba = np.array([[0.95, 0.05], [0.91, 0.09], [0.4, 0.6], [0.5, 0.5], [1.0, 0.0]])
    groups = calibration(proba, np.array([0, 1, 1, 0, 0]))
    assert [(group.low, group.count) for group in groups] == [(0.4, 1), (0.5, 1), (0.9, 3)]
    last = groups[-1]
    assert last.right == pytest.approx(2 / 3)
    assert last.confidence == pytest.approx((0.95 + 0.91 + 1.0) / 3)
    assert last.right_low < last.right < last.right_high
    assert groups[0].right_high == 1.0
    assert groups[0].right_low == pytest.approx(0.025)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        right = rng.random(30) < 0.8
        proba = np.tile([0.85, 0.15], (30, 1))
        (group,) = calibration(proba, np.where(right, 0, 1))
        held += group.right_low <= 0.8 <= group.right_high
    assert held >= 0.95 * 400 - 3 * np.sqrt(400 * 0.05 * 0.95)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="evaluation data"):
        calibration(np.ones((3, 2)), np.zeros(2, dtype=np.int64))

"""Private data cannot become public data under another name."""

from __future__ import annotations

import numpy as np
import pytest

from pate.data import EvaluationSet, PrivateRecords, PublicPool, Study, digits_study, input_keys
from pate.errors import InputError, PrivacyViolation


def private(n: int = 8) -> PrivateRecords:
    rng = np.random.default_rng(1)
    return PrivateRecords(features=rng.normal(size=(n, 2)).astype(np.float32), labels_N=rng.integers(0, 2, n))


def other(n: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(n, 2)).astype(np.float32)


def study(**changes: object) -> Study:
    parts: dict[str, object] = {
        "task": "t",
        "classes": ("a", "b"),
        "private": private(),
        "pool": PublicPool(inputs=other(5)),
        "evaluation": EvaluationSet(inputs=other(4), labels_E=np.array([0, 1, 0, 1])),
    }
    return Study(**{**parts, **changes})  # type: ignore[arg-type]


def test_private_tagged_data_are_refused_as_pool_and_evaluation() -> None:
    with pytest.raises(PrivacyViolation):
        PublicPool(inputs=private())  # type: ignore[arg-type]
    with pytest.raises(PrivacyViolation):
        EvaluationSet(inputs=private(), labels_E=np.zeros(8, dtype=np.int64))  # type: ignore[arg-type]


def test_public_rows_are_never_compared_with_private_ones() -> None:
    """Whoever brings the pool would learn whether a record is among the private ones."""
    rows = private().features
    assert study(pool=PublicPool(inputs=rows[[3, 1, 1]])).pool.inputs.shape == (3, 2)
    assert len(study(evaluation=EvaluationSet(inputs=rows[:2], labels_E=np.array([0, 1]))).evaluation) == 2


def test_labels_outside_the_classes_are_refused_with_the_count_in_private(records_refused) -> None:
    broken = PrivateRecords(features=other(3), labels_N=np.array([0, 1, 77]))
    with records_refused("records_outside=1"):
        study(private=broken)


def test_missing_values_are_refused_with_a_count_only() -> None:
    features = other(4)
    features[2, 1] = np.nan
    with pytest.raises(InputError, match="records_broken=1"):
        PrivateRecords(features=features, labels_N=np.zeros(4, dtype=np.int64))


def test_equal_inputs_have_equal_keys_and_others_have_others() -> None:
    inputs = other(3)
    keys = input_keys(np.concatenate([inputs, inputs]))
    assert keys[:3] == keys[3:]
    assert len(set(keys)) == 3
    assert input_keys(inputs.reshape(3, 1, 2)) != keys[:3]


def test_digits_are_split_without_overlap_and_held_by_unequal_hospitals() -> None:
    data = digits_study(private=900, pool=500, evaluation=300, hospitals=4, skew=0.0, seed=7)
    rows = [x.tobytes() for x in (*data.private.features, *data.pool.inputs, *data.evaluation.inputs)]
    assert len(set(rows)) == 1700
    assert data.private.sites_N is not None
    sizes = np.unique(data.private.sites_N, return_counts=True)[1]
    assert len(sizes) == 4
    assert sizes.max() > 2 * sizes.min()
    assert data.benchmark is not None
    again = digits_study(private=900, pool=500, evaluation=300, hospitals=4, skew=0.0, seed=7)
    assert np.array_equal(again.pool.inputs, data.pool.inputs)


def test_skewed_hospitals_prefer_their_classes() -> None:
    data = digits_study(private=900, pool=100, evaluation=100, hospitals=5, skew=0.9, seed=0)
    assert data.private.sites_N is not None
    first = data.private.labels_N[data.private.sites_N == "hospital_1"]
    assert np.mean(first % 5 == 0) > 0.6


def test_more_records_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match="1797"):
        digits_study(private=1500, pool=500, evaluation=300, hospitals=4, skew=0.0, seed=7)

"""A student of trees: the released labels alone, or with its own confident guesses in rounds."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from pate.errors import InputError
from pate.features import Encoder
from pate.models.specs import TreesSpec
from pate.randomness import derive_seed
from pate.student import BoostedTrees, LabeledPool

SPEC = TreesSpec(rounds=8, depth=2, subsample=0.9, colsample=0.9, min_child_weight=0.5)


def naive(pool: LabeledPool, learner: BoostedTrees, seed: int) -> np.ndarray:
    """Self-training written out with the library alone: probabilities of the whole pool."""
    inputs, labels = pool.inputs.numpy(), pool.labels.numpy()
    known = labels >= 0
    rows, targets, weights = inputs[known], labels[known], np.ones(known.sum())
    for number in range(learner.self_training + 1):
        shares = np.array([weights[targets == c].sum() + 0.5 for c in range(pool.classes)])
        booster = xgboost.train(
            {
                "objective": "multi:softprob", "num_class": pool.classes, "max_depth": 2, "learning_rate": 0.1,
                "min_child_weight": 0.5, "subsample": 0.9, "colsample_bytree": 0.9, "nthread": 1,
                "tree_method": "hist", "seed": derive_seed(seed, "trees", number) % 2**31,
                "base_score": np.log(shares / shares.sum()).tolist(),
            },
            xgboost.DMatrix(rows, label=targets, weight=weights, nthread=1),
            num_boost_round=8,
        )  # fmt: skip
        proba = booster.predict(xgboost.DMatrix(inputs, nthread=1))
        guessed = [row for row in range(len(inputs)) if not known[row] and proba[row].max() >= learner.threshold]
        rows = np.concatenate([inputs[known], inputs[guessed]])
        targets = np.concatenate([labels[known], [proba[row].argmax() for row in guessed]]).astype(int)
        weights = np.concatenate([np.ones(known.sum()), [learner.weight] * len(guessed)])
    return proba


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_self_training_is_what_it_says(digits, rounds: int) -> None:
    learner = BoostedTrees(spec=SPEC, self_training=rounds, threshold=0.3, weight=0.4)
    student = learner.fit(digits.pool, seed=5)
    found = student.predict_proba(digits.pool.inputs)
    flat = LabeledPool.of(digits.pool.inputs.flatten(1).numpy(), digits.pool.labels.numpy(), 10)
    np.testing.assert_allclose(found, naive(flat, learner, 5), rtol=1e-4, atol=1e-6)


def test_six_labels_teach_most_of_the_clusters(clusters) -> None:
    learner = BoostedTrees(spec=TreesSpec(rounds=30, depth=1, min_child_weight=0), self_training=2)
    student = learner.fit(clusters.pool, seed=0)
    assert (student.predict(clusters.inputs) == clusters.labels).mean() > 0.75


def test_the_same_seed_gives_the_same_student(digits) -> None:
    learner = BoostedTrees(spec=SPEC, self_training=1, threshold=0.3)
    one, two, three = (learner.fit(digits.pool, seed=seed).network for seed in (1, 1, 2))
    assert one.content == two.content
    assert one.content != three.content


def test_the_curve_has_a_point_for_each_fit_and_is_reported_once(digits) -> None:
    seen = []
    learner = BoostedTrees(spec=SPEC, self_training=2, threshold=0.3)
    student = learner.fit(digits.pool, seed=0, on_progress=seen.append)
    assert tuple(seen) == student.curve
    assert [point.step for point in seen] == [1, 2, 3]
    assert seen[0].used == 0
    assert all(0 < point.used < 1 and 0 < point.agreement <= 1 and point.loss > 0 for point in seen[1:])


def test_one_released_class_is_said_always_and_a_whole_pool_has_no_rest(clusters) -> None:
    inputs = clusters.inputs
    only = LabeledPool.of(inputs, np.where(np.arange(len(inputs)) < 4, 1, -1), 3)
    assert set(BoostedTrees(spec=SPEC, self_training=1).fit(only, seed=0).predict(inputs)) == {1}
    whole = LabeledPool.of(inputs, clusters.labels, 2)
    learned = BoostedTrees(spec=SPEC, self_training=2).fit(whole, seed=0)
    assert learned.curve[-1].used == 0


@pytest.mark.parametrize(("name", "value"), [("self_training", -1), ("threshold", 1.5), ("weight", 0), ("weight", 2)])
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        BoostedTrees(spec=SPEC, **{name: value})  # type: ignore[arg-type]


def test_an_encoder_to_begin_with_and_broken_inputs_are_refused(clusters) -> None:
    import torch

    encoder = Encoder(torch.nn.Identity(), (2,))
    with pytest.raises(InputError, match="no encoder"):
        BoostedTrees(spec=SPEC).fit(clusters.pool, seed=0, start=encoder)
    broken = LabeledPool.of(np.full((2, 2), np.nan, dtype=np.float32), np.array([0, 1]), 2)
    with pytest.raises(InputError, match="finite"):
        BoostedTrees(spec=SPEC).fit(broken, seed=0)

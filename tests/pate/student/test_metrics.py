"""AUROC and balanced accuracy against brute force; intervals against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from pate.errors import InputError
from pate.student.metrics import balanced_accuracy, class_metrics, mean_over_runs


def scores(count: int, rare: float, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels of two classes whose logits differ by ``shift``."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < rare).astype(np.int64)
    positive = 1 / (1 + np.exp(-(rng.normal(size=count) + shift * labels)))
    return np.stack([1 - positive, positive], axis=1), labels


def test_auroc_is_the_probability_of_the_right_order() -> None:
    proba, labels = scores(200, 0.2, 1.0, 0)
    proba = proba.round(1)
    positive, negative = proba[labels == 1, 1], proba[labels == 0, 1]
    pairs = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    found = class_metrics(proba, labels, seed=0, resamples=10)
    assert found.auroc is not None
    assert found.auroc.value == pytest.approx(pairs)
    assert found.auroc.value == pytest.approx(roc_auc_score(labels, proba[:, 1]))


@pytest.mark.parametrize("classes", [2, 5])
def test_balanced_accuracy_agrees_with_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    proba = rng.dirichlet(np.ones(classes), 300)
    labels = rng.integers(0, classes, 300)
    assert balanced_accuracy(labels, proba) == pytest.approx(balanced_accuracy_score(labels, proba.argmax(axis=1)))


def test_always_the_common_class_is_right_half_of_the_time() -> None:
    _, labels = scores(500, 0.05, 0, 1)
    found = class_metrics(np.tile([0.9, 0.1], (500, 1)), labels, seed=0, resamples=50)
    assert found.balanced_accuracy.value == 0.5
    assert found.auroc is not None
    assert found.auroc.value == 0.5
    assert found.rarest == labels.mean()


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    truth = 0.7602499  # Phi(1 / sqrt(2)): AUROC of unit-variance normal scores that differ by 1
    hits = 0
    for seed in range(60):
        proba, labels = scores(300, 0.2, 1.0, seed)
        found = class_metrics(proba, labels, seed=seed, resamples=200).auroc
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert hits >= 48  # binomial(60, 0.95): below 48 with probability under 1e-5; a third too narrow gives about 49 %


def wilson(right: int, count: int) -> tuple[float, float]:
    """By its definition: the shares p whose normal test of ``right`` out of ``count`` does not reject."""
    z = 1.959963984540054
    shares = np.linspace(0, 1, 200_001)
    kept = shares[np.abs(right / count - shares) <= z * np.sqrt(shares * (1 - shares) / count)]
    return float(kept.min()), float(kept.max())


@pytest.mark.parametrize(("right", "count"), [(0, 5), (5, 5), (9, 10), (89, 100), (892, 1000)])
def test_the_interval_of_accuracy_is_wilsons(right: int, count: int) -> None:
    labels = np.array([0, 1] * count)[:count]
    predicted = np.where(np.arange(count) < right, labels, 1 - labels)
    found = class_metrics(np.eye(2)[predicted], labels, seed=0, resamples=1).accuracy
    assert found.value == pytest.approx(right / count)
    assert (found.low, found.high) == pytest.approx(wilson(right, count), abs=1e-5)


def test_the_interval_of_balanced_accuracy_is_that_of_two_independent_shares() -> None:
    """For large classes the variance is a quarter of the sum of two binomial variances."""
    proba, labels = scores(4000, 0.3, 1.0, 6)
    found = class_metrics(proba, labels, seed=0, resamples=1200).balanced_accuracy
    right = proba.argmax(axis=1) == labels
    spread = np.sqrt(sum(right[labels == c].var() / (labels == c).sum() for c in (0, 1)) / 4)
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.96 * spread, found.value + 1.96 * spread), abs=3e-3
    )


def test_the_interval_of_auroc_agrees_with_delong() -> None:
    """DeLong, DeLong, Clarke-Pearson 1988, equation 7, written out over all pairs."""
    proba, labels = scores(1500, 0.3, 1.0, 7)
    second, first = proba[labels == 1, 1], proba[labels == 0, 1]
    wins = (second[:, None] > first).astype(float) + 0.5 * (second[:, None] == first)
    spread = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(second) + wins.mean(axis=0).var(ddof=1) / len(first))
    found = class_metrics(proba, labels, seed=0, resamples=2000).auroc
    assert found is not None
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.96 * spread, found.value + 1.96 * spread), abs=3e-3
    )


def test_the_interval_over_units_covers_as_often_as_it_says_where_one_over_records_does_not() -> None:
    rng = np.random.default_rng(0)
    hits = {"units": 0, "records": 0}
    for seed in range(60):
        units = np.repeat(np.arange(60), 10)
        share = rng.beta(4, 1, 60)[units]  # how often a unit's records are right; 0.8 on average
        labels = rng.integers(0, 2, 600)
        predicted = np.where(rng.random(600) < share, labels, 1 - labels)
        for name, own in (("units", units.astype(str)), ("records", None)):
            found = class_metrics(np.eye(2)[predicted], labels, seed=seed, units_E=own, resamples=100).accuracy
            hits[name] += found.low <= 0.8 <= found.high  # type: ignore[operator]
    assert hits["units"] >= 48 > hits["records"]  # binomial(60, 0.95): below 48 with probability under 1e-5


def test_records_of_one_unit_are_drawn_together_and_widen_the_interval() -> None:
    proba, labels = scores(60, 0.3, 1.0, 3)
    many = np.repeat(np.arange(60), 10)
    alone = class_metrics(proba[many], labels[many], seed=0).auroc
    together = class_metrics(proba[many], labels[many], seed=0, units_E=many.astype(str)).auroc
    assert alone is not None
    assert together is not None
    assert alone.value == together.value
    assert together.high - together.low > 2 * (alone.high - alone.low)  # type: ignore[operator]


def test_a_class_with_one_record_gets_a_figure_without_an_interval() -> None:
    proba, _ = scores(50, 0, 0, 4)
    labels = np.zeros(50, dtype=np.int64)
    labels[7] = 1
    found = class_metrics(proba, labels, seed=0)
    assert found.auroc is not None
    assert found.auroc.low is None
    assert found.resamples == 0
    assert str(found.auroc) == f"{found.auroc.value:.3f}"
    assert class_metrics(proba, np.zeros(50, dtype=np.int64), seed=0).auroc is None


def test_the_seed_decides_the_interval_and_nothing_else() -> None:
    proba, labels = scores(100, 0.3, 1, 5)
    one, two, three = (class_metrics(proba, labels, seed=seed, resamples=100) for seed in (1, 1, 2))
    assert one == two
    assert one.auroc != three.auroc
    assert one.auroc is not None
    assert three.auroc is not None
    assert one.auroc.value == three.auroc.value


@pytest.mark.parametrize(
    ("proba", "labels"),
    [(np.ones((3, 2)), [0, 1]), (np.ones((2, 2)), [0, 2]), (np.ones((0, 2)), []), (np.ones(2), [0, 1])],
)
def test_what_does_not_match_is_refused(proba: np.ndarray, labels: list[int]) -> None:
    with pytest.raises(InputError):
        class_metrics(proba, np.array(labels, dtype=np.int64), seed=0)


def test_the_mean_over_runs_has_students_interval_of_the_mean() -> None:
    values = [0.81, 0.9, 0.87, 0.7]
    found = mean_over_runs(values)
    expected = stats.t.interval(0.95, 3, loc=0.82, scale=np.std(values, ddof=1) / 2)
    assert (found.value, found.low, found.high) == pytest.approx((0.82, *expected))
    assert mean_over_runs([0.9]).low is None
    assert mean_over_runs([0.99, 1.0, 0.9]).high == 1.0

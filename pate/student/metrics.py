"""Accuracy, balanced accuracy and AUROC (for rare classes), all with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, rankdata
from scipy.stats import t as student_t

from pate.errors import expected
from pate.randomness import generator

Proba: TypeAlias = npt.NDArray[np.floating]
Labels: TypeAlias = npt.NDArray[np.int64]
Measure: TypeAlias = Callable[[Labels, Proba], float]

FEWEST = 2
"""Records of a class (of a group, where groups are resampled) below which no interval is given."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A metric with a confidence interval.

    Attributes:
        value: on the evaluation set itself.
        low: lower end; ``None`` where a class is too rare to resample.
        high: upper end; likewise.
        confidence: nominal coverage, for example 0.95.
    """

    value: float
    low: float | None
    high: float | None
    confidence: float

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Metrics of a classifier; all but accuracy are sensitive to a rare class.

    Attributes:
        accuracy: fraction of correct predictions.
        balanced_accuracy: recall averaged over the classes that occur.
        auroc: for two classes that both occur: the probability that a record of the second gets the higher
            score, ties counted half; else ``None``.
        counts: records of each class. Length C.
        resamples: bootstrap resamples behind the intervals; 0 where a class is too rare.
    """

    accuracy: Interval
    balanced_accuracy: Interval
    auroc: Interval | None
    counts: tuple[int, ...]
    resamples: int

    @property
    def rarest(self) -> float:
        """Share of the rarest class."""
        return min(self.counts) / sum(self.counts)


def class_metrics(
    proba_EC: Proba,
    labels_E: Labels,
    *,
    seed: int,
    units_E: npt.NDArray[np.str_] | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> ClassMetrics:
    """Metrics of predicted probabilities against labels.

    Intervals are those of the percentile bootstrap (Efron, Tibshirani 1993, section 13.3): resamples are drawn with
    replacement over units (patients, hospitals) where these are known, over records otherwise; those that lack a
    class are drawn again. Accuracy over independent records is a plain proportion and gets Wilson's
    interval (1927), which holds for few records too. Deterministic given the seed.

    Args:
        proba_EC: class probabilities. Shape ``[E, C]``.
        labels_E: true class indices. Shape ``[E]``.
        seed: of the resampling.
        units_E: who each record belongs to. Shape ``[E]``.
        resamples: how many.
        confidence: nominal coverage of the intervals.

    Raises:
        InputError: shapes that do not match, labels outside the classes, or not one record.
    """
    classes = proba_EC.shape[1] if proba_EC.ndim == 2 else 0
    if len(labels_E) == 0 or proba_EC.shape != (len(labels_E), classes) or classes < 2:
        raise expected("probabilities [E, C] and labels [E], E >= 1", "check the evaluation data", E=len(labels_E))
    if labels_E.min() < 0 or labels_E.max() >= classes:
        raise expected(f"labels in 0..{classes - 1}", "check the evaluation data")
    if resamples < 1 or not 0 < confidence < 1:
        raise expected("resamples >= 1 and 0 < confidence < 1", "correct them", resamples=resamples)
    counts = np.bincount(labels_E, minlength=classes)
    rows = _resampled_rows(labels_E, units_E, resamples, seed)

    def interval(measure: Measure) -> Interval:
        value = measure(labels_E, proba_EC)
        if not rows:
            return Interval(value=value, low=None, high=None, confidence=confidence)
        drawn = [measure(labels_E[index], proba_EC[index]) for index in rows]
        tail = (1 - confidence) / 2
        low, high = (float(end) for end in np.quantile(drawn, [tail, 1 - tail]))
        return Interval(value=value, low=low, high=high, confidence=confidence)

    return ClassMetrics(
        accuracy=interval(_accuracy) if units_E is not None else _wilson(labels_E, proba_EC, confidence),
        balanced_accuracy=interval(balanced_accuracy),
        auroc=interval(_auroc) if classes == 2 and counts.all() else None,
        counts=tuple(int(count) for count in counts),
        resamples=len(rows),
    )


def mean_over_runs(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean of a fraction (such as accuracy) over runs, with Student's interval of the mean, clipped to [0, 1].

    Args:
        values: one per run; a single one has no interval.
        confidence: nominal coverage, if runs are independent and their values nearly normal.
    """
    mean = float(np.mean(values))
    if len(values) < FEWEST:
        return Interval(value=mean, low=None, high=None, confidence=confidence)
    half = float(student_t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(value=mean, low=max(0.0, mean - half), high=min(1.0, mean + half), confidence=confidence)


def _accuracy(labels_E: Labels, proba_EC: Proba) -> float:
    return float((proba_EC.argmax(axis=1) == labels_E).mean())


def _wilson(labels_E: Labels, proba_EC: Proba, confidence: float) -> Interval:
    right = int((proba_EC.argmax(axis=1) == labels_E).sum())
    found = binomtest(right, len(labels_E)).proportion_ci(confidence, method="wilson")
    return Interval(value=right / len(labels_E), low=float(found.low), high=float(found.high), confidence=confidence)


def balanced_accuracy(labels_E: Labels, proba_EC: Proba) -> float:
    """Mean recall over the classes that occur; predictions are the likeliest class, ties to the lowest."""
    return mean_recall(labels_E, proba_EC.argmax(axis=1))


def mean_recall(labels_E: Labels, predicted_E: npt.NDArray[np.integer]) -> float:
    """Recall averaged over the classes that occur."""
    right_E = predicted_E == labels_E
    return float(np.mean([right_E[labels_E == found].mean() for found in np.unique(labels_E)]))


def _auroc(labels_E: Labels, proba_EC: Proba) -> float:
    """Mann-Whitney: ``(R - n (n + 1) / 2) / (n m)`` with the rank sum R of the n records of the second class."""
    ranks_E = rankdata(proba_EC[:, 1])
    second_E = labels_E == 1
    n, m = int(second_E.sum()), int((~second_E).sum())
    return float((ranks_E[second_E].sum() - n * (n + 1) / 2) / (n * m))


def _resampled_rows(
    labels_E: Labels, units_E: npt.NDArray[np.str_] | None, resamples: int, seed: int
) -> list[npt.NDArray[np.int64]]:
    """Rows of each resample, all with every class that occurs; none where a class has too few units."""
    unit_E = np.arange(len(labels_E)) if units_E is None else np.unique(units_E, return_inverse=True)[1]
    present = np.unique(labels_E)
    if any(len(np.unique(unit_E[labels_E == found])) < FEWEST for found in present):
        return []
    order = np.argsort(unit_E, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(unit_E[order])) + 1)
    rng = generator(seed, "bootstrap")
    drawn: list[npt.NDArray[np.int64]] = []
    while len(drawn) < resamples:
        chosen = rng.integers(0, len(members), len(members))
        index = chosen if units_E is None else np.concatenate([members[unit] for unit in chosen])
        if len(np.unique(labels_E[index])) == len(present):
            drawn.append(index)
    return drawn

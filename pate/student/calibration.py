"""Reliability diagram: accuracy per confidence bin (Guo et al. 2017, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from pate.errors import expected

Proba: TypeAlias = npt.NDArray[np.floating]
Labels: TypeAlias = npt.NDArray[np.int64]

GROUPS = 10
_TAIL = 0.025


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceBin:
    """Records for which the student's largest probability lies in ``(low, high]``.

    Attributes:
        low, high: ends of the group.
        count: records in it.
        confidence: mean of the largest probability.
        right: fraction of correct predictions.
        right_low, right_high: 95 % interval of ``right`` (Clopper, Pearson 1934).
    """

    low: float
    high: float
    count: int
    confidence: float
    right: float
    right_low: float
    right_high: float


def calibration(proba_NC: Proba, labels_N: Labels, groups: int = GROUPS) -> tuple[ConfidenceBin, ...]:
    """Compare a student's confidence with its accuracy.

    Args:
        proba_NC: class probabilities. Shape ``[N, C]``.
        labels_N: true class indices. Shape ``[N]``.
        groups: of equal width over (0, 1].

    Returns:
        The groups that hold a record, by rising confidence.
    """
    if groups < 1 or proba_NC.ndim != 2 or len(proba_NC) != len(labels_N):
        raise expected("probabilities [N, C], labels [N], groups >= 1", "check the evaluation data", groups=groups)
    sure_N = proba_NC.max(axis=1).astype(np.float64)
    right_N = proba_NC.argmax(axis=1) == labels_N
    group_N = np.clip(np.ceil(sure_N * groups).astype(np.int64) - 1, 0, groups - 1)
    return tuple(_group(g, groups, sure_N[group_N == g], right_N[group_N == g]) for g in np.unique(group_N).tolist())


def _group(number: int, groups: int, sure_K: npt.NDArray[np.float64], right_K: npt.NDArray[np.bool_]) -> ConfidenceBin:
    count, hits = len(right_K), int(right_K.sum())
    return ConfidenceBin(
        low=number / groups,
        high=(number + 1) / groups,
        count=count,
        confidence=float(sure_K.mean()),
        right=hits / count,
        right_low=float(beta.ppf(_TAIL, hits, count - hits + 1)) if hits else 0.0,
        right_high=float(beta.ppf(1 - _TAIL, hits + 1, count - hits)) if hits < count else 1.0,
    )

"""Metrics that exist only where the "private" records are in fact a public benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from pate.files import write_atomically
from pate.public_sets import PublicSource
from pate.student.metrics import Interval
from pate.values import BenchmarkOnly


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkMetrics:
    """Metrics that are unknown in a real campaign, since they need true labels or all private records.

    Attributes:
        label_accuracy: fraction of the released labels that are correct.
        plurality_accuracy: fraction of the asked inputs whose plurality vote is correct, without noise.
        single_teacher_accuracy: mean over teachers, on the evaluation set: the accuracy without collaboration.
        single_teacher_balanced_accuracy: likewise, with the interval of the mean over teachers.
        pooled_accuracy: of the student's model trained on all private records at once.
        pooled_balanced_accuracy: likewise, with its interval.
        pooled_auroc: likewise, for two classes.
    """

    label_accuracy: float
    plurality_accuracy: float
    single_teacher_accuracy: float
    single_teacher_balanced_accuracy: Interval
    pooled_accuracy: float
    pooled_balanced_accuracy: Interval
    pooled_auroc: Interval | None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> BenchmarkMetrics:
        """From JSON."""
        values: dict[str, Any] = {name: _interval(value) for name, value in content.items()}
        return cls(**values)


def _interval(value: Any) -> Any:
    return Interval(**value) if isinstance(value, Mapping) else value


def save(path: Path, metrics: BenchmarkOnly[BenchmarkMetrics]) -> None:
    """Keep the metrics in the private folder, with the name of the public set."""
    write_atomically(path, json.dumps({"source": asdict(metrics.source), "figures": asdict(metrics.value)}))


def load(path: Path) -> BenchmarkOnly[BenchmarkMetrics] | None:
    """The metrics that ``save`` kept, or ``None``."""
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    return BenchmarkOnly(BenchmarkMetrics.from_dict(content["figures"]), PublicSource(**content["source"]))

"""Figures that exist only where the "private" records are in truth a public benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import singledispatch
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.data import EvaluationSet, Study
from pate.errors import expected
from pate.features import PackedEncoder
from pate.files import write_atomically
from pate.models import Records, TreesSpec, build, fit, fit_trees
from pate.public_sets import PublicSource
from pate.randomness import derive_seed
from pate.student import StudentSpec
from pate.student.metrics import ClassMetrics, Interval, class_metrics, mean_over_runs, mean_recall
from pate.values import BenchmarkOnly
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config
from pipelines.run.evaluation import SEED
from pipelines.run.features import seen
from pipelines.run.labels import Labels

POOLED_PASSES = 4
"""Passes over all private records that the model without privacy makes at least; a weak one would flatter us."""
POOLED_BATCH = 64


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What nobody could know in a real campaign.

    Attributes:
        label_accuracy: part of the released labels that are right.
        plurality_accuracy: part of the asked inputs that the teachers' plurality gets right, without noise.
        single_teacher_accuracy: mean over teachers, on the evaluation set: what a holder reaches alone.
        single_teacher_balanced_accuracy: likewise, with the interval of the mean over teachers.
        pooled_accuracy: of the student's model trained on all private records at once, on the evaluation set.
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
    def from_dict(cls, content: Mapping[str, Any]) -> Figures:
        """From JSON."""
        values: dict[str, Any] = {name: _interval(value) for name, value in content.items()}
        return cls(**values)


def _interval(value: Any) -> Any:
    return Interval(**value) if isinstance(value, Mapping) else value


def measure(
    source: PublicSource,
    config: Config,
    study: Study,
    labels: Labels,
    votes: VoteMatrix,
    evaluation_votes: VoteMatrix,
    pooled: ClassMetrics,
) -> BenchmarkOnly[Figures]:
    """Compare with the truth.

    Args:
        source: proof that the data are public.
        config: the experiment.
        study: with its ``benchmark``.
        labels: what was released.
        votes: on the asked inputs, ``[T, Q]``.
        evaluation_votes: on the evaluation inputs, ``[T, E]``.
        pooled: from ``train_pooled``.
    """
    truth_M = study.benchmark.pool_labels_M if study.benchmark else np.empty(0, dtype=np.int64)
    truth_Q = truth_M[labels.queries_Q]
    given_Q = labels.labels_Q >= 0
    plurality_Q = votes.histogram().counts_QC.argmax(axis=1)
    labels_E = study.evaluation.labels_E
    votes_TE = evaluation_votes.labels_TQ
    votes_TE = votes_TE[(votes_TE >= 0).any(axis=1)]  # whom the infrastructure lost says nothing about the others
    alone_T = [mean_recall(labels_E, votes_E) for votes_E in votes_TE]
    figures = Figures(
        label_accuracy=float((labels.labels_Q == truth_Q)[given_Q].mean()) if given_Q.any() else float("nan"),
        plurality_accuracy=float((plurality_Q == truth_Q).mean()),
        single_teacher_accuracy=float((votes_TE == labels_E[None, :]).mean()),
        single_teacher_balanced_accuracy=mean_over_runs(alone_T),
        pooled_accuracy=pooled.accuracy.value,
        pooled_balanced_accuracy=pooled.balanced_accuracy,
        pooled_auroc=pooled.auroc,
    )
    return BenchmarkOnly(figures, source)


def train_pooled(
    inputs: Any,
    labels: Any,
    evaluation: EvaluationSet,
    *,
    config: Config,
    classes: int,
    encoder: PackedEncoder | None = None,
) -> ClassMetrics:
    """Figures of the student's model trained, without any privacy, on all private records, or on their features."""
    import torch  # noqa: PLC0415 - a task on a worker

    own, others = seen(np.array(inputs), encoder), seen(np.array(evaluation.inputs), encoder)
    model = _fit_pooled(config.student.spec, own, np.array(labels), classes, config.seed)
    with torch.inference_mode():
        proba_EC = model.eval()(torch.from_numpy(others)).softmax(dim=1).numpy()
    return class_metrics(proba_EC, evaluation.labels_E, seed=SEED, units_E=evaluation.units_E)


@singledispatch
def _fit_pooled(spec: Any, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    """From inputs to logits: what the student is made of, fitted on all records."""
    raise expected("a StudentSpec or a TreesSpec", "register the kind of student", kind=type(spec).__name__)


@_fit_pooled.register
def _(spec: StudentSpec, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    network = build(spec.model, tuple(inputs.shape[1:]), classes, derive_seed(seed, "pooled", "weights"))
    steps = max(spec.train.updates(len(labels)), -(-POOLED_PASSES * len(labels) // POOLED_BATCH))
    train = replace(spec.train, steps=steps, epochs=None, batch_size=POOLED_BATCH)
    return fit(network, Records.of(inputs, labels, classes), train, seed=derive_seed(seed, "pooled"))


@_fit_pooled.register
def _(spec: TreesSpec, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    return fit_trees(spec, inputs, labels, classes, seed=derive_seed(seed, "pooled"))


def save(path: Path, figures: BenchmarkOnly[Figures]) -> None:
    """Keep the figures in the private folder, with the name of the public set."""
    write_atomically(path, json.dumps({"source": asdict(figures.source), "figures": asdict(figures.value)}))


def load(path: Path) -> BenchmarkOnly[Figures] | None:
    """What ``save`` kept, if anything."""
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    return BenchmarkOnly(Figures.from_dict(content["figures"]), PublicSource(**content["source"]))

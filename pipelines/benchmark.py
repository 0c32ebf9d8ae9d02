"""Figures that exist only where the "private" records are in truth a public benchmark."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.data import Study
from pate.errors import expected
from pate.models import Records, TreesSpec, build, fit, fit_trees
from pate.public_sets import PublicSource
from pate.randomness import derive_seed
from pate.student import StudentSpec
from pate.values import BenchmarkOnly
from pate.votes import VoteMatrix
from pipelines.campaign import Labels
from pipelines.config import Config
from pipelines.store import write_atomically


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What nobody could know in a real campaign.

    Attributes:
        label_accuracy: part of the released labels that are right.
        plurality_accuracy: part of the asked inputs that the teachers' plurality gets right, without noise.
        single_teacher_accuracy: mean over teachers, on the evaluation set.
        pooled_accuracy: of the student's model trained on all private records at once, on the evaluation set.
    """

    label_accuracy: float
    plurality_accuracy: float
    single_teacher_accuracy: float
    pooled_accuracy: float


def measure(
    source: PublicSource,
    config: Config,
    study: Study,
    labels: Labels,
    votes: VoteMatrix,
    evaluation_votes: VoteMatrix,
    pooled_accuracy: float,
) -> BenchmarkOnly[Figures]:
    """Compare with the truth.

    Args:
        source: proof that the data are public.
        config: the experiment.
        study: with its ``benchmark``.
        labels: what was released.
        votes: on the asked inputs, ``[T, Q]``.
        evaluation_votes: on the evaluation inputs, ``[T, E]``.
        pooled_accuracy: from ``train_pooled``.
    """
    truth_M = study.benchmark.pool_labels_M if study.benchmark else np.empty(0, dtype=np.int64)
    truth_Q = truth_M[labels.queries_Q]
    given_Q = labels.labels_Q >= 0
    plurality_Q = votes.histogram().counts_QC.argmax(axis=1)
    own = (evaluation_votes.labels_TQ == study.evaluation.labels_E[None, :]).mean()
    figures = Figures(
        label_accuracy=float((labels.labels_Q == truth_Q)[given_Q].mean()) if given_Q.any() else float("nan"),
        plurality_accuracy=float((plurality_Q == truth_Q).mean()),
        single_teacher_accuracy=float(own),
        pooled_accuracy=pooled_accuracy,
    )
    return BenchmarkOnly(figures, source)


def train_pooled(
    inputs: Any, labels: Any, evaluation_inputs: Any, evaluation_labels: Any, *, config: Config, classes: int
) -> float:
    """Accuracy of the student's model trained, without any privacy, on all private records."""
    import torch  # noqa: PLC0415 - a task on a worker

    model = _fit_pooled(config.student.spec, np.array(inputs), np.array(labels), classes, config.seed)
    with torch.inference_mode():
        predicted = model.eval()(torch.from_numpy(np.array(evaluation_inputs))).argmax(dim=1).numpy()
    return float((predicted == evaluation_labels).mean())


@singledispatch
def _fit_pooled(spec: Any, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    """From inputs to logits: what the student is made of, fitted on all records."""
    raise expected("a StudentSpec or a TreesSpec", "register the kind of student", kind=type(spec).__name__)


@_fit_pooled.register
def _(spec: StudentSpec, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    network = build(spec.model, tuple(inputs.shape[1:]), classes, derive_seed(seed, "pooled", "weights"))
    return fit(network, Records.of(inputs, labels, classes), spec.train, seed=derive_seed(seed, "pooled"))


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
    return BenchmarkOnly(Figures(**content["figures"]), PublicSource(**content["source"]))

"""Stage ``benchmark``: on a public benchmark, the comparison with the truth and with training without privacy."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np

from pate.data import EvaluationSet, Study
from pate.errors import expected
from pate.features import PackedEncoder
from pate.models import Records, TreesSpec, build, fit, fit_trees
from pate.public_sets import PublicSource
from pate.randomness import derive_seed
from pate.student import LabeledPool, StudentSpec
from pate.student.metrics import ClassMetrics, class_metrics, mean_over_runs, mean_recall
from pate.values import BenchmarkOnly, Released
from pate.votes import VoteMatrix
from pipelines.cluster.job import Job
from pipelines.cluster.session import OnDemand
from pipelines.config.experiment import Config
from pipelines.config.student import CustomLearnerConfig
from pipelines.outcome import benchmark_metrics
from pipelines.outcome.benchmark_metrics import BenchmarkMetrics
from pipelines.outcome.campaign import Campaign
from pipelines.run.context import Run
from pipelines.run.evaluation import SEED
from pipelines.run.features import encoded
from pipelines.run.stages import Done
from pipelines.run.teachers import ensemble_of
from pipelines.teachers import voting
from pipelines.teachers.ensemble import teachers_per_site
from pipelines.teachers.holders import Holder

POOLED_PASSES = 4
"""Least number of passes of the non-private model over all private records; a weak baseline would make the student look
better."""
POOLED_BATCH = 64


def benchmark(run: Run, holder: Holder, votes: VoteMatrix, campaign: Released[Campaign], ray: OnDemand) -> None:
    """Measure label, single-teacher and pooled accuracy on a public benchmark; do nothing elsewhere."""
    truth = run.study.benchmark
    if truth is None:
        return

    def work() -> Done:
        study, path = run.study, run.folder.benchmark_file
        on_evaluation = _evaluation_votes(run, holder, ray)
        pooled = _pooled(run, ray)
        found = measure(truth.source, study, campaign.value, votes, on_evaluation, pooled)
        benchmark_metrics.save(path, found)
        return Done(outputs=[path], note={}, line=f"compared with the truth of {truth.source.name}")

    run.stage("benchmark", work)


def _evaluation_votes(run: Run, holder: Holder, ray: OnDemand) -> VoteMatrix:
    """Votes of the teachers on the evaluation set, ``[T, E]``."""
    path, team = run.folder.evaluation_votes_file, ensemble_of(run, holder)
    inputs = encoded(run.study.evaluation.inputs, run.teachers_encoder)
    with run.progress.bars("benchmark", teachers_per_site(team)) as on_done:
        voted = voting.collect_votes(path, replace(team, on_done=on_done), inputs, ray.session(), quorum=False)
    voting.forget_parts(path)
    return VoteMatrix.load(path, len(run.study.classes), voted.sha256)


def _pooled(run: Run, ray: OnDemand) -> ClassMetrics:
    """Metrics of a model trained on all private records, as a task of its own."""
    study = run.study
    job = Job(
        name="pooled",
        function=train_pooled,
        arguments={
            "inputs": study.held_here.features,
            "labels": study.held_here.labels_N,
            "evaluation": study.evaluation,
            "config": run.config,
            "classes": len(study.classes),
            "encoder": run.student_encoder,
        },
    )
    ((_, found),) = ray.session().run([job], num_cpus=1)
    metrics: ClassMetrics = found
    return metrics


def measure(
    source: PublicSource,
    study: Study,
    campaign: Campaign,
    votes: VoteMatrix,
    evaluation_votes: VoteMatrix,
    pooled: ClassMetrics,
) -> BenchmarkOnly[BenchmarkMetrics]:
    """Compare with the truth.

    Args:
        source: proof that the data are public.
        study: with its ``benchmark``.
        campaign: with the released labels.
        votes: on the asked inputs, ``[T, Q]``.
        evaluation_votes: on the evaluation inputs, ``[T, E]``.
        pooled: from ``train_pooled``.
    """
    truth_M = study.benchmark.pool_labels_M if study.benchmark else np.empty(0, dtype=np.int64)
    truth_Q = truth_M[campaign.queries_Q]
    given_Q = campaign.labels_Q >= 0
    plurality_Q = votes.histogram().counts_QC.argmax(axis=1)
    labels_E = study.evaluation.labels_E
    votes_TE = evaluation_votes.labels_TQ
    votes_TE = votes_TE[(votes_TE >= 0).any(axis=1)]  # teachers lost to infrastructure are left out of the mean
    alone_T = [mean_recall(labels_E, votes_E) for votes_E in votes_TE]
    metrics = BenchmarkMetrics(
        label_accuracy=float((campaign.labels_Q == truth_Q)[given_Q].mean()) if given_Q.any() else float("nan"),
        plurality_accuracy=float((plurality_Q == truth_Q).mean()),
        single_teacher_accuracy=float((votes_TE == labels_E[None, :]).mean()),
        single_teacher_balanced_accuracy=mean_over_runs(alone_T),
        pooled_accuracy=pooled.accuracy.value,
        pooled_balanced_accuracy=pooled.balanced_accuracy,
        pooled_auroc=pooled.auroc,
    )
    return BenchmarkOnly(metrics, source)


def train_pooled(
    inputs: Any,
    labels: Any,
    evaluation: EvaluationSet,
    *,
    config: Config,
    classes: int,
    encoder: PackedEncoder | None = None,
) -> ClassMetrics:
    """Metrics of the student's model trained, without any privacy, on all private records, or on their features."""
    import torch  # noqa: PLC0415 - a task on a worker

    own, others = encoded(np.array(inputs), encoder), encoded(np.array(evaluation.inputs), encoder)
    model = _fit_pooled(config.student.pooled(), own, np.array(labels), classes, config.seed)
    with torch.inference_mode():
        proba_EC = model.eval()(torch.from_numpy(others)).softmax(dim=1).numpy()
    return class_metrics(proba_EC, evaluation.labels_E, seed=SEED, units_E=evaluation.units_E)


@singledispatch
def _fit_pooled(spec: Any, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    """The student's model, fitted on all records: inputs to logits."""
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


@_fit_pooled.register
def _(spec: CustomLearnerConfig, inputs: Any, labels: Any, classes: int, seed: int) -> Any:
    return spec.build().fit(LabeledPool.of(inputs, labels, classes), seed=derive_seed(seed, "pooled")).network

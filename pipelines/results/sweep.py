"""One configuration over several seeds and splits: runs as Ray tasks, and one row of results.

Every run is resumable by itself and has its own simulated account and its own MLflow run; a restarted sweep reuses
finished runs. On several nodes, ``PATE_HOME`` has to be a folder that all of them share.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from pate.accounting.data_dependent.exact_epsilon import exact_epsilon
from pate.errors import InputError, expected
from pate.files import write_atomically
from pate.student.metrics import mean_over_runs
from pate.values import BenchmarkOnly, Released
from pipelines.cluster.job import Job
from pipelines.cluster.session import ray_session
from pipelines.config.data import FilesData, VisionData
from pipelines.config.experiment import Config, load
from pipelines.data.sources import load_study
from pipelines.outcome import summary
from pipelines.outcome.benchmark_metrics import BenchmarkMetrics
from pipelines.progress import Quiet
from pipelines.results.table import commit, machine
from pipelines.results.vote_files import votes_of_run
from pipelines.run.label_and_train import label_and_train
from pipelines.storage.run_folder import RunFolder


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedRow:
    """Released metrics of several runs of one configuration, of any data.

    Attributes:
        dataset: the public set.
        config: the configuration's name.
        epsilon_data_independent: the campaign's cost, by ``accountant``.
        epsilon_sanitised: mean of the runs' sanitised estimates, if declared.
        delta: failure probability.
        accuracy_mean: of the students.
        accuracy_std: standard deviation over runs.
        accuracy_low: lower end of the 95% interval of the mean (Student's t over runs).
        accuracy_high: upper end.
        auroc_mean: for two classes.
        balanced_mean: balanced accuracy of the students.
        minutes: mean duration of a run, with others running at the same time.
        seeds: the seeds, which are also the rotations where the data have any.
        labels: answers per run, mean.
        teachers: T.
        commit: of the code.
        command: that reproduces this row.
        machine: that it ran on.
    """

    dataset: str
    config: str
    epsilon_data_independent: float
    epsilon_sanitised: float | None
    delta: float
    accountant: str
    accuracy_mean: float
    accuracy_std: float
    accuracy_low: float | None
    accuracy_high: float | None
    auroc_mean: float | None
    balanced_mean: float
    minutes: float
    seeds: list[int]
    labels: float
    teachers: int
    commit: str
    command: str
    machine: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRow:
    """Metrics of the same runs that are known because the set is public.

    Attributes:
        epsilon_exact_private: mean over runs of the exact data-dependent cost; ``None`` where none is known.
        label_accuracy: mean fraction of released labels that are correct.
        single_teacher_accuracy: mean accuracy of a single teacher.
        single_teacher_balanced: likewise, balanced accuracy.
        pooled_accuracy: the student's network on all private records, without privacy, mean.
        pooled_balanced: likewise, balanced accuracy.
        pooled_auroc: likewise, for two classes.
    """

    epsilon_exact_private: float | None
    label_accuracy: float
    single_teacher_accuracy: float
    single_teacher_balanced: float
    pooled_accuracy: float
    pooled_balanced: float
    pooled_auroc: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """Several runs of one configuration on a public benchmark; ``released`` alone may reach a tracker."""

    released: Released[ReleasedRow]
    benchmark: BenchmarkOnly[BenchmarkRow]

    def to_dict(self) -> dict[str, Any]:
        """Both sets of metrics, for the terminal and the results tables."""
        return {**asdict(self.released.value), **asdict(self.benchmark.value)}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A finished run's contribution to a row.

    Attributes:
        facts: public ones, of its summary.
        metrics: against the truth.
        exact: exact epsilon of these votes; ``None`` where a privacy unit may move several votes.
        minutes: from its configuration to its summary.
    """

    facts: Released[dict[str, Any]]
    metrics: BenchmarkOnly[BenchmarkMetrics]
    exact: BenchmarkOnly[float | None]
    minutes: float

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.facts.value["seed"])


def members(path: Path, seeds: int) -> list[Config]:
    """The configuration for seeds ``0 .. seeds - 1``; rotations and splits take the seed too, where the data have any.

    Raises:
        InputError: the configuration is wrong, or its set has fewer rotations.
    """
    first = load(path)
    found = []
    for seed in range(seeds):
        overrides: dict[str, Any] = {"seed": seed}
        if isinstance(first.data, VisionData):
            overrides["data"] = {"rotation": seed}
        elif isinstance(first.data, FilesData):
            overrides["data"] = {"split": {"seed": seed}}
        found.append(load(path, overrides))
    return found


def sweep(
    configs: list[Config], base: Path, command: str, *, parallel: int = 1
) -> Iterator[tuple[SweepRow, list[Member]]]:
    """Do the runs, some at a time, each as a Ray task, and yield the row of all that are finished after each.

    Args:
        configs: of ``members``.
        base: ``PATE_HOME``.
        command: that reproduces this row, for the table.
        parallel: runs at a time. They share the cores; their teachers are tasks of the same Ray.

    Raises:
        InputError: the data are not a public benchmark; checked before anything is charged.
    """
    for config in configs:
        if load_study(config).benchmark is None:
            raise expected(
                "a public benchmark", "results of your own data are in `pate report`", data=config.data.source
            )
    done: list[Member] = []
    with ray_session(address=configs[0].ray.address, num_cpus=configs[0].ray.num_cpus) as session:
        jobs = [
            Job(name=f"sweep {own.run_id}", function=run_member, arguments={"config": own, "base": base})
            for own in configs
        ]
        share = session.cpus / parallel
        for _, member in session.run(jobs, num_cpus=share, threads=max(1, int(share)), ahead=1):
            done = sorted([*done, member], key=lambda own: own.seed)
            yield row_of(done, command), done


def run_member(config: Config, base: Path) -> Member:
    """Finish one run and read its metrics: a Ray task."""
    label_and_train(config, base=base, progress=Quiet())
    return member_of(RunFolder(base, config.run_id))


def member_of(folder: RunFolder) -> Member:
    """The metrics of a finished run.

    Raises:
        InputError: it is not finished, or not on a public benchmark.
    """
    found = summary.load(folder)
    if found is None or found.metrics is None:
        raise expected("a finished run on a public benchmark", "finish it with `pate run`", run=folder.run_id)
    votes, event = votes_of_run(folder)
    began, ended = (folder.settings_file, folder.summary_file)
    exact = None
    if event.moved_votes == 1:
        exact = exact_epsilon(votes, event, found.released.value["delta"], fixed_in_advance=True).epsilon
    return Member(
        facts=found.released,
        metrics=found.metrics,
        exact=BenchmarkOnly(exact, found.metrics.source),
        minutes=(ended.stat().st_mtime - began.stat().st_mtime) / 60,
    )


def row_of(done: list[Member], command: str) -> SweepRow:
    """The row of finished runs of one configuration."""
    source = done[0].metrics.source
    return SweepRow(
        released=_released(done, source.name, command),
        benchmark=BenchmarkOnly(_against_truth(done), source),
    )


def _released(done: list[Member], dataset: str, command: str) -> Released[ReleasedRow]:
    facts = [own.facts.value for own in done]
    accuracies = [float(own["student_accuracy"]) for own in facts]
    mean = mean_over_runs(accuracies)
    return Released.public(
        ReleasedRow(
            dataset=dataset,
            config=facts[0]["config"],
            epsilon_data_independent=max(own["epsilon"] for own in facts),
            epsilon_sanitised=_mean([own["sanitised"]["epsilon"] for own in facts if own.get("sanitised")]),
            delta=facts[0]["delta"],
            accountant=facts[0]["accountant"],
            accuracy_mean=mean.value,
            accuracy_std=statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
            accuracy_low=mean.low,
            accuracy_high=mean.high,
            auroc_mean=_mean([own["student_auroc"] for own in facts if "student_auroc" in own]),
            balanced_mean=statistics.fmean(own["student_balanced_accuracy"] for own in facts),
            minutes=statistics.fmean(own.minutes for own in done),
            seeds=[own.seed for own in done],
            labels=statistics.fmean(own["answered"] for own in facts),
            teachers=facts[0]["teachers"],
            commit=commit(),
            command=command,
            machine=machine(),
        )
    )


def _against_truth(done: list[Member]) -> BenchmarkRow:
    figures = [own.metrics.value for own in done]
    return BenchmarkRow(
        epsilon_exact_private=_mean([own.exact.value for own in done if own.exact.value is not None]),
        label_accuracy=statistics.fmean(own.label_accuracy for own in figures),
        single_teacher_accuracy=statistics.fmean(own.single_teacher_accuracy for own in figures),
        single_teacher_balanced=statistics.fmean(own.single_teacher_balanced_accuracy.value for own in figures),
        pooled_accuracy=statistics.fmean(own.pooled_accuracy for own in figures),
        pooled_balanced=statistics.fmean(own.pooled_balanced_accuracy.value for own in figures),
        pooled_auroc=_mean([own.pooled_auroc.value for own in figures if own.pooled_auroc is not None]),
    )


def merge(path: Path, row: SweepRow) -> list[dict[str, Any]]:
    """Put a row into the list of results, in place of an older one of the same configuration; returns the list.

    Raises:
        InputError: the file holds something else.
    """
    try:
        rows = json.loads(path.read_text()) if path.exists() else []
        kept = [own for own in rows if own["config"] != row.released.value.config]
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise InputError(f"Expected a list of results in {path.name}, got something else; move it away") from error
    kept = sorted([*kept, row.to_dict()], key=lambda own: (own["dataset"], own["epsilon_data_independent"]))
    write_atomically(path, json.dumps(kept, indent=1) + "\n")
    return kept


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None

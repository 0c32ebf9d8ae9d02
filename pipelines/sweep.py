"""One configuration over several seeds and splits: runs, one row of results each, tables and plots from the rows.

Runs follow one another, since each uses the whole Ray; every one is resumable by itself and has its own simulated
account and its own MLflow run, and a sweep that is started again takes finished runs as they are.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from pate.accounting.exact_recursion import exact_epsilon
from pate.accounting.rounding import up
from pate.errors import InputError, expected
from pate.student.metrics import mean_over_runs
from pipelines import summary
from pipelines.config import Config, load
from pipelines.data_config import VisionData
from pipelines.results import commit, machine
from pipelines.store import RunStore, write_atomically
from pipelines.vote_files import votes_of_run

Runner = Callable[[Config], summary.Summary]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Several runs of one configuration on a public benchmark.

    Attributes:
        dataset: the public set.
        config: the configuration's name.
        epsilon_data_independent: what the campaign costs at most, by ``accountant``.
        epsilon_sanitised: mean of the runs' noisy figures, where they bought one.
        epsilon_exact_private: mean over runs of the exact data-dependent cost; known because the set is public.
        delta: failure probability.
        accuracy_mean: of the students.
        accuracy_std: standard deviation over runs.
        accuracy_low: lower end of the 95% interval of the mean (Student's t over runs).
        accuracy_high: upper end.
        auroc_mean: for two classes.
        label_accuracy: part of released labels that are right, mean.
        single_teacher_accuracy: mean.
        pooled_accuracy: the student's network on all private records, without privacy, mean.
        seeds: the seeds, which are also the rotations where the data have any.
        labels: answers per run, mean.
        teachers: T.
        commit: of the code.
        command: that gives this row.
        machine: where it ran.
    """

    dataset: str
    config: str
    epsilon_data_independent: float
    epsilon_sanitised: float | None
    epsilon_exact_private: float | None
    delta: float
    accountant: str
    accuracy_mean: float
    accuracy_std: float
    accuracy_low: float | None
    accuracy_high: float | None
    auroc_mean: float | None
    label_accuracy: float
    single_teacher_accuracy: float
    pooled_accuracy: float
    seeds: list[int]
    labels: float
    teachers: int
    commit: str
    command: str
    machine: str


def members(path: Path, seeds: int) -> list[Config]:
    """The configuration for seeds ``0 .. seeds - 1``; sets with rotations take the seed's rotation too.

    Raises:
        InputError: the configuration is wrong, or its set has fewer rotations.
    """
    first = load(path)
    found = []
    for seed in range(seeds):
        overrides: dict[str, Any] = {"seed": seed}
        if isinstance(first.data, VisionData):
            overrides["data"] = {**first.data.model_dump(mode="json"), "rotation": seed}
        found.append(load(path, overrides))
    return found


def sweep(configs: list[Config], runner: Runner, base: Path, command: str) -> Iterator[Row]:
    """Do the runs one after the other and yield the row of all that are finished after each.

    Raises:
        InputError: the data are no public benchmark, of which alone there are rows of results.
    """
    done: list[tuple[RunStore, summary.Summary]] = []
    for config in configs:
        found = runner(config)
        if found.figures is None:
            raise expected(
                "a public benchmark", "results of one's own data are in `pate report`", data=config.data.source
            )
        done.append((RunStore(base, config.run_id), found))
        yield row_of(done, [own.seed for own in configs[: len(done)]], command)


def row_of(done: list[tuple[RunStore, summary.Summary]], seeds: list[int], command: str) -> Row:
    """The row of finished runs of one configuration."""
    facts = [found.released.value for _, found in done]
    figures = [found.figures.value for _, found in done if found.figures is not None]
    sources = {found.figures.source.name for _, found in done if found.figures is not None}
    accuracies = [float(own["student_accuracy"]) for own in facts]
    mean = mean_over_runs(accuracies)
    return Row(
        dataset=sources.pop(),
        config=facts[0]["config"],
        epsilon_data_independent=max(own["epsilon"] for own in facts),
        epsilon_sanitised=_mean([own["sanitised"]["epsilon"] for own in facts if own.get("sanitised")]),
        epsilon_exact_private=_mean([_exact(store, own["delta"]) for (store, _), own in zip(done, facts, strict=True)]),
        delta=facts[0]["delta"],
        accountant=facts[0]["accountant"],
        accuracy_mean=mean.value,
        accuracy_std=statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0,
        accuracy_low=mean.low,
        accuracy_high=mean.high,
        auroc_mean=_mean([own["student_auroc"] for own in facts if "student_auroc" in own]),
        label_accuracy=statistics.fmean(own.label_accuracy for own in figures),
        single_teacher_accuracy=statistics.fmean(own.single_teacher_accuracy for own in figures),
        pooled_accuracy=statistics.fmean(own.pooled_accuracy for own in figures),
        seeds=seeds,
        labels=statistics.fmean(own["answered"] for own in facts),
        teachers=facts[0]["teachers"],
        commit=commit(),
        command=command,
        machine=machine(),
    )


def merge(path: Path, row: Row) -> list[dict[str, Any]]:
    """Put a row into the list of results, in place of an older one of the same configuration; returns the list.

    Raises:
        InputError: the file holds something else.
    """
    try:
        rows = json.loads(path.read_text()) if path.exists() else []
        kept = [own for own in rows if own["config"] != row.config]
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise InputError(f"Expected a list of results in {path.name}, got something else; move it away") from error
    kept = sorted([*kept, asdict(row)], key=lambda own: (own["dataset"], own["epsilon_data_independent"]))
    write_atomically(path, json.dumps(kept, indent=1) + "\n")
    return kept


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    head = (
        "configuration", "runs", "teachers", "labels", "epsilon (data-independent)", "sanitised", "exact, private *",
        "delta", "student", "labels right *", "one teacher *", "pooled, no privacy *",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for own in rows:
        lines.append("| " + " | ".join(_cells(own)) + " |")
    notes = sorted({f"`{own['command']}` at commit {own['commit']} on {own['machine']}" for own in rows})
    return "\n".join(
        [
            *lines,
            "",
            "Student: mean over runs and 95% interval of the mean (Student's t over seeds and splits), AUROC for two "
            "classes. * known only because the set is a public benchmark.",
            "",
            *[f"- {note}" for note in notes],
        ]
    )


def plot(rows: list[dict[str, Any]], path: Path, x: str = "epsilon_data_independent") -> None:
    """Accuracy against epsilon or against labels, a series per public set, as SVG.

    Args:
        rows: of ``merge``.
        path: the file.
        x: ``epsilon_data_independent`` or ``labels``.
    """
    import matplotlib as mpl  # noqa: PLC0415 - slow to import

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "pate"
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for marker, name in zip("osD^vPX*<>" * 4, sorted({own["dataset"] for own in rows}), strict=False):
        own = sorted((row for row in rows if row["dataset"] == name), key=lambda row: row[x])
        low_high = [
            [row["accuracy_mean"] - (row["accuracy_low"] or row["accuracy_mean"]) for row in own],
            [(row["accuracy_high"] or row["accuracy_mean"]) - row["accuracy_mean"] for row in own],
        ]
        places, heights = [row[x] for row in own], [row["accuracy_mean"] for row in own]
        axes.errorbar(places, heights, yerr=low_high, marker=marker, capsize=3, label=name)
    axes.set(xlabel={"labels": "released labels"}.get(x, "epsilon, data-independent"), ylabel="student's accuracy")
    axes.set_xscale("log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _exact(store: RunStore, delta: float) -> float:
    votes, event = votes_of_run(store)
    return exact_epsilon(votes, event, delta).epsilon


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _cells(row: dict[str, Any]) -> list[str]:
    interval = "" if row["accuracy_low"] is None else f" [{row['accuracy_low']:.1%}, {row['accuracy_high']:.1%}]"
    auroc = "" if row["auroc_mean"] is None else f", AUROC {row['auroc_mean']:.3f}"
    return [
        f"`{row['config']}`",
        str(len(row["seeds"])),
        str(row["teachers"]),
        f"{row['labels']:.0f}",
        f"**{up(row['epsilon_data_independent'], 2)}** ({row['accountant']})",
        "" if row["epsilon_sanitised"] is None else up(row["epsilon_sanitised"], 2),
        "" if row["epsilon_exact_private"] is None else up(row["epsilon_exact_private"], 2),
        f"{row['delta']:g}",
        f"**{row['accuracy_mean']:.1%}**{interval}{auroc}",
        f"{row['label_accuracy']:.1%}",
        f"{row['single_teacher_accuracy']:.1%}",
        f"{row['pooled_accuracy']:.1%}",
    ]

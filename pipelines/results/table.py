"""The table of results: one row for each finished run on a public benchmark."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from pate.accounting.rounding import up
from pate.errors import InputError, expected
from pate.files import write_atomically
from pate.student.metrics import Interval
from pipelines.outcome import summary
from pipelines.outcome.benchmark_metrics import BenchmarkMetrics
from pipelines.outcome.metrics import words
from pipelines.storage.run_folder import RunFolder

START, END = "<!-- results: written by `pate results` -->", "<!-- end of results -->"
"""Markers around the table of results."""
ACCOUNT_START, ACCOUNT_END = "<!-- cost: written by `pate cost` -->", "<!-- end of cost -->"
"""Markers around the costs of one run."""
OURS_START, OURS_END = "<!-- ours: written by `pate sweep` -->", "<!-- end of ours -->"
"""Markers around the same rows in the layout of published results."""
SWEEP_START, SWEEP_END = "<!-- sweep: written by `pate sweep` -->", "<!-- end of sweep -->"
"""Markers around the results over several seeds."""
COLUMNS = (
    "run", "teachers", "asked, answered", "epsilon at delta (accountant)", "label accuracy", "student accuracy",
    "single teacher", "pooled, no privacy",
)  # fmt: skip


def table(stores: list[RunFolder]) -> str:
    """Return the table in Markdown, with the commit and the machine.

    Raises:
        InputError: a run is not finished, or not on a public benchmark.
    """
    rows = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    rows += ["| " + " | ".join(_cells(folder)) + " |" for folder in stores]
    return "\n".join(
        [
            *rows,
            "",
            "In brackets: 95% intervals, over patients or hospitals where the evaluation set names them; single "
            "teacher: of the mean. "
            f"Measured at commit {commit()} on {machine()}; one run each, seed as in the run's name.",
        ]
    )


def write(readme: Path, text: str, start: str = START, end: str = END) -> None:
    """Write a table between its two markers.

    Raises:
        InputError: the file has no such markers.
    """
    content = readme.read_text(encoding="utf-8")
    if start not in content or end not in content:
        raise InputError(f"Expected the lines {start!r} and {end!r} in {readme.name}, got neither or one; add them")
    before, rest = content.split(start, 1)
    write_atomically(readme, f"{before}{start}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}")


def accounts_of(folder: RunFolder, rows: dict[str, dict[str, Any]], queries: int) -> str:
    """Return the accounts of a run on a public benchmark, in Markdown, for ``queries`` queries charged.

    Raises:
        InputError: the run is not on a public benchmark, so its private rows must not be in a results file.
    """
    found = summary.load(folder)
    if found is None or found.metrics is None:
        raise expected("a finished run on a public benchmark", "print the rows instead", run=folder.run_id)
    facts = found.released.value
    lines = ["| accountant | epsilon | kind | note |", "|---|---|---|---|"]
    for name, row in rows.items():
        scatter = f" ± {up(row['standard_deviation'], 2)}" if "standard_deviation" in row else ""
        lines.append(f"| `{name}` | {up(row['epsilon'], 2)}{scatter} | {row['kind']} | {row['note']} |")
    what = f"Votes of the {facts['teachers']} teachers of `configs/{facts['config']}.yaml` on all {queries} queries"
    return "\n".join([*lines, "", f"{what}, delta {facts['delta']:g}; at commit {commit()}."])


def _sanitised(shown: dict[str, Any] | None) -> str:
    return "" if shown is None else f"; sanitised {up(shown['epsilon'], 2)} ± {up(shown['standard_deviation'], 2)}"


def commit() -> str:
    """Return the checked-out commit, short, or ``unknown``."""
    done = subprocess.run(  # noqa: S603 - fixed words, no shell
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],  # noqa: S607 - fixed words
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def machine() -> str:
    """Return processor, cores and memory of this machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _cells(folder: RunFolder) -> list[str]:
    found = summary.load(folder)
    if found is None or found.metrics is None:
        raise expected("a finished run on a public benchmark", "finish it with `pate run`", run=folder.run_id)
    facts, figures = found.released.value, found.metrics.value
    return [
        f"`{facts['config']}`, seed {facts['seed']}",
        f"{facts['teachers']}",
        f"{facts['asked']}, {facts['answered']}",
        f"{up(facts['epsilon'], 2)} at {facts['delta']:g} ({facts['accountant']}){_sanitised(facts.get('sanitised'))}",
        f"{figures.label_accuracy:.1%}",
        words(facts, strong="**"),
        f"{figures.single_teacher_accuracy:.1%}{_balanced(figures, figures.single_teacher_balanced_accuracy)}",
        f"{figures.pooled_accuracy:.1%}{_auroc(figures)}{_balanced(figures, figures.pooled_balanced_accuracy)}",
    ]


def _balanced(figures: BenchmarkMetrics, found: Interval) -> str:
    """Return balanced accuracy with its interval, for two classes."""
    return "" if figures.pooled_auroc is None else f", balanced {found.value:.1%}{_ends(found, 100, 1)}"


def _auroc(figures: BenchmarkMetrics) -> str:
    found = figures.pooled_auroc
    return "" if found is None else f", AUROC {found.value:.3f}{_ends(found, 1, 3)}"


def _ends(found: Interval, factor: float, digits: int) -> str:
    if found.low is None or found.high is None:
        return ""
    return f" [{found.low * factor:.{digits}f}, {found.high * factor:.{digits}f}]"

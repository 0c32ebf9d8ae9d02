"""The results table: one row for each finished run on a public benchmark, written by a command from the runs."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from pate.errors import InputError, expected
from pipelines import summary
from pipelines.store import RunStore, write_atomically

START, END = "<!-- results: written by `pate results` -->", "<!-- end of results -->"
COLUMNS = (
    "run", "teachers", "asked, answered", "epsilon at delta (accountant)", "labels right", "student",
    "one teacher", "pooled, no privacy",
)  # fmt: skip


def table(stores: list[RunStore]) -> str:
    """The table in Markdown, with the commit and the machine.

    Raises:
        InputError: a run is not finished, or not on a public benchmark.
    """
    rows = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    rows += ["| " + " | ".join(_cells(store)) + " |" for store in stores]
    return "\n".join(
        [*rows, "", f"Measured at commit {_commit()} on {machine()}; one run each, seed as in the run's name."]
    )


def write(readme: Path, text: str) -> None:
    """Put the table between its two markers.

    Raises:
        InputError: the file has no such markers.
    """
    content = readme.read_text(encoding="utf-8")
    if START not in content or END not in content:
        raise InputError(f"Expected the lines {START!r} and {END!r} in {readme.name}, got neither or one; add them")
    before, rest = content.split(START, 1)
    write_atomically(readme, f"{before}{START}\n\n{text}\n\n{END}{rest.split(END, 1)[1]}")


def machine() -> str:
    """Processor, cores and memory."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _cells(store: RunStore) -> list[str]:
    found = summary.load(store)
    if found is None or found.figures is None:
        raise expected("a finished run on a public benchmark", "finish it with `pate run`", run=store.run_id)
    facts, figures = found.released.value, found.figures.value
    return [
        f"`{facts['config']}`, seed {facts['seed']}",
        f"{facts['teachers']}",
        f"{facts['asked']}, {facts['answered']}",
        f"{facts['epsilon']:.2f} at {facts['delta']:g} ({facts['accountant']})",
        f"{figures.label_accuracy:.1%}",
        f"**{facts['student_accuracy']:.1%}** of {facts['evaluation_records']}",
        f"{figures.single_teacher_accuracy:.1%}",
        f"{figures.pooled_accuracy:.1%}",
    ]


def _commit() -> str:
    done = subprocess.run(  # noqa: S603 - fixed words, no shell
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"],  # noqa: S607 - fixed words
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"

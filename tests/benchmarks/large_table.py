"""Seconds and memory of each stage of a run on a table of a million private rows.

    python tests/benchmarks/large_table.py --rows 1000000 --readme docs/reference/scaling.md

The rows are made up: 24 columns of numbers, 4 of categories, a label, and the id of the patient, 0.7 for each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from voting_memory import peak_gib

NUMBERS, CATEGORIES, TEACHERS = 24, 4, 250
START, END = "<!-- large table: written by a benchmark -->", "<!-- end of large table -->"
ROOT = Path(__file__).parents[2]
CONFIG: dict[str, Any] = {
    "name": "large-table",
    "data": {
        "source": "table",
        "data_id": "large-table",
        "task": "outcome",
        "private_files": ["private.csv"],
        "pool_files": ["pool.csv"],
        "evaluation_files": ["evaluation.csv"],
        "pool": 20_000,
        "evaluation": 2_000,
        "label": {"column": "outcome", "positive": ["yes"]},
        "unit": "patient",
        "features": {
            "numeric": [{"columns": [f"value_{number}" for number in range(NUMBERS)]}],
            "categorical": [{"columns": [f"category_{number}" for number in range(CATEGORIES)], "unknown": "ignore"}],
        },
    },
    "partition": {"teachers": TEACHERS, "by": "unit"},
    "privacy": {"epsilon": 5, "delta": 1e-6, "accountant": "gaussian", "retention_days": 30},
    "teachers": {"model": {"kind": "logistic"}, "training": {"steps": 100, "learning_rate": 0.02}},
    "labelling": {"mechanism": {"kind": "gnmax", "sigma": 40}, "max_asked": 300},
    "student": {
        "learner": "pseudo-label",
        "spec": {"model": {"kind": "logistic"}, "train": {"steps": 300, "learning_rate": 0.02}},
    },
}


def write_files(folder: Path, rows: int) -> None:
    """The three tables and the configuration."""
    for name, count, first in (("private", rows, 0), ("pool", 20_000, 2 * rows), ("evaluation", 2_000, 4 * rows)):
        rng = np.random.default_rng(first)
        score = rng.normal(size=count)
        columns: dict[str, Any] = {"patient": [f"P{first + n:09d}" for n in rng.integers(0, int(0.7 * count), count)]}
        for number in range(NUMBERS):
            columns[f"value_{number}"] = np.round(0.3 * score + rng.normal(size=count), 3)
        for number in range(CATEGORIES):
            columns[f"category_{number}"] = np.array(list("abcdefgh"))[rng.integers(0, 8, count)]
        columns["outcome"] = np.where(score + rng.normal(size=count) > 0, "yes", "no")
        pd.DataFrame(columns).to_csv(folder / f"{name}.csv", index=False)
    (folder / "config.yaml").write_text(json.dumps(CONFIG))


class Clock:
    """Progress that notes seconds and the most memory since the stage before."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._reset()

    def _reset(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the kernel's high-water mark begins again
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def warn(self, text: str) -> None:
        print(text, file=sys.stderr)

    def line(self, stage: str, text: str) -> None:
        seconds, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        self.rows.append({"stage": stage, "seconds": seconds, "processor": processor, "gib": peak_gib()})
        self._reset()

    @contextmanager
    def bar(self, stage: str, total: int) -> Any:
        yield lambda pieces: None

    @contextmanager
    def bars(self, stage: str, totals: Any) -> Any:
        yield lambda pieces, site: None


def measure(folder: Path) -> list[dict[str, Any]]:
    """One run; the first stage holds what precedes it: reading, encoding and assigning the records."""
    from pipelines.config.experiment import load
    from pipelines.run.label_and_train import label_and_train

    clock = Clock()
    label_and_train(load(folder / "config.yaml"), base=folder / "home", progress=clock)
    return clock.rows


def compared(rows: int, before: Path | None) -> str:
    """The table, in Markdown; with a checkout of an earlier version, beside its figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, rows)
        found = {}
        for version, root in _versions(before):
            (folder / version).mkdir()
            for file in folder.iterdir():
                if file.is_file():
                    (folder / version / file.name).symlink_to(file)
            child = [sys.executable, "-P", __file__, "--measure", str(folder / version)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(Path(__file__).parent)])}
            done = subprocess.run(child, env=environment, cwd=root, stdout=subprocess.PIPE, check=True, text=True)
            found[version] = json.loads(done.stdout.splitlines()[-1])
    return _markdown(rows, found, before)


def _markdown(rows: int, found: dict[str, list[dict[str, Any]]], before: Path | None) -> str:
    from pipelines.results.table import machine
    from pipelines.storage.code_commit import code_commit

    head = "| stage | " + " | ".join(f"seconds {v} | processor {v} | most memory {v}" for v in found) + " |"
    lines = [head, "|---" * (1 + 3 * len(found)) + "|"]
    names = {"partition": "read, encode, assign"}
    for stage in dict.fromkeys(row["stage"] for row in found["now"]):
        cells = [_figures([row for row in of if row["stage"] == stage]) for of in found.values()]
        lines.append(f"| {' | '.join([names.get(stage, stage), *cells])} |")
    lines.append(f"| {' | '.join(['**all**', *map(_figures, found.values())])} |")
    commits = [f"{name}: commit {code_commit(root / 'pate' / '__init__.py')}" for name, root in _versions(before)]
    said = (
        f"{rows:,} private rows, {NUMBERS} columns of numbers and {CATEGORIES} of categories, {TEACHERS} teachers; "
        f"one run{' each' if before else ''} on {machine()}, load average {os.getloadavg()[0]:.1f} at the end. "
        f"Processor time and memory are the driver's: tasks of Ray are not in them. {'; '.join(commits)}."
    )
    return "\n".join([*lines, "", said])


def _figures(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no such stage | |"
    seconds, processor = (sum(row[name] for row in rows) for name in ("seconds", "processor"))
    return f"{seconds:.0f} | {processor:.0f} s | {max(row['gib'] for row in rows):.1f} GiB"


def _versions(before: Path | None) -> list[tuple[str, Path]]:
    return [("now", ROOT), *([("before", before)] if before else [])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--readme", type=Path)
    parser.add_argument("--before", type=Path, help="checkout of an earlier version")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure)))
    else:
        text = compared(chosen.rows, chosen.before)
        print(text)
        if chosen.readme:
            from pipelines.results.table import write

            write(chosen.readme, text, START, END)

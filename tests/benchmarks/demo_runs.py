"""Fresh runs of the demo: mean, standard deviation and worst class of the student's accuracy, and seconds.

    python tests/benchmarks/demo_runs.py --rows docs/reference/demo_runs.json --readme docs/reference/results.md

Every run is ``pate run configs/digits.yaml`` in a process of its own, with the next seed and with noise of its own, so
labels differ from those of every other run. ``--tree`` runs the checkout of another commit, whose row is kept beside
the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.results.table import machine, write
from pipelines.storage.run_folder import RunFolder

START, END = "<!-- demo: written by a benchmark -->", "<!-- end of demo -->"
ROOT = Path(__file__).parents[2]
CONFIG = Path("configs/digits.yaml")
CHANCE = 0.1
TRIES = 3


def one_run(tree: Path, config: Path, seed: int) -> dict[str, Any]:
    """Accuracy, accuracy by class and seconds of one fresh run; begun again where Ray does not start in time."""
    for attempt in range(TRIES):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as home:
            done = subprocess.run(
                [sys.executable, "-m", "pipelines", "run", str(config), "--seed", str(seed), "--json"],
                cwd=tree,
                env={**os.environ, "PYTHONPATH": str(tree), "PATE_HOME": home},
                capture_output=True,
                text=True,
                check=attempt + 1 == TRIES,
            )
            seconds = time.perf_counter() - began
            if done.returncode == 0:
                return _measured(Path(home), json.loads(done.stdout), seconds)
        print(done.stderr, file=sys.stderr)
    raise RuntimeError


def _measured(home: Path, facts: dict[str, Any], seconds: float) -> dict[str, Any]:
    content = json.loads(RunFolder(home, facts["run_id"]).evaluation_file.read_text())
    return {
        "seed": facts["seed"],
        "accuracy": content["accuracy"],
        "classes": content["class_accuracy"],
        "labels": facts["benchmark_only"]["label_accuracy"],
        "alarms": len(facts.get("student_check", {}).get("alarms", ())),
        "seconds": seconds,
    }


def commit_of(tree: Path) -> str:
    """The checked-out commit of a tree, short."""
    words = ["git", "-C", str(tree), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def measure(path: Path, name: str, tree: Path, config: Path, seeds: range) -> list[dict[str, Any]]:
    """The rows of a file with this one completed; runs that it holds of the same commit are not repeated."""
    rows = json.loads(path.read_text()) if path.exists() else []
    commit = commit_of(tree)
    row = next((old for old in rows if (old["name"], old["commit"]) == (name, commit)), None)
    if row is None:
        row = {"name": name, "commit": commit, "runs": []}
        rows = [*(old for old in rows if old["name"] != name), row]
    held = {run["seed"] for run in row["runs"]}
    for seed in (seed for seed in seeds if seed not in held):
        row["runs"].append(one_run(tree, config, seed))
        print(json.dumps(row["runs"][-1]), flush=True)
        path.write_text(json.dumps(rows, indent=1) + "\n")
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| demo | runs | student accuracy | standard deviation | lowest run | worst class, mean | worst class below "
        "chance | label accuracy * | alarms | seconds per run |",
        "|" + "---|" * 10,
    ]
    for row in rows:
        runs = row["runs"]
        accuracy = np.array([run["accuracy"] for run in runs])
        worst = np.array([min(run["classes"]) for run in runs])
        lines.append(
            f"| {row['name']} | {len(runs)} | **{accuracy.mean():.1%}** | {accuracy.std(ddof=1):.1%} "
            f"| {accuracy.min():.1%} | {worst.mean():.1%} | {int((worst < CHANCE).sum())} runs "
            f"| {np.mean([run['labels'] for run in runs]):.1%} | {sum(run['alarms'] > 0 for run in runs)} runs "
            f"| {np.median([run['seconds'] for run in runs]):.0f} |"
        )
    measured = "; ".join(
        f"{row['name']}: commit {row['commit']}, seeds {min(run['seed'] for run in row['runs'])} to "
        f"{max(run['seed'] for run in row['runs'])}"
        for row in rows
    )
    return "\n".join(
        [
            *lines,
            "",
            f"Fresh runs of `configs/digits.yaml`, each with another seed and other noise. Worst class: lowest "
            f"accuracy of a class in a run. Alarms: raised from released labels and the public pool alone. * known only "
            f"because digits is a public benchmark. {measured}. Measured on {machine()}, shared with other work.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="0 writes the table of the rows that are kept")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--config", type=Path, default=CONFIG, help="relative to the tree")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout that runs")
    parser.add_argument("--name", default="now", help="of the row")
    parser.add_argument("--rows", type=Path, required=True, help="JSON file of all rows")
    parser.add_argument("--readme", type=Path, help="write the table between its markers")
    asked = parser.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + asked.runs)
    rows = measure(asked.rows, asked.name, asked.tree.resolve(), asked.config, seeds)
    text = table(rows)
    print(text)
    if asked.readme:
        write(asked.readme, text, START, END)


if __name__ == "__main__":
    main()

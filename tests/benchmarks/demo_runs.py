"""Fresh runs of the demo: mean, standard deviation and worst class of the student's accuracy, and seconds.

    python tests/benchmarks/demo_runs.py --runs 20 --rows docs/reference/demo_runs.json --readme docs/reference/results.md

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


def one_run(tree: Path, home: Path, config: Path, seed: int) -> dict[str, Any]:
    """Accuracy, accuracy by class and seconds of one fresh run."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", str(config), "--seed", str(seed), "--json"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(done.stdout)
    content = json.loads(RunFolder(home, facts["run_id"]).evaluation_file.read_text())
    return {
        "seed": seed,
        "accuracy": content["accuracy"],
        "classes": content["class_accuracy"],
        "labels": facts["benchmark_only"]["label_accuracy"],
        "alarms": len(facts.get("student_check", {}).get("alarms", ())),
        "seconds": time.perf_counter() - began,
    }


def commit_of(tree: Path) -> str:
    """The checked-out commit of a tree, short."""
    words = ["git", "-C", str(tree), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def merged(path: Path | None, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a file with this one added, in the place of an earlier one of the same name."""
    rows = json.loads(path.read_text()) if path is not None and path.exists() else []
    names = [old["name"] for old in rows]
    if row["name"] in names:
        rows[names.index(row["name"])] = row
    else:
        rows.append(row)
    if path is not None:
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
    measured = "; ".join(f"{row['name']}: commit {row['commit']}, seeds {row['seeds']}" for row in rows)
    return "\n".join(
        [
            *lines,
            "",
            f"Fresh runs of `configs/digits.yaml`, each with another seed and other noise. Worst class: lowest accuracy "
            f"of a class in a run. Alarms: raised from released labels and the public pool alone. * known only because "
            f"digits is a public benchmark. {measured}. Measured on {machine()}, shared with other work.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--config", type=Path, default=CONFIG, help="relative to the tree")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout that runs")
    parser.add_argument("--name", default="now", help="of the row")
    parser.add_argument("--rows", type=Path, help="JSON file to merge the row into")
    parser.add_argument("--readme", type=Path, help="write the table between its markers")
    parser.add_argument("--table-only", action="store_true", help="write the table of the rows that are kept")
    asked = parser.parse_args()
    if asked.table_only:
        rows = json.loads(asked.rows.read_text())
    else:
        seeds = range(asked.first_seed, asked.first_seed + asked.runs)
        with tempfile.TemporaryDirectory() as home:
            runs = []
            for seed in seeds:
                runs.append(one_run(asked.tree.resolve(), Path(home), asked.config, seed))
                print(json.dumps(runs[-1]), flush=True)
        shown = f"{seeds[0]} to {seeds[-1]}"
        row = {"name": asked.name, "commit": commit_of(asked.tree), "seeds": shown, "runs": runs}
        rows = merged(asked.rows, row)
    text = table(rows)
    print(text)
    if asked.readme:
        write(asked.readme, text, START, END)


if __name__ == "__main__":
    main()

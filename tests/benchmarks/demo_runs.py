"""Fresh runs of the demo: mean, standard deviation and worst class of the student's accuracy, and seconds.

    python tests/benchmarks/demo_runs.py --rows docs/reference/demo_runs.json --table docs/reference/results.md \\
        --readme README.md --config configs/digits.yaml

Every run is that of ``pate run configs/digits.yaml`` with the next seed and noise of its own, so its labels differ from
those of every other run; ``pate sweep`` does them on one Ray. ``--tree`` runs the checkout of another commit, whose row
is kept beside the others.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pate.accounting.rounding import up
from pipelines.results.sweep import member_of
from pipelines.results.table import machine, write
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder

START, END = "<!-- demo: written by a benchmark -->", "<!-- end of demo -->"
ROOT = Path(__file__).parents[2]
CONFIG = Path("configs/digits.yaml")
CHANCE = 0.1
PARALLEL = ("--parallel", "2")


def runs_of(tree: Path, home: Path, count: int) -> list[dict[str, Any]]:
    """Accuracy, accuracy by class and seconds of fresh runs; those that ``home`` already holds are not repeated."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "sweep", str(CONFIG), "--seeds", str(count), *PARALLEL, "--json"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PATE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    found = [_measured(folder) for folder in Home(home).runs() if folder.summary_file.exists()]
    if done.returncode:
        print(f"{len(found)} of {count} runs are finished; the same command with --home goes on", file=sys.stderr)
    return sorted(found, key=lambda run: int(run["seed"]))


def _measured(folder: RunFolder) -> dict[str, Any]:
    content, member = json.loads(folder.evaluation_file.read_text()), member_of(folder)
    facts = member.facts.value
    return {
        "seed": member.seed,
        "accuracy": content["accuracy"],
        "classes": content["class_accuracy"],
        "epsilon": facts["epsilon"],
        "delta": facts["delta"],
        "labels": member.metrics.value.label_accuracy,
        "alarms": len(facts.get("student_check", {}).get("alarms", ())),
        "seconds": 60 * member.minutes,
    }


def commit_of(tree: Path) -> str:
    """The checked-out commit of a tree, short."""
    words = ["git", "-C", str(tree), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def merged(path: Path, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a file with this one, in the place of an earlier one of the same name."""
    rows = json.loads(path.read_text()) if path.exists() else []
    rows = [*(old for old in rows if old["name"] != row["name"]), row]
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
            f"accuracy of a class in a run. Alarms: from released labels and the public pool alone. * known only "
            f"because digits is a public benchmark. {measured}. Measured on {machine()}, shared with other work.",
        ]
    )


def sentence(row: dict[str, Any]) -> str:
    """The last row in words."""
    runs = row["runs"]
    accuracy = np.array([run["accuracy"] for run in runs])
    worst = np.array([min(run["classes"]) for run in runs])
    return (
        f"student {accuracy.mean():.0%} correct on average over {len(runs)} fresh runs (standard deviation "
        f"{accuracy.std(ddof=1):.0%}, lowest {accuracy.min():.0%}), its worst class {worst.mean():.0%}"
    )


def expected(row: dict[str, Any]) -> str:
    """The same in a line of the configuration."""
    cost = f"epsilon {up(row['runs'][0]['epsilon'])} at delta {row['runs'][0]['delta']:g}"
    return f"# Expected: {cost}; {sentence(row)}; under a minute on two cores."


def replace_in(path: Path, pattern: str, text: str) -> None:
    """Replace what stands where the pattern says."""
    old = path.read_text(encoding="utf-8")
    if not re.search(pattern, old, flags=re.MULTILINE):
        raise SystemExit(f"Expected {pattern!r} in {path.name}, got none; add it")
    path.write_text(re.sub(pattern, lambda _: text, old, count=1, flags=re.MULTILINE), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="0 takes the rows as they are")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout that runs")
    parser.add_argument("--home", type=Path, help="PATE_HOME of the runs, kept; without it they are removed")
    parser.add_argument("--name", default="now", help="of the row")
    parser.add_argument("--rows", type=Path, required=True, help="JSON file of all rows")
    parser.add_argument("--table", type=Path, help="write the table between its markers")
    parser.add_argument("--readme", type=Path, help="write the last row in words between its markers")
    parser.add_argument("--config", type=Path, help="write the same into the line that begins with # Expected:")
    asked = parser.parse_args()
    tree = asked.tree.resolve()
    if asked.runs:
        with tempfile.TemporaryDirectory() as temporary:
            runs = runs_of(tree, asked.home or Path(temporary), asked.runs)
        rows = merged(asked.rows, {"name": asked.name, "commit": commit_of(tree), "runs": runs})
    else:
        rows = json.loads(asked.rows.read_text())
    text = table(rows)
    print(text)
    if asked.table:
        write(asked.table, text, START, END)
    if asked.readme:
        replace_in(asked.readme, r"(?<=<!-- demo -->).*?(?=<!-- end of demo -->)", sentence(rows[-1]))
    if asked.config:
        replace_in(asked.config, r"^# Expected:.*$", expected(rows[-1]))


if __name__ == "__main__":
    main()

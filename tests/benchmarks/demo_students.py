"""Students of the demo on the same labels: the first fit alone, and begun again where it lost a class.

    python tests/benchmarks/demo_students.py --rows docs/reference/demo_students.json --table docs/reference/results.md

Teachers, votes, labels and student are those of configs/digits.yaml, seed by seed, in one process: without Ray, ledger
and report, and with noise rounded from a normal distribution. It takes a quarter of the time of ``demo_runs.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pate.randomness import derive_seed
from pate.student import LabeledPool, Student, evaluate, learning
from pate.student.check import check_student
from pate.teachers import train_bundle, vote
from pipelines.config.experiment import Config, load
from pipelines.data.sources import deal, load_study
from pipelines.results.table import machine, write
from pipelines.run.queries import choose_queries

START, END = "<!-- students: written by a benchmark -->", "<!-- end of students -->"
CONFIG = Path(__file__).parents[2] / "configs" / "digits.yaml"
CHANCE = 0.1
KINDS = {"one": "first fit alone", "now": "begun again where a class was lost"}


def released(config: Config, study: Any) -> np.ndarray:
    """Noisy labels of the asked inputs, -1 for the others. Shape ``[M]``."""
    parts, held = deal(config, study), study.held_here
    inputs, labels = np.array(held.features), np.array(held.labels_N)
    asked = np.array(choose_queries(config, study, None))
    votes = [
        vote(
            train_bundle(
                [(inputs[parts.rows(own)], labels[parts.rows(own)]) for own in bundle],
                teachers=bundle,
                model=config.teachers.model,
                train=config.teachers.training,
                input_shape=study.input_shape,
                classes=len(study.classes),
                seed=config.seed,
                strategy="fused",
            ),
            study.pool.inputs[asked],
            model=config.teachers.model,
            classes=len(study.classes),
        )
        for bundle in np.array_split(np.arange(config.partition.teachers), 2)
    ]
    counts = np.stack([(np.concatenate(votes) == own).sum(axis=0) for own in range(len(study.classes))], axis=1)
    noise = np.rint(np.random.default_rng().normal(0, config.labelling.mechanism.sigma, counts.shape))
    found = np.full(len(study.pool), -1, dtype=np.int64)
    found[asked] = (counts + noise).argmax(axis=1)
    return found


def one_seed(seed: int) -> dict[str, Any]:
    """Both students on the same labels."""
    config = load(CONFIG, {"seed": seed})
    study = load_study(config)
    labels = released(config, study)
    pool = LabeledPool.of(study.pool.inputs, labels, len(study.classes))
    learner, own = config.student.build(), derive_seed(seed, "student")

    def measured(student: Student, seconds: float) -> dict[str, Any]:
        found, check = (
            evaluate(student, study.evaluation.inputs, study.evaluation.labels_E),
            check_student(student, pool),
        )
        worst = {"worst": min(found.class_accuracy), "problems": check.problems, "lost": check.lost}
        return {"accuracy": found.accuracy, **worst, "fits": student.fits, "seconds": seconds}

    row: dict[str, Any] = {"seed": seed, "labels": float((labels == study.benchmark.pool_labels_M)[labels >= 0].mean())}
    tries = learning.TRIES
    for kind, most in (("one", 1), ("now", tries)):
        learning.TRIES, began = most, time.process_time()
        row[kind] = measured(learner.fit(pool, seed=own), time.process_time() - began)
    learning.TRIES = tries
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| student | seeds | accuracy | standard deviation | lowest | worst class, mean | worst class below chance "
        "| alarms | processor seconds |",
        "|" + "---|" * 9,
    ]
    for kind, name in KINDS.items():
        accuracy, worst = (np.array([row[kind][key] for row in rows]) for key in ("accuracy", "worst"))
        lines.append(
            f"| {name} | {len(rows)} | **{accuracy.mean():.1%}** | {accuracy.std(ddof=1):.1%} | {accuracy.min():.1%} "
            f"| {worst.mean():.1%} | {int((worst < CHANCE).sum())} | {sum(row[kind]['problems'] > 0 for row in rows)} "
            f"| {np.mean([row[kind]['seconds'] for row in rows]):.0f} |"
        )
    again = sum(row["now"]["fits"] > 1 for row in rows)
    seeds = sorted(row["seed"] for row in rows)
    return "\n".join(
        [
            *lines,
            "",
            f"Both students of a seed have the same labels, of which {np.mean([row['labels'] for row in rows]):.1%} "
            f"are correct; {again} of {len(rows)} were begun again. The first fit alone is the student of earlier "
            f"versions. Seeds {', '.join(map(str, seeds))}; on {machine()}, shared with other work.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 20), metavar=("FIRST", "END"))
    parser.add_argument("--rows", type=Path, required=True, help="JSON file; seeds that it holds are not repeated")
    parser.add_argument("--table", type=Path, help="write the table between its markers")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(asked.rows.read_text()) if asked.rows.exists() else []
    for seed in sorted(set(range(*asked.seeds)) - {row["seed"] for row in rows}):
        rows.append(one_seed(seed))
        print(json.dumps(rows[-1]), flush=True)
        asked.rows.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))
    if asked.table:
        write(asked.table, table(rows), START, END)


if __name__ == "__main__":
    main()

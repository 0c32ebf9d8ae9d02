"""What 1,000 teachers of 60 MNIST records know, and what the votes of 5,000 teachers cost a driver in memory.

    python tests/benchmarks/many_teachers.py --readme docs/reference/scaling.md

Teachers are those of configs/mnist_low_epsilon.yaml, heads on a representation that was learned from the public pool
alone, on rotation 5, a split for development. They vote on the whole pool, without noise and without a release: the
accuracies exist because MNIST is public.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from workload import CORES

from pate.values import BenchmarkOnly
from pate.votes import VoteMatrix
from pipelines.cluster.session import ray_session
from pipelines.config.experiment import Config, load
from pipelines.data.sources import deal, load_study
from pipelines.progress import Quiet
from pipelines.results.table import machine, write
from pipelines.run.features import encoded, fit_encoder
from pipelines.storage.run_folder import RunFolder
from pipelines.teachers.ensemble import Ensemble
from pipelines.teachers.holders import HeldHere
from pipelines.teachers.training import train_teachers
from pipelines.teachers.voting import collect_votes

START, END = "<!-- many teachers: written by a benchmark -->", "<!-- end of many teachers -->"
ROOT = Path(__file__).parents[2]
ROTATION = 5
TARGET = 0.96
VOTES = (5_000, 10_000)


def configuration(teachers: int, records: int, epochs: int | None) -> Config:
    """configs/mnist_low_epsilon.yaml on the split for development, with so many teachers."""
    data = {"source": "mnist", "data_id": "mnist-rotation-5", "rotation": ROTATION, "private": teachers * records}
    config = load(ROOT / "configs" / "mnist_low_epsilon.yaml", {"data": data, "partition": {"teachers": teachers}})
    if epochs is None:
        return config
    train = replace(config.features.train, epochs=epochs)
    return config.model_copy(update={"features": config.features.model_copy(update={"train": train})})


def knowledge(config: Config, folder: Path) -> BenchmarkOnly[dict[str, Any]]:
    """Accuracy of the plurality and of the mean teacher on the pool, and seconds."""
    study, store = load_study(config), RunFolder(folder, config.run_id)
    store.create()
    clock = [time.perf_counter()]
    encoder = fit_encoder(config, study, store, Quiet())
    clock.append(time.perf_counter())
    holder = HeldHere(study.held_here, deal(config, study))
    team = Ensemble(folder=store.private_folder("teachers"), config=config, study=study, holder=holder)
    with ray_session(num_cpus=CORES) as session:
        train_teachers(team, session, encoder=encoder)
        clock.append(time.perf_counter())
        inputs = encoded(study.pool.inputs, encoder)
        voted = collect_votes(store.private / "votes.npy", team, inputs, session)
    clock.append(time.perf_counter())
    votes = VoteMatrix.load(store.private / "votes.npy", len(study.classes), voted.sha256)
    return BenchmarkOnly(
        {
            **accuracies(votes, study.benchmark.pool_labels_M),
            "teachers": config.partition.teachers,
            "records": len(study.held_here) // config.partition.teachers,
            "passes": config.features.train.epochs,
            **dict(zip(("encoder_seconds", "training_seconds", "voting_seconds"), np.diff(clock), strict=True)),
        },
        study.benchmark.source,
    )


def accuracies(votes: VoteMatrix, truth_Q: np.ndarray) -> dict[str, float]:
    """Of the plurality, and of the teachers, who are wrong where they abstain."""
    counts_QC = votes.histogram().counts_QC
    top_Q2 = np.sort(counts_QC, axis=1)[:, -2:]
    right_T = [float((own == truth_Q).mean()) for own in votes.labels_TQ]
    return {
        "plurality": float((counts_QC.argmax(axis=1) == truth_Q).mean()),
        "mean_teacher": float(np.mean(right_T)),
        "median_gap": float(np.median(top_Q2[:, 1] - top_Q2[:, 0]) / len(right_T)),
    }


def memory(folder: Path, teachers: int, queries: int) -> dict[str, float]:
    """What a driver of its own held at most while so many votes passed through it."""
    words = [sys.executable, str(Path(__file__).with_name("voting_memory.py")), str(folder), str(teachers)]
    done = subprocess.run([*words, str(queries)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def table(known: dict[str, Any], held: dict[str, float], asked: tuple[int, int]) -> str:
    """Markdown."""
    gigabytes = held["peak_gib"] * 2**30 / 1e9
    return "\n".join(
        [
            "| MNIST teachers x records | plurality accuracy (target) | mean teacher accuracy | median gap | encoder "
            "| training | votes |",
            "|" + "---|" * 7,
            f"| {known['teachers']:,} x {known['records']} | **{known['plurality']:.1%}** ({TARGET:.0%}) "
            f"| {known['mean_teacher']:.1%} | {known['median_gap']:.2f} of the votes "
            f"| {known['encoder_seconds']:.0f} s | {known['training_seconds']:.0f} s "
            f"| {known['voting_seconds']:.0f} s |",
            "",
            f"On the 9,000 public images of rotation {ROTATION}, a split for development; without noise, and known "
            f"only because MNIST is public. Teachers as in `configs/mnist_low_epsilon.yaml`: heads on an encoder "
            f"trained on the public images alone, {known['passes']} passes; training time includes encoding every "
            f"record. Measured on {machine()}.",
            "",
            f"Votes of {asked[0]:,} teachers on {asked[1]:,} inputs: peak memory of the driver **{gigabytes:.2f} GB** "
            f"(target: below 1), {held['seconds']:.0f} s from the first question to the histograms, "
            f"{held['bytes'] / 1e6:.0f} MB on disk.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teachers", type=int, default=1_000)
    parser.add_argument("--records", type=int, default=60)
    parser.add_argument("--epochs", type=int, help="of the encoder, to try the benchmark; default: the configuration's")
    parser.add_argument("--votes", type=int, nargs=2, default=VOTES, metavar=("TEACHERS", "QUERIES"))
    parser.add_argument("--readme", type=Path, help="write the table between its markers")
    parser.add_argument("--json", type=Path, help="write the measurements")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        known = knowledge(configuration(asked.teachers, asked.records, asked.epochs), Path(first)).value
        print(json.dumps(known), flush=True)
        held = memory(Path(second), *asked.votes)
    text = table(known, held, tuple(asked.votes))
    print(text)
    if asked.json:
        asked.json.write_text(json.dumps({**known, **held}, indent=1) + "\n")
    if asked.readme:
        write(asked.readme, text, START, END)


if __name__ == "__main__":
    main()

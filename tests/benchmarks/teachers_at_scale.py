"""Teachers a second against a plain PyTorch loop, as a table in the documentation.

    python tests/benchmarks/teachers_at_scale.py --readme docs/reference/scaling.md

Every way trains the same models from the same weights on the same batches. The plain loop runs on all teachers with
PyTorch's own number of threads, for at least the given seconds, and so does Ray, whose start-up counts; one process,
sequential and fused, is timed on as many bundles as fit into a tenth of that.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import replace
from pathlib import Path

import torch
from workload import CORES, DEVICE, Workload, agreement, bundle, on_ray, plain_loop, warm_ray

from pipelines.results.table import machine, write

START, END = "<!-- teachers at scale: written by a benchmark -->", "<!-- end of teachers at scale -->"
WORKLOADS = [
    Workload(kind=kind, teachers=teachers, records=records, bundle=size)
    for teachers, records, size in ((250, 240, 25), (1000, 60, 50))
    for kind in ("logistic", "mlp", "cnn")
]
TARGETS = (
    {"logistic": 2.0, "mlp": 1.5, "cnn": 1.3} if DEVICE == "cpu" else dict.fromkeys(("logistic", "mlp", "cnn"), 20.0)
)
NAMES = {"logistic": "linear head, 256 features", "mlp": "MLP 784-128-10", "cnn": "CNN 16-32, 28x28"}


def measure(work: Workload, seconds: float) -> dict[str, object]:
    """One row."""
    parts = work.partitions(work.teachers)
    epochs = _epochs(work, parts, seconds)
    started = time.perf_counter()
    plain = plain_loop(work, parts, epochs)
    reference = time.perf_counter() - started
    one_process = {name: _rate(work, parts, epochs, name, seconds / 10) for name in ("sequential", "fused")}
    with warm_ray(CORES) as (session, startup):
        ray = on_ray(session, work, parts, epochs, CORES)
    total = startup + ray.seconds
    return {
        "kind": work.kind,
        "teachers": work.teachers,
        "records": work.records,
        "epochs": epochs,
        "plain_seconds": reference,
        "plain": work.teachers / reference,
        **one_process,
        "ray": work.teachers / total,
        "ray_startup": startup,
        "overhead": ray.overhead,
        "speed_up": reference / total,
        "strategy": work.rule,
        "same_votes": agreement(work, plain, ray.first),
    }


def _epochs(work: Workload, parts: list, seconds: float) -> int:
    """Passes for which the plain loop should take so long; a tenth is added."""
    few = parts[:4]
    tries = []
    for _ in range(3):
        started = time.perf_counter()
        plain_loop(work, few, 3)
        tries.append(time.perf_counter() - started)
    pass_seconds = min(tries) / (3 * len(few)) * work.teachers
    return max(1, math.ceil(1.1 * seconds / pass_seconds))


def _rate(work: Workload, parts: list, epochs: int, strategy: str, seconds: float) -> float:
    """Teachers a second in this process, on whole bundles until the time is up."""
    done, started = 0, time.perf_counter()
    for teachers in work.bundles(parts):
        bundle(work, [parts[teacher] for teacher in teachers], teachers, epochs, strategy, DEVICE)
        done += len(teachers)
        if time.perf_counter() - started > seconds:
            break
    return done / (time.perf_counter() - started)


def table(rows: list[dict], load: tuple[float, float]) -> str:
    lines = [
        "| teachers x records | model | passes | plain loop | one process, sequential | one process, fused | "
        f"Ray, {CORES} workers, start-up included | speed-up over the loop (target) | Ray overhead | same votes |",
        "|" + "---|" * 10,
    ]
    for row in rows:
        lines.append(
            f"| {row['teachers']:,} x {row['records']} | {NAMES[row['kind']]} | {row['epochs']} "
            f"| {row['plain']:.1f}/s in {row['plain_seconds']:.0f} s | {row['sequential']:.1f}/s "
            f"| {row['fused']:.1f}/s | {row['ray']:.1f}/s, {row['strategy']} "
            f"| **{row['speed_up']:.1f} times** ({TARGETS[row['kind']]:g}) "
            f"| {row['overhead']:.0%} | {row['same_votes']:.1%} |"
        )
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else "no GPU"
    lines += [
        "",
        f"Teachers a second, measured in one run on {machine()}, {where}; other work on the machine: load average "
        f"{load[0]:.1f} before, {load[1]:.1f} after. The plain loop trains one PyTorch model at a time with "
        f"{torch.get_num_threads()} threads. Ray overhead: time that its workers do not spend on training, as a "
        "fraction of training time. Same votes: fraction of votes on 500 new records that agree with the plain loop's "
        "models.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="work of the plain loop, at least")
    parser.add_argument("--kinds", nargs="+", default=["logistic", "mlp", "cnn"])
    parser.add_argument("--teachers", type=int, help="instead of 250 and 1,000, to try the benchmark")
    parser.add_argument("--readme", type=Path, help="write the table between its markers")
    parser.add_argument("--json", type=Path, help="write the measurements")
    asked = parser.parse_args()
    before, rows = os.getloadavg()[0], []
    for listed in WORKLOADS:
        if listed.kind not in asked.kinds:
            continue
        rows.append(measure(replace(listed, teachers=asked.teachers or listed.teachers), asked.seconds))
        print(json.dumps(rows[-1]), flush=True)
        text = table(rows, (before, os.getloadavg()[0]))
        if asked.json:
            asked.json.write_text(json.dumps(rows, indent=1) + "\n")
        if asked.readme:  # after each row, so that a run that is cut short has shown something
            write(asked.readme, text, START, END)
    print(text)


if __name__ == "__main__":
    main()

"""How training time grows with teachers and workers, as a table and a picture, and what that predicts.

    python tests/benchmarks/scaling_curve.py --readme docs/reference/scaling.md --plot docs/reference/scaling.svg

Linear heads on 256 features, 60 records each, bundles of at most 50 on a warm Ray. The model of the measured seconds
has three terms: ``seconds = a + b T / w + c T`` for T teachers on w workers, where b is the training that workers
share and c what is done for each teacher one after the other, at the driver.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from scipy.optimize import nnls
from workload import DEVICE, Workload, on_ray, warm_ray

from pipelines.results.table import machine, write

mpl.use("Agg")
START, END = "<!-- scaling: written by a benchmark -->", "<!-- end of scaling -->"
TEACHERS = (50, 150, 500, 1500, 5000)
WORKERS = (1, 2)
HEAD = Workload(kind="logistic", teachers=0, records=60, bundle=50)
GAINS = (1, 5, 20)
GPUS = 16


def measure(teachers: tuple[int, ...], epochs: int) -> list[dict]:
    """Seconds for each number of teachers and workers."""
    rows = []
    parts = HEAD.partitions(max(teachers))
    for workers in WORKERS:
        with warm_ray(workers) as (session, startup):
            for count in teachers:
                work = replace(HEAD, teachers=count, bundle=min(HEAD.bundle, -(-count // workers)))
                found = on_ray(session, work, parts[:count], epochs, workers)
                row = {"workers": workers, "teachers": count, "seconds": found.seconds, "busy": found.busy}
                rows.append({**row, "overhead": found.overhead, "startup": startup})
                print(json.dumps(rows[-1]), flush=True)
    return rows


def fit(rows: list[dict]) -> tuple[float, float, float]:
    """``b`` is measured inside the tasks; ``a`` and ``c``, not negative, by least squares of relative errors."""
    b = sum(row["busy"] for row in rows) / sum(row["teachers"] for row in rows)
    seconds, teachers = (np.array([row[name] for row in rows], dtype=float) for name in ("seconds", "teachers"))
    workers = np.array([row["workers"] for row in rows])
    terms = np.stack([np.ones(len(rows)), teachers], axis=1)
    (a, c), _ = nnls(terms / seconds[:, None], (seconds - b * teachers / workers) / seconds)
    return float(a), float(b), float(c)


def predict(model: tuple[float, float, float], teachers: int, workers: int, gain: float) -> float:
    """Seconds if each worker is ``gain`` times as fast as a measured one, and the driver is not."""
    a, b, c = model
    return a + b * teachers / workers / gain + c * teachers


def table(rows: list[dict], epochs: int, load: tuple[float, float]) -> str:
    counts = sorted({row["teachers"] for row in rows})
    lines = ["| workers, start-up | " + " | ".join(f"{count:,} teachers" for count in counts) + " |"]
    lines.append("|---|" + "---|" * len(counts))
    for workers in WORKERS:
        own = [row for row in rows if row["workers"] == workers]
        cells = [f"{row['seconds']:.1f} s ({row['overhead']:.0%})" for row in own]
        lines.append(f"| {workers}, {own[0]['startup']:.0f} s | " + " | ".join(cells) + " |")
    model = fit(rows)
    a, b, c = model
    most = max(counts)
    guesses = ", ".join(f"{predict(model, most, GPUS, gain):.1f} s at {gain} times" for gain in GAINS)
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else "no GPU"
    lines += [
        "",
        f"Seconds to train linear heads (256 features, 60 records each, {epochs} passes) on a running Ray cluster; in "
        "brackets, the overhead of its workers as a fraction of training time. Measured in one run on "
        f"{machine()}, {where}, load average {load[0]:.1f} before and {load[1]:.1f} after. Fitted (the second "
        "term is measured inside the tasks): "
        f"seconds = {a:.2f} + {1000 * b:.2f} ms x teachers / workers + {1000 * c:.3f} ms x teachers.",
        "",
        f"**A prediction, not a measurement:** {most:,} such teachers on {GPUS} GPUs, one worker each, take {guesses} "
        "the speed of one measured worker. Assumed: the fitted form holds beyond the measured workers, a GPU speeds up "
        "training alone, and the driver's time per teacher does not change. That time, which no number of GPUs "
        "removes, is spent on shipping records to the workers; teachers that are trained at the sites avoid it.",
    ]
    return "\n".join(lines)


def draw(path: Path, rows: list[dict]) -> None:
    """Measured points, the fitted model, and its prediction."""
    from matplotlib import pyplot

    model = fit(rows)
    counts = np.geomspace(min(row["teachers"] for row in rows), max(row["teachers"] for row in rows), 50)
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for workers, marker in zip(WORKERS, "os", strict=True):
        own = [row for row in rows if row["workers"] == workers]
        axes.plot([row["teachers"] for row in own], [row["seconds"] for row in own], marker, color="black",
                  fillstyle="none" if workers == 1 else "full", label=f"measured, workers: {workers}")  # fmt: skip
        axes.plot(counts, [predict(model, count, workers, 1) for count in counts], "-", color="black", linewidth=0.8)
    for gain, style in zip(GAINS, ("--", "-.", ":"), strict=True):
        label = f"predicted, {GPUS} GPUs, each {gain} x a worker"
        axes.plot(counts, [predict(model, count, GPUS, gain) for count in counts], style, color="black", label=label)
    axes.set(xscale="log", yscale="log", xlabel="teachers", ylabel="seconds of training, Ray being up")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    mpl.rcParams["svg.hashsalt"] = "pate"
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--teachers", type=int, nargs="+", default=TEACHERS)
    parser.add_argument("--readme", type=Path, help="write the table between its markers")
    parser.add_argument("--plot", type=Path, help="write the picture, .svg or .png")
    parser.add_argument("--json", type=Path, help="write the measurements")
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    rows = measure(tuple(asked.teachers), asked.epochs)
    text = table(rows, asked.epochs, (before, os.getloadavg()[0]))
    print(text)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")
    if asked.plot:
        draw(asked.plot, rows)
    if asked.readme:
        picture = (
            ""
            if asked.plot is None
            else f"\n\n![seconds against teachers]({os.path.relpath(asked.plot, asked.readme.parent)})"
        )
        write(asked.readme, text + picture, START, END)


if __name__ == "__main__":
    main()

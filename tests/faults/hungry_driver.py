"""``pate run`` whose bundle of teacher 2 eats the node's memory while it trains, as often as it is told.

    python hungry_driver.py CONFIG TIMES TRACE

The function travels to the workers with its task. TRACE gets a line when a training begins and when it ends.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pipelines.cli import app
from pipelines.teachers import training

CONFIG, TIMES, TRACE = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
HUNGRY = 2
MOST = 8 * 2**30


def train_hungrily(times: int, trace: Path, hungry: int, most: int, **arguments: Any) -> Any:
    """Train a bundle, after taking memory that is never given back."""
    from threading import Thread

    import numpy as np

    from pipelines.teachers.bundles import train_and_keep

    if hungry not in arguments["teachers"]:
        return train_and_keep(**arguments)
    began = trace.read_text().count("began") if trace.exists() else 0
    with trace.open("a") as file:
        file.write("began\n")
    eaten: list[Any] = []

    def eat() -> None:
        piece = 2**26
        while len(eaten) * piece < most:
            eaten.append(np.ones(piece, dtype=np.uint8))

    if began < times:
        eating = Thread(target=eat, daemon=True)
        eating.start()
        eating.join()  # the node's monitor ends this process before; else training might be over first
    found = train_and_keep(**arguments)
    with trace.open("a") as file:
        file.write("ended\n")
    return found


def trained(**arguments: Any) -> Any:
    return train_hungrily(TIMES, TRACE, HUNGRY, MOST, **arguments)


if __name__ == "__main__":
    training.train_and_keep = trained
    sys.exit(app.run(["run", CONFIG, "--quiet"]))

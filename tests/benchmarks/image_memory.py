"""Private images are read, fingerprinted and dealt to teachers, and the process says how much memory it ever held.

    python image_memory.py FOLDER IMAGES

Few different files stand under many names: memory depends on the number of names and the size of images.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pate.data import partition
from pate.data.body import Split
from pate.data.files.images import ImageSource, Pixels, image_study
from pipelines.data.fingerprints import fingerprint_with_positions
from pipelines.teachers.holders import HeldHere

SIDE, DIFFERENT, TEACHERS = 224, 50, 100


def peak_mib() -> float:
    """Most memory that this process held."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**10


def write(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / ("ill", "well")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DIFFERENT:
            coarse = Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8))
            coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
        else:
            os.link(folder / ("ill", "well")[number % 2] / f"{number % DIFFERENT}.jpg", path)
    return folder


def main(folder: Path, count: int) -> None:
    private, public = write(folder / "private", count), write(folder / "public", 40)
    told: list[int] = []
    before, started = peak_mib(), time.perf_counter()
    study = image_study(
        task="t",
        classes=("ill", "well"),
        private=(ImageSource(path=private),),
        pool=(ImageSource(path=public),),
        evaluation=(),
        pixels=Pixels(height=SIDE, width=SIDE, channels=1),
        split=Split(),
        sizes=(20, 20),
        on_done=told.append,
    )
    seconds = time.perf_counter() - started
    records = study.held_here
    print(fingerprint_with_positions(records), file=sys.stderr)
    known = sum(1 for _ in records.known_by())
    parts = partition(records, teachers=TEACHERS, by="random", seed=0, equal_records="different_units")
    holder = HeldHere(records, parts)
    (one,) = holder.source([0]).load()
    found = {"images": count, "before_mib": before, "peak_mib": peak_mib(), "seconds": seconds, "known": known}
    print(json.dumps({**found, "of_teacher_0": len(one[0]), "hundredths": sum(told)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""5,000 teachers vote on 10,000 inputs, and the driver says how much memory it ever held.

    python voting_memory.py FOLDER TEACHERS QUERIES

One record each and one update: what is measured is the way of the votes, not the training.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from pate.data import EvaluationSet, PrivateRecords, PublicPool, Study, partition
from pate.votes import VoteMatrix
from pipelines.cluster.session import ray_session
from pipelines.config.experiment import load
from pipelines.teachers.ensemble import Ensemble
from pipelines.teachers.holders import HeldHere
from pipelines.teachers.training import train_teachers
from pipelines.teachers.voting import collect_votes

CLASSES, FEATURES = 10, 16
CONFIG = """
name: memory
data: {source: digits, data_id: digits, pool: 100}
partition: {teachers: TEACHERS}
privacy: {epsilon: 500, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 1}, bundle_size: 250}
labelling: {max_asked: 10, mechanism: {kind: gnmax, sigma: 40}}
student: {learner: supervised, spec: {model: {kind: mlp}, train: {steps: 1}}}
"""


def peak_gib() -> float:
    """Most memory that this process held; ``getrusage`` would begin with what its parent held when it started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def main(folder: Path, teachers: int, queries: int) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("TEACHERS", str(teachers)))
    config, rng = load(folder / "config.yaml"), np.random.default_rng(0)
    inputs = rng.normal(size=(queries, FEATURES)).astype(np.float32)
    records = PrivateRecords(
        features=rng.normal(size=(teachers, FEATURES)).astype(np.float32),
        labels_N=rng.integers(0, CLASSES, teachers),
    )
    study = Study(
        task="memory",
        classes=tuple(str(name) for name in range(CLASSES)),
        private=records,
        pool=PublicPool(inputs=inputs),
        evaluation=EvaluationSet(inputs=inputs[:10], labels_E=np.zeros(10, dtype=np.int64)),
    )
    holder = HeldHere(records, partition(records, teachers=teachers, by="random", seed=0))
    (folder / "teachers").mkdir()
    ensemble = Ensemble(folder=folder / "teachers", config=config, study=study, holder=holder)
    with ray_session(num_cpus=2) as session:
        train_teachers(ensemble, session)
        started = time.perf_counter()
        voted = collect_votes(folder / "votes.npy", ensemble, inputs, session)
    histogram = VoteMatrix.load(folder / "votes.npy", CLASSES, voted.sha256).histogram()
    seconds = time.perf_counter() - started
    votes = int(histogram.counts_QC.sum())
    print(
        json.dumps(
            {"peak_gib": peak_gib(), "seconds": seconds, "votes": votes, "bytes": (folder / "votes.npy").stat().st_size}
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

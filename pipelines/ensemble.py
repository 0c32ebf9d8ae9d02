"""The ensemble on Ray: a plan written before training, bundles trained and kept, votes collected."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.data import Partition, Study
from pate.errors import InputError
from pate.features import PackedEncoder
from pate.teachers import BundleWeights, train_bundle, vote
from pate.votes import VoteArray, VoteMatrix
from pipelines.config import Config
from pipelines.ray_runtime import RaySession
from pipelines.ray_tasks import Job
from pipelines.store import file_hash, write_atomically

MLP_KINDS = ("logistic", "mlp")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides the teachers, fixed before the first is trained, so that a retried task gives the same.

    Attributes:
        bundles: numbers of the teachers of each task.
        strategy: ``sequential`` or ``fused``.
        threads: torch threads in a task.
        device: ``cpu`` or ``cuda``.
    """

    bundles: list[list[int]]
    strategy: str
    threads: int
    device: str


def make_plan(config: Config, session: RaySession) -> Plan:
    """Choose bundles, strategy, threads and device from the configuration and the machine.

    Fused training wins for linear models and MLPs, one model after the other for convolutions on a CPU.
    """
    device = "cuda" if config.teachers.num_gpus > 0 and session.gpus > 0 else "cpu"
    strategy = config.teachers.strategy
    if strategy == "auto":
        strategy = "fused" if config.teachers.model.kind in MLP_KINDS else "sequential"
    count, size = config.partition.teachers, config.teachers.bundle_size
    bundles = [list(range(first, min(first + size, count))) for first in range(0, count, size)]
    return Plan(bundles=bundles, strategy=strategy, threads=max(1, int(config.teachers.num_cpus)), device=device)


def load_or_write_plan(folder: Path, config: Config, session: RaySession) -> Plan:
    """The plan of this run: the one on disk if training was begun before."""
    path = folder / "plan.json"
    if not path.exists():
        write_atomically(path, json.dumps(asdict(make_plan(config, session))))
    return Plan(**json.loads(path.read_text()))


def train_teachers(
    folder: Path,
    config: Config,
    study: Study,
    parts: Partition,
    session: RaySession,
    on_done: Callable[[int], None],
    encoder: PackedEncoder | None = None,
) -> list[Path]:
    """Train the bundles that are not on disk yet; returns the weight files, in order."""
    shared = None if encoder is None else session.share(encoder)
    plan = load_or_write_plan(folder, config, session)
    files = [folder / f"bundle-{number:04d}.safetensors" for number in range(len(plan.bundles))]
    missing = [number for number, file in enumerate(files) if not _is_whole(file)]
    on_done(sum(len(plan.bundles[number]) for number in set(range(len(files))) - set(missing)))
    jobs = [_training_job(config, study, parts, plan, number, shared) for number in missing]
    for position, weights in session.run(
        jobs, num_cpus=config.teachers.num_cpus, **_gpus(config, plan), threads=plan.threads
    ):
        number = missing[position]
        write_atomically(files[number], weights.content)
        write_atomically(_hash_file(files[number]), weights.sha256)
        on_done(len(plan.bundles[number]))
    return files


def collect_votes(
    files: list[Path], config: Config, study: Study, inputs: Any, session: RaySession, on_done: Callable[[int], None]
) -> VoteMatrix:
    """One vote of each teacher on each input. Shape of the matrix ``[T, Q]``."""
    plan = Plan(**json.loads((files[0].parent / "plan.json").read_text()))
    shared = session.share(inputs)
    jobs = [
        Job(
            name=f"vote-{number:04d}",
            function=vote,
            arguments={
                "weights": _read_weights(file),
                "inputs": shared,
                "model": config.teachers.model,
                "classes": len(study.classes),
                "device": plan.device,
            },
        )
        for number, file in enumerate(files)
    ]
    labels_TQ: VoteArray = np.full((config.partition.teachers, len(inputs)), -1, dtype=np.int16)
    for position, votes in session.run(
        jobs, num_cpus=config.teachers.num_cpus, **_gpus(config, plan), threads=plan.threads
    ):
        labels_TQ[plan.bundles[position]] = votes
        on_done(len(plan.bundles[position]))
    return VoteMatrix.collect(labels_TQ, classes=len(study.classes))


def _training_job(config: Config, study: Study, parts: Partition, plan: Plan, number: int, encoder: Any) -> Job:
    """A task gets the records of its own teachers and no others."""
    teachers = plan.bundles[number]
    rows, private = [parts.rows(teacher) for teacher in teachers], study.held_here
    return Job(
        name=f"train-{number:04d}",
        function=train_bundle,
        arguments={
            "partitions": [(private.features[row], private.labels_N[row]) for row in rows],
            "teachers": teachers,
            "model": config.teachers.model,
            "train": config.teachers.training,
            "input_shape": study.input_shape,
            "classes": len(study.classes),
            "seed": config.seed,
            "device": plan.device,
            "strategy": plan.strategy,
            "encoder": encoder,
        },
    )


def _gpus(config: Config, plan: Plan) -> dict[str, float]:
    return {"num_gpus": config.teachers.num_gpus if plan.device == "cuda" else 0.0}


def _hash_file(weights: Path) -> Path:
    return weights.with_suffix(".sha256")


def _is_whole(weights: Path) -> bool:
    """Both files are there and agree; a bundle interrupted between them is trained again."""
    recorded = _hash_file(weights)
    return weights.exists() and recorded.exists() and file_hash(weights) == recorded.read_text()


def _read_weights(weights: Path) -> BundleWeights:
    try:
        return BundleWeights(content=weights.read_bytes(), sha256=_hash_file(weights).read_text())
    except OSError as error:
        raise InputError(
            "Expected the teachers' weights in the run's private folder, got none; restore it or start a new run",
            private_detail=str(error),
        ) from error

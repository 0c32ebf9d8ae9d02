"""What the measurements of teachers at scale train, in the ways that are compared."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pate.models import ModelSpec, TrainSpec, build
from pate.models.batches import shuffled_batches
from pate.models.dense_stack import best_strategy
from pate.models.specs import Strategy
from pate.randomness import derive_seed, generator
from pate.teachers import BundleWeights, train_bundle
from pate.teachers.weights import unpack
from pipelines.cluster.job import Job
from pipelines.cluster.session import RaySession, ray_session

CLASSES = 10
CORES = len(os.sched_getaffinity(0))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Partition = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """An ensemble: images of 28x28 with the noise of ten classes, or 256 features, as an encoder gives them."""

    kind: str
    teachers: int
    records: int
    bundle: int

    @property
    def model(self) -> ModelSpec:
        return ModelSpec(kind=self.kind, hidden={"logistic": None, "mlp": (128,), "cnn": (16, 32)}[self.kind])

    @property
    def shape(self) -> tuple[int, ...]:
        return (256,) if self.kind == "logistic" else (1, 28, 28)

    @property
    def rule(self) -> Strategy:
        """How pate trains it unless told otherwise."""
        return best_strategy(self.kind, DEVICE)

    def train(self, epochs: int) -> TrainSpec:
        return TrainSpec(epochs=epochs, batch_size=32, learning_rate=0.003, weight_decay=0.01, schedule="constant")

    def partitions(self, count: int, first: int = 0) -> list[Partition]:
        """Records of teachers ``first`` to ``first + count``."""
        means = generator(0, "means").normal(size=(CLASSES, *self.shape)).astype(np.float32) / 4
        found = []
        for teacher in range(first, first + count):
            rng = generator(0, "records", teacher)
            labels = rng.integers(0, CLASSES, self.records)
            noise = rng.standard_normal((self.records, *self.shape), dtype=np.float32)
            found.append((means[labels] + noise, labels))
        return found

    def bundles(self, parts: Sequence[Partition]) -> list[list[int]]:
        return [list(range(i, min(i + self.bundle, len(parts)))) for i in range(0, len(parts), self.bundle)]


def plain_loop(work: Workload, parts: Sequence[Partition], epochs: int) -> list[nn.Module]:
    """One PyTorch model at a time, as a textbook writes it; same initial weights and batches as pate's."""
    found = []
    spec = work.train(epochs)
    for teacher, (inputs, labels) in enumerate(parts):
        seed = derive_seed(0, "teacher", teacher)
        network = textbook(work).to(DEVICE)
        start = build(work.model, work.shape, CLASSES, derive_seed(seed, "weights"))
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), start.parameters(), strict=True):
                parameter.copy_(value)
        optimiser = torch.optim.AdamW(network.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay)
        x, y = torch.from_numpy(inputs).to(DEVICE), torch.from_numpy(labels).to(DEVICE)
        for batch in shuffled_batches(len(y), spec.batch_size, spec.updates(len(y)), derive_seed(seed, "batches")):
            index = batch.to(DEVICE)
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[index]), y[index]).backward()
            optimiser.step()
        found.append(network.cpu().eval())
    return found


def textbook(work: Workload) -> nn.Module:
    """The network in plain layers."""
    match work.kind:
        case "logistic":
            return nn.Sequential(nn.Linear(256, CLASSES))
        case "mlp":
            return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, CLASSES))
        case _:
            return nn.Sequential(
                nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(2, 16), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.MaxPool2d(2),
                nn.Flatten(), nn.Linear(32 * 7 * 7, CLASSES),
            )  # fmt: skip


def bundle(
    work: Workload, parts: Sequence[Partition], teachers: Sequence[int], epochs: int, strategy: Strategy, device: str
) -> tuple[BundleWeights, float]:
    """Weights of a bundle, and the seconds that training took."""
    started = time.perf_counter()
    weights = train_bundle(
        parts, teachers=teachers, model=work.model, train=work.train(epochs), input_shape=work.shape,
        classes=CLASSES, seed=0, device=device, strategy=strategy,
    )  # fmt: skip
    return weights, time.perf_counter() - started


@contextmanager
def warm_ray(workers: int) -> Iterator[tuple[RaySession, float]]:
    """A Ray whose workers have loaded torch, and the seconds until then."""
    started = time.perf_counter()
    with ray_session(num_cpus=workers) as session:
        tiny = Workload(kind="logistic", teachers=1, records=4, bundle=1)
        parts = tiny.partitions(1)
        jobs = [_job(tiny, parts, [0], 1, DEVICE, number) for number in range(workers)]
        for _ in session.run(jobs, num_cpus=1, **_gpus(workers)):
            pass
        yield session, time.perf_counter() - started


def on_ray(session: RaySession, work: Workload, parts: Sequence[Partition], epochs: int, workers: int) -> OnRay:
    """Train all bundles on a warm Ray."""
    started = time.perf_counter()
    jobs = [
        _job(work, [parts[teacher] for teacher in teachers], teachers, epochs, DEVICE, number)
        for number, teachers in enumerate(work.bundles(parts))
    ]
    busy, first = 0.0, None
    for position, (weights, seconds) in session.run(jobs, num_cpus=1, **_gpus(workers)):
        busy += seconds
        first = weights if position == 0 else first
    return OnRay(seconds=time.perf_counter() - started, busy=busy, workers=workers, first=first)


@dataclass(frozen=True, kw_only=True)
class OnRay:
    """Seconds from the first task sent to the last result, seconds inside training, weights of the first bundle."""

    seconds: float
    busy: float
    workers: int
    first: BundleWeights

    @property
    def overhead(self) -> float:
        """What the workers spent on anything but training, as a part of training."""
        return self.seconds * self.workers / self.busy - 1


def agreement(work: Workload, plain: Sequence[nn.Module], weights: BundleWeights) -> float:
    """Part of the votes on 500 new records that are those of the plain loop's models."""
    (inputs, _), *_ = Workload(kind=work.kind, teachers=1, records=500, bundle=1).partitions(1, first=10**6)
    probe = torch.from_numpy(inputs)
    ours = unpack(weights, work.model, work.shape, CLASSES)
    same = [
        (ours[teacher](probe).argmax(1) == network(probe).argmax(1)).float().mean()
        for teacher, network in enumerate(plain)
        if teacher in ours
    ]
    return float(torch.stack(same).mean())


def _job(work: Workload, parts: list[Partition], teachers: list[int], epochs: int, device: str, number: int) -> Job:
    arguments = {
        "work": work, "parts": parts, "teachers": teachers, "epochs": epochs, "strategy": work.rule, "device": device,
    }  # fmt: skip
    return Job(name=f"train-{number:04d}", function=bundle, arguments=arguments)


def _gpus(workers: int) -> dict[str, float]:
    return {"num_gpus": 1 / workers if DEVICE == "cuda" else 0.0}

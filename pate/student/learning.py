"""The training loop that every learner of networks shares."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias, final

import numpy as np
import torch
from torch import Tensor, nn

from pate.features.encoder import Encoder, copy_body
from pate.models.architectures import build
from pate.models.batches import shuffled_batches
from pate.models.training import optimiser_of, set_rate
from pate.randomness import derive_seed
from pate.student.check import check_student
from pate.student.ema import MovingAverage
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec
from pate.student.student import CurvePoint, Student

OnProgress: TypeAlias = Callable[[CurvePoint], None]


class Batch(NamedTuple):
    """One update's data: labelled inputs ``[B, *shape]``, labels ``[B]``, unlabelled inputs ``[U, *shape]``."""

    inputs: Tensor
    labels: Tensor
    unlabelled: Tensor
    progress: float
    """Fraction of updates done, in [0, 1)."""


BatchLoss: TypeAlias = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""(network, batch) -> loss, and the fraction of the unlabelled inputs that entered it."""


class Objective(NamedTuple):
    """Loss of a learner, over labelled batches and batches of the whole pool."""

    loss: BatchLoss
    unlabelled_ratio: int
    """Unlabelled inputs per labelled one in a batch; 0 for none."""


TRIES = 3
"""Fits before a student with a problem that the pool shows is accepted."""
_SAME = 1e-6


ObjectiveOf: TypeAlias = Callable[[LabeledPool, int, str | torch.device], Objective]
"""(pool, seed of the fit, device) -> objective of that fit."""
RecipeOf: TypeAlias = Callable[[int], tuple[StudentSpec, ObjectiveOf]]
"""Number of the fit, from 0 -> its settings and its objective."""


def fit_network(
    pool: LabeledPool,
    recipe_of: RecipeOf,
    *,
    seed: int,
    device: str | torch.device,
    on_progress: OnProgress | None,
    start: Encoder | None,
) -> Student:
    """Train a student; see ``pate.student.learners.NetworkLearner.fit``.

    Few labels and a robust loss, whose gradient vanishes where the network is confident, can end in a student that
    never predicts a class, or gives every input the same answer. That is detected on the pool and the released labels
    alone, and the fit begins again from other initial weights. If no fit is free of problems, the one that loses the
    fewest labels is the student, the earliest of equals.
    """
    found: list[tuple[tuple[bool, int, int], Student]] = []
    for attempt in range(TRIES):
        own = derive_seed(seed, "again", attempt) if attempt else seed
        spec, objective_of = recipe_of(attempt)
        student = _fit(pool, spec, objective_of(pool, own, device), own, device, on_progress, start)
        check = check_student(student, pool)
        found.append(((_tells_nothing_apart(student, pool), check.lost, check.problems), student))
        if not any(found[-1][0][:2]):
            break
    _, best = min(found, key=lambda own: own[0])
    return replace(best, fits=len(found))


def _tells_nothing_apart(student: Student, pool: LabeledPool) -> bool:
    """Return ``True`` if all predictions are equal, or none is a number, although the labels differ."""
    inputs, labels = pool.labelled()
    proba_LC = student.predict_proba(inputs)
    return bool(labels.min() < labels.max()) and not np.ptp(proba_LC, axis=0).max() > _SAME


def _fit(
    pool: LabeledPool,
    spec: StudentSpec,
    objective: Objective,
    seed: int,
    device: str | torch.device,
    on_progress: OnProgress | None,
    start: Encoder | None,
) -> Student:
    taught, held_out = pool.split(spec.held_out, seed)
    network = build(spec.model, pool.input_shape, pool.classes, derive_seed(seed, "weights"))
    if start is not None:
        copy_body(start, network)
    network.to(device).train()
    everything = pool.inputs.to(device)
    inputs, labels = (part.to(device) for part in taught.labelled())
    steps = spec.train.updates(len(labels))
    optimiser = optimiser_of(network.parameters(), spec.train)
    average = MovingAverage(network, spec.ema_decay)
    watch = _Watch(inputs=inputs, labels=labels, held_out=held_out, device=device)
    size, ratio = spec.train.batch_size, objective.unlabelled_ratio
    order = shuffled_batches(len(labels), size, steps, derive_seed(seed, "labelled"))
    order_all = shuffled_batches(len(everything), max(1, size * ratio), steps, derive_seed(seed, "pool"))
    for step, (own, rest) in enumerate(zip(order, order_all, strict=True)):
        unlabelled = everything[rest.to(device)] if ratio else everything[:0]
        index = own.to(device)
        loss, used = objective.loss(network, Batch(inputs[index], labels[index], unlabelled, step / steps))
        set_rate(optimiser, spec.train.rate(step, steps))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        average.update(network)
        watch.note(loss, used)
        if (step + 1) % spec.report_every == 0 or step + 1 == steps:
            watch.report(average.network, step + 1, on_progress)
    return Student(
        network=watch.best(average.network).cpu().eval(),
        classes=pool.classes,
        input_shape=pool.input_shape,
        curve=tuple(watch.curve),
    )


@final
@dataclass(slots=True, kw_only=True)
class _Watch:
    """Collects the curve and, by held-out released labels alone, the best point of it."""

    inputs: Tensor
    labels: Tensor
    held_out: LabeledPool | None
    device: str | torch.device
    curve: list[CurvePoint] = field(default_factory=list)
    _since: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _best: nn.Module | None = None

    def note(self, loss: Tensor, used: Tensor) -> None:
        self._since.append((loss.detach(), used.detach()))

    def report(self, network: nn.Module, step: int, on_progress: OnProgress | None) -> None:
        loss, used = (float(torch.stack(values).mean()) for values in zip(*self._since, strict=True))
        self._since.clear()
        held_out = None
        if self.held_out is not None:
            inputs, labels = self.held_out.labelled()
            held_out = _agreement(network, inputs.to(self.device), labels.to(self.device))
            if all(held_out > (point.held_out or 0.0) for point in self.curve):
                self._best = deepcopy(network)
        agreement = _agreement(network, self.inputs, self.labels)
        self.curve.append(CurvePoint(step=step, loss=loss, agreement=agreement, held_out=held_out, used=used))
        if on_progress is not None:
            on_progress(self.curve[-1])

    def best(self, last: nn.Module) -> nn.Module:
        return last if self._best is None else self._best


@torch.inference_mode()
def _agreement(network: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    return float((network(inputs).argmax(dim=1) == labels).float().mean())

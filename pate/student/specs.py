"""Settings that all learners of networks share; importable without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from pate.errors import expected
from pate.models.specs import ModelSpec, TrainSpec


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StudentSpec:
    """Settings of a student that is a network.

    Attributes:
        model: the network.
        train: how to fit; ``epochs`` count passes over the labelled part.
        robustness: ``q`` of the generalised cross-entropy on released labels; 0 is cross-entropy.
        warm_up: fraction of training in which released labels have cross-entropy, before the robust loss.
        ema_decay: of the averaged weights that become the student; 0 keeps the last weights.
        held_out: fraction of the released labels used to select the best point of training, not to train on; 0
            takes the last point.
        report_every: updates between points of the training curve.
    """

    model: ModelSpec
    train: TrainSpec
    robustness: float = 0.0
    ema_decay: float = 0.0
    held_out: float = 0.0
    report_every: int = 50
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ema_decay", "held_out", "warm_up"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise expected(f"0 <= {name} < 1", "0 turns it off", **{name: value})
        if not 0 <= self.robustness <= 1:
            raise expected("0 <= robustness <= 1", "0 is cross-entropy", robustness=self.robustness)
        if self.report_every < 1:
            raise expected("report_every >= 1", "give updates between points", report_every=self.report_every)

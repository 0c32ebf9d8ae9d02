"""Pseudo-labels: the student's own guesses as targets, with growing weight (Lee 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.learning import Batch, NetworkLearner, Objective
from pate.student.pool import LabeledPool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabel(NetworkLearner):
    """Adds to the loss on labels the cross-entropy of unlabelled inputs with the class now held likeliest.

    ``mean_B l(y, f(x)) + a(t) * mean_U [max p >= threshold] CE(argmax p, f(u))``, ``p = softmax f(u)``; ``a`` is
    0 before ``ramp[0]``, ``weight`` after ``ramp[1]`` and linear between (equation 16). Needs no augmentation,
    so it serves tabular inputs.

    Attributes:
        spec: network, fit, loss on labels and averaging.
        weight: of the unlabelled loss when fully grown.
        ramp: two parts of training, where growth starts and ends.
        threshold: confidence that an unlabelled input needs to take part; 0 takes all, as in the paper.
        unlabelled_ratio: unlabelled inputs per labelled one in a batch.
    """

    weight: float = 1.0
    ramp: tuple[float, float] = (0.2, 0.7)
    threshold: float = 0.0
    unlabelled_ratio: int = 4

    def __post_init__(self) -> None:
        start, end = self.ramp
        if not 0 <= start <= end <= 1:
            raise expected("0 <= ramp[0] <= ramp[1] <= 1", "give parts of training", ramp=self.ramp)
        if not 0 <= self.threshold <= 1:
            raise expected("0 <= threshold <= 1", "give a confidence", threshold=self.threshold)
        if self.unlabelled_ratio < 1 or not self.weight > 0:
            raise expected(
                "unlabelled_ratio >= 1 and weight > 0",
                "or choose the supervised learner",
                unlabelled_ratio=self.unlabelled_ratio,
                weight=self.weight,
            )

    def unlabelled_weight(self, progress: float) -> float:
        """``a`` after this part of training."""
        start, end = self.ramp
        if progress < start:
            return 0.0
        return self.weight if progress >= end else self.weight * (progress - start) / (end - start)

    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """The loss above, see ``NetworkLearner``."""
        criterion = GeneralisedCrossEntropy(self.spec.robustness)

        def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            weight = self.unlabelled_weight(batch.progress)
            if weight == 0:
                return criterion(network(batch.inputs), batch.labels).mean(), torch.zeros(
                    (), device=batch.inputs.device
                )
            logits, guesses = network(torch.cat([batch.inputs, batch.unlabelled])).split(
                [len(batch.labels), len(batch.unlabelled)]
            )
            confidence, guess = guesses.detach().softmax(dim=1).max(dim=1)
            used = (confidence >= self.threshold).float()
            surprise = functional.cross_entropy(guesses, guess, reduction="none")
            return criterion(logits, batch.labels).mean() + weight * (used * surprise).mean(), used.mean()

        return Objective(batch_loss, self.unlabelled_ratio)

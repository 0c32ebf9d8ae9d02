"""Pseudo-labels: the student's own predictions as targets, with growing weight (Lee 2013)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.student.label_loss import LabelLoss
from pate.student.learning import Batch, Objective
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec


def objective(
    pool: LabeledPool,
    *,
    weight_at: Callable[[float], float],
    threshold: float,
    unlabelled_ratio: int,
    spec: StudentSpec,
    seed: int,
    device: str | torch.device,
) -> Objective:
    """Loss of ``pate.student.learners.PseudoLabel``; ``weight_at`` is a function of the fraction of updates done."""
    criterion = LabelLoss(spec, pool, device)

    def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        weight = weight_at(batch.progress)
        if weight == 0:
            return criterion(network(batch.inputs), batch.labels, batch.progress), torch.zeros(
                (), device=batch.inputs.device
            )
        logits, logits_unlabelled = network(torch.cat([batch.inputs, batch.unlabelled])).split(
            [len(batch.labels), len(batch.unlabelled)]
        )
        confidence, pseudo_labels = logits_unlabelled.detach().softmax(dim=1).max(dim=1)
        used = (confidence >= threshold).float()
        cross_entropy = functional.cross_entropy(logits_unlabelled, pseudo_labels, reduction="none")
        return criterion(logits, batch.labels, batch.progress) + weight * (used * cross_entropy).mean(), used.mean()

    return Objective(batch_loss, unlabelled_ratio)

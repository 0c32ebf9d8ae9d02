"""Loss on the released labels alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pate.models.augmentation import augment
from pate.models.specs import Augmentation
from pate.randomness import derive_seed
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.learning import Batch, Objective
from pate.student.pool import LabeledPool


def objective(
    pool: LabeledPool, *, augmentation: Augmentation | None, robustness: float, seed: int, device: str | torch.device
) -> Objective:
    """Loss of ``pate.student.learners.Supervised``."""
    criterion = GeneralisedCrossEntropy(robustness)
    generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))

    def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        inputs = batch.inputs if augmentation is None else augment(batch.inputs, augmentation, generator)
        return criterion(network(inputs), batch.labels).mean(), torch.zeros((), device=batch.inputs.device)

    return Objective(batch_loss, 0)

"""Loss on the released labels alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pate.models.augmentation import augment
from pate.models.specs import Augmentation
from pate.randomness import derive_seed
from pate.student.label_loss import LabelLoss
from pate.student.learning import Batch, Objective
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec


def objective(
    pool: LabeledPool, *, augmentation: Augmentation | None, spec: StudentSpec, seed: int, device: str | torch.device
) -> Objective:
    """Loss of ``pate.student.learners.Supervised``."""
    criterion = LabelLoss(spec, pool, device)
    generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))

    def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        inputs = batch.inputs if augmentation is None else augment(batch.inputs, augmentation, generator)
        return criterion(network(inputs), batch.labels, batch.progress), torch.zeros((), device=batch.inputs.device)

    return Objective(batch_loss, 0)

"""Learning from the released labels alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from pate.models.augmentation import Augmentation
from pate.randomness import derive_seed
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.learning import Batch, NetworkLearner, Objective
from pate.student.pool import LabeledPool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Supervised(NetworkLearner):
    """Minimises the loss on labelled inputs; unlabelled ones are not used.

    Attributes:
        spec: network, fit, loss and averaging.
        augmentation: of labelled images; ``None`` for none, as for tabular inputs.
    """

    augmentation: Augmentation | None = None

    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """The loss above, see ``NetworkLearner``."""
        criterion = GeneralisedCrossEntropy(self.spec.robustness)
        generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))

        def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            inputs = batch.inputs if self.augmentation is None else self.augmentation(batch.inputs, generator)
            return criterion(network(inputs), batch.labels).mean(), torch.zeros((), device=batch.inputs.device)

        return Objective(batch_loss, 0)

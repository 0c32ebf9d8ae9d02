"""Loss of a student on released labels: robust to wrong ones, from a warm start, with balanced classes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from pate.models.training import class_weights
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec


@final
class LabelLoss:
    """The generalised cross-entropy of ``spec``, over a batch of released labels.

    During ``spec.warm_up`` it is cross-entropy itself: the gradient of a robust loss vanishes on a class that the
    network gives a low probability, so that a class with few labels, lost early, would never come back.

    Args:
        spec: robustness, warm-up and balance.
        pool: its released labels give the weights of classes.
        device: of the batches.
    """

    def __init__(self, spec: StudentSpec, pool: LabeledPool, device: str | torch.device) -> None:
        self._robust = GeneralisedCrossEntropy(spec.robustness)
        self._plain = GeneralisedCrossEntropy(0.0)
        self._warm_up = spec.warm_up
        weights_C = class_weights(pool.labelled()[1], pool.classes) if spec.train.balanced else None
        self._weights = None if weights_C is None else weights_C.to(device)

    def __call__(self, logits: Tensor, labels: Tensor, progress: float) -> Tensor:
        """Mean loss of a batch.

        Args:
            logits: shape ``[B, C]``.
            labels: shape ``[B]``.
            progress: fraction of updates done.
        """
        losses = (self._plain if progress < self._warm_up else self._robust)(logits, labels)
        return (losses if self._weights is None else losses * self._weights[labels]).mean()

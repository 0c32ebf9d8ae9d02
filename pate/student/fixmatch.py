"""FixMatch: consistency between weak and strong augmentation (Sohn et al. 2020, algorithm 1)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.models.augmentation import augment
from pate.models.specs import Augmentation
from pate.randomness import derive_seed
from pate.student.label_loss import LabelLoss
from pate.student.learning import Batch, Objective
from pate.student.pool import LabeledPool
from pate.student.specs import StudentSpec


def objective(
    pool: LabeledPool,
    *,
    weak: Augmentation,
    strong: Augmentation,
    threshold: float,
    unlabelled_ratio: int,
    weight: float,
    alignment: bool,
    spec: StudentSpec,
    seed: int,
    device: str | torch.device,
) -> Objective:
    """Loss of ``pate.student.learners.FixMatch``."""
    if len(pool.input_shape) != 3:
        raise expected("images for FixMatch", "choose PseudoLabel for tabular inputs", input_shape=pool.input_shape)
    criterion = LabelLoss(spec, pool, device)
    generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
    align = _Alignment.of(pool, device) if alignment else None

    def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        weak_inputs = augment(torch.cat([batch.inputs, batch.unlabelled]), weak, generator)
        strong_inputs = augment(batch.unlabelled, strong, generator)
        labelled, unlabelled = weak_inputs[: len(batch.labels)], weak_inputs[len(batch.labels) :]
        with torch.no_grad():  # targets: no gradient, so no graph is kept
            probs = network(unlabelled).softmax(dim=1)
        logits, logits_strong = network(torch.cat([labelled, strong_inputs])).split([len(labelled), len(strong_inputs)])
        confidence, pseudo_labels = (probs if align is None else align(probs)).max(dim=1)
        used = (confidence >= threshold).float()
        cross_entropy = functional.cross_entropy(logits_strong, pseudo_labels, reduction="none")
        return criterion(logits, batch.labels, batch.progress) + weight * (used * cross_entropy).mean(), used.mean()

    return Objective(batch_loss, unlabelled_ratio)


@final
class _Alignment:
    """Scales probabilities by (share of the class among labels) / (its running share among predictions), and
    renormalises.

    Shares of labels are counted with one extra label per class, so that a class that was never released keeps a share.
    """

    def __init__(self, share_C: Tensor) -> None:
        self._share = share_C
        self._running = torch.full_like(share_C, 1 / len(share_C))

    @classmethod
    def of(cls, pool: LabeledPool, device: str | torch.device) -> _Alignment:
        counts_C = torch.bincount(pool.labelled()[1], minlength=pool.classes) + 1.0
        return cls((counts_C / counts_C.sum()).to(device))

    def __call__(self, probs_UC: Tensor) -> Tensor:
        self._running = 0.95 * self._running + 0.05 * probs_UC.mean(dim=0)
        scaled_UC = probs_UC * (self._share / self._running)
        return scaled_UC / scaled_UC.sum(dim=1, keepdim=True)

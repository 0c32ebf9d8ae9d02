"""FixMatch: consistency between weak and strong augmentation (Sohn et al. 2020, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.models.augmentation import Augmentation
from pate.randomness import derive_seed
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.learning import Batch, NetworkLearner, Objective
from pate.student.pool import LabeledPool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FixMatch(NetworkLearner):
    """Adds to the loss on labels: where the prediction on a weakly changed image is confident, the prediction on
    the strongly changed one must name the same class.

    ``mean_B l(y, f(weak(x))) + weight * mean_U [max p >= threshold] CE(argmax p, f(strong(u)))`` with
    ``p = softmax f(weak(u))``, not differentiated.

    Attributes:
        spec: network, fit, loss on labels and averaging.
        weak: keeps the image easy.
        strong: makes it hard.
        threshold: confidence that an unlabelled image needs to take part.
        unlabelled_ratio: unlabelled images per labelled one in a batch (the authors' mu).
        weight: of the unlabelled loss (the authors' lambda).
        alignment: whether guesses are first made to follow the class shares of the released labels
            (distribution alignment, Berthelot et al. 2020, section 3.1). Without it, a class with few or wrong
            labels may die out.
    """

    weak: Augmentation
    strong: Augmentation
    threshold: float = 0.95
    unlabelled_ratio: int = 4
    weight: float = 1.0
    alignment: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise expected("0 <= threshold <= 1", "give a confidence", threshold=self.threshold)
        if self.unlabelled_ratio < 1 or not self.weight > 0:
            raise expected(
                "unlabelled_ratio >= 1 and weight > 0",
                "or choose the supervised learner",
                unlabelled_ratio=self.unlabelled_ratio,
                weight=self.weight,
            )

    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """The loss above, see ``NetworkLearner``."""
        if len(pool.input_shape) != 3:
            raise expected("images for FixMatch", "choose PseudoLabel for tabular inputs", input_shape=pool.input_shape)
        criterion = GeneralisedCrossEntropy(self.spec.robustness)
        generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
        align = _Alignment.of(pool, device) if self.alignment else None

        def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            easy = self.weak(torch.cat([batch.inputs, batch.unlabelled]), generator)
            hard = self.strong(batch.unlabelled, generator)
            labelled, unlabelled = easy[: len(batch.labels)], easy[len(batch.labels) :]
            with torch.no_grad():  # targets: nothing flows back, so nothing is kept for it
                belief = network(unlabelled).softmax(dim=1)
            logits, logits_hard = network(torch.cat([labelled, hard])).split([len(labelled), len(hard)])
            confidence, guess = (belief if align is None else align(belief)).max(dim=1)
            used = (confidence >= self.threshold).float()
            surprise = functional.cross_entropy(logits_hard, guess, reduction="none")
            return criterion(logits, batch.labels).mean() + self.weight * (used * surprise).mean(), used.mean()

        return Objective(batch_loss, self.unlabelled_ratio)


@final
class _Alignment:
    """Scales beliefs by (share of the class among labels) / (its running share among beliefs), and renormalises.

    Shares of labels are counted with one extra label per class, so that a class that was never released stays.
    """

    def __init__(self, share_C: Tensor) -> None:
        self._share = share_C
        self._running = torch.full_like(share_C, 1 / len(share_C))

    @classmethod
    def of(cls, pool: LabeledPool, device: str | torch.device) -> _Alignment:
        counts_C = torch.bincount(pool.labelled()[1], minlength=pool.classes) + 1.0
        return cls((counts_C / counts_C.sum()).to(device))

    def __call__(self, belief_UC: Tensor) -> Tensor:
        self._running = 0.95 * self._running + 0.05 * belief_UC.mean(dim=0)
        scaled_UC = belief_UC * (self._share / self._running)
        return scaled_UC / scaled_UC.sum(dim=1, keepdim=True)

"""FreeMatch: thresholds that follow the student's own confidence, class by class (Wang et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import expected
from pate.models.augmentation import Augmentation
from pate.randomness import derive_seed
from pate.student.fixmatch import require_images, two_views
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy
from pate.student.learning import Batch, NetworkLearner, Objective
from pate.student.pool import LabeledPool

_TINY = 1e-8


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FreeMatch(NetworkLearner):
    """FixMatch with a threshold per class that rises as the student becomes sure, and a push towards all classes.

    ``mean_B l(y, f(weak(x))) + weight * mean_U m CE(argmax p, f(strong(u))) + fairness * L_f`` with
    ``p = softmax f(weak(u))`` and ``m = [max p >= t p_c / max_c p_c]``, ``c = argmax p``. ``t`` is the running mean of
    ``max p`` and ``p_c`` that of ``p`` (equations 5 to 8). ``L_f = sum_c a_c log b_c``: ``a`` and ``b`` are mean
    probabilities over shares of guesses, made to sum to one, running on weakly changed images and of this batch on
    strongly changed ones that take part (equations 9 to 11).

    Attributes:
        spec: network, fit, loss on labels and averaging.
        weak: keeps the image easy.
        strong: makes it hard.
        unlabelled_ratio: unlabelled images per labelled one in a batch.
        weight: of the unlabelled loss.
        fairness: of the push towards all classes (the authors' w_f).
        decay: of the running means (the authors' lambda; theirs, 0.999, is for a million updates).
    """

    weak: Augmentation
    strong: Augmentation
    unlabelled_ratio: int = 4
    weight: float = 1.0
    fairness: float = 0.01
    decay: float = 0.99

    def __post_init__(self) -> None:
        if self.unlabelled_ratio < 1 or not self.weight > 0:
            raise expected(
                "unlabelled_ratio >= 1 and weight > 0",
                "or choose the supervised learner",
                unlabelled_ratio=self.unlabelled_ratio,
                weight=self.weight,
            )
        if not self.fairness >= 0 or not 0 < self.decay < 1:
            raise expected("fairness >= 0 and 0 < decay < 1", "0.01 and 0.99 are usual", decay=self.decay)

    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """The loss above, see ``NetworkLearner``."""
        require_images(pool)
        criterion = GeneralisedCrossEntropy(self.spec.robustness)
        generator = torch.Generator().manual_seed(derive_seed(seed, "augmentation"))
        running = _Running(pool.classes, self.decay, device)

        def batch_loss(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            logits, belief, logits_hard = two_views(network, batch, self.weak, self.strong, generator)
            confidence, guess = belief.max(dim=1)
            running.update(belief)
            used = (confidence >= running.thresholds()[guess]).float()
            surprise = functional.cross_entropy(logits_hard, guess, reduction="none")
            unlabelled = self.weight * (used * surprise).mean() + self.fairness * running.unfairness(logits_hard, used)
            return criterion(logits, batch.labels).mean() + unlabelled, used.mean()

        return Objective(batch_loss, self.unlabelled_ratio)


@final
class _Running:
    """Means over past batches: of the largest probability, of each class's, and of its share of guesses."""

    def __init__(self, classes: int, decay: float, device: str | torch.device) -> None:
        self._decay = decay
        self._confidence = torch.tensor(1 / classes, device=device)
        self._mean_C = torch.full((classes,), 1 / classes, device=device)
        self._share_C = self._mean_C.clone()

    def update(self, belief_UC: Tensor) -> None:
        self._confidence = torch.lerp(belief_UC.max(dim=1).values.mean(), self._confidence, self._decay)
        self._mean_C = torch.lerp(belief_UC.mean(dim=0), self._mean_C, self._decay)
        self._share_C = torch.lerp(_shares(belief_UC), self._share_C, self._decay)

    def thresholds(self) -> Tensor:
        """Per class."""
        return self._confidence * self._mean_C / self._mean_C.max()

    def unfairness(self, logits_hard_UC: Tensor, used_U: Tensor) -> Tensor:
        """``L_f`` of one batch; 0 where no image takes part."""
        chosen_UC = logits_hard_UC[used_U > 0].softmax(dim=1)
        if len(chosen_UC) == 0:
            return logits_hard_UC.new_zeros(())
        past_C = self._mean_C / self._share_C.clamp(min=_TINY)
        now_C = chosen_UC.mean(dim=0) / _shares(chosen_UC).clamp(min=1 / len(used_U))  # a class nobody guessed: not 1/0
        return (past_C / past_C.sum() * (now_C / now_C.sum()).clamp(min=_TINY).log()).sum()


def _shares(proba_UC: Tensor) -> Tensor:
    """Of guesses, per class."""
    counts_C = torch.bincount(proba_UC.argmax(dim=1), minlength=proba_UC.shape[1])
    return counts_C / len(proba_UC)

"""Learners: recipes that train a student from public inputs and released labels.

The classes hold settings and are importable without torch; what computes is imported by their methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, final

from pate.errors import expected
from pate.models.specs import Augmentation, TreesSpec
from pate.student.specs import StudentSpec

if TYPE_CHECKING:
    import torch

    from pate.features.encoder import Encoder
    from pate.student.learning import Objective, ObjectiveOf, OnProgress
    from pate.student.pool import LabeledPool
    from pate.student.student import Student


WARM_UP = 0.3
"""Fraction of training with plain cross-entropy where a fit with the robust loss alone lost a class."""


class Learner(Protocol):
    """Recipe that turns a pool into a student.

    Sees public inputs and released labels, never votes or evaluation data."""

    def fit(
        self,
        pool: LabeledPool,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        on_progress: OnProgress | None = None,
        start: Encoder | None = None,
    ) -> Student:
        """Train a student; deterministic given pool, seed, device and number of threads.

        With ``start``, its network begins with the weights of that public encoder, all layers but the last.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkLearner(ABC):
    """A learner of networks, by the loss that it minimises.

    Attributes:
        spec: network, fit, loss on labels and averaging.
    """

    spec: StudentSpec

    @abstractmethod
    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """Loss of one fit; created for each, so that no state outlives a fit.

        Args:
            pool: public inputs and released labels.
            seed: of the fit.
            device: where it computes.

        Raises:
            InputError: inputs that this learner cannot use.
        """

    def fit(
        self,
        pool: LabeledPool,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        on_progress: OnProgress | None = None,
        start: Encoder | None = None,
    ) -> Student:
        """Train a student; see ``Learner``.

        Args:
            pool: public inputs and released labels.
            seed: of weights, order and held-out labels.
            device: where to compute.
            on_progress: called with each point of the curve; steps restart where a fit does.
            start: a public encoder of the same architecture to begin with.

        Raises:
            InputError: the encoder is of another architecture, or the inputs are not for this learner.
        """
        from pate.student.learning import fit_network  # noqa: PLC0415 - imports torch

        def recipe_of(attempt: int) -> tuple[StudentSpec, ObjectiveOf]:
            learner = self if attempt == 0 else self._sturdier()
            return learner.spec, learner.objective

        return fit_network(pool, recipe_of, seed=seed, device=device, on_progress=on_progress, start=start)

    def _sturdier(self) -> NetworkLearner:
        """The learner for another fit: its robust loss has a warm start, in which no class is lost."""
        return replace(self, spec=replace(self.spec, warm_up=max(self.spec.warm_up, WARM_UP)))


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
        from pate.student.supervised import objective  # noqa: PLC0415 - imports torch

        return objective(
            pool,
            augmentation=self.augmentation,
            spec=self.spec,
            seed=seed,
            device=device,
        )


def _require_unlabelled(threshold: float, unlabelled_ratio: int, weight: float) -> None:
    """Refuse settings of an unlabelled loss that are out of range."""
    if not 0 <= threshold <= 1:
        raise expected("0 <= threshold <= 1", "give a confidence", threshold=threshold)
    if unlabelled_ratio < 1 or not weight > 0:
        raise expected(
            "unlabelled_ratio >= 1 and weight > 0",
            "or choose the supervised learner",
            unlabelled_ratio=unlabelled_ratio,
            weight=weight,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabel(NetworkLearner):
    """Adds to the loss on labels the cross-entropy of unlabelled inputs with their currently most likely class.

    ``mean_B l(y, f(x)) + a(t) * mean_U [max p >= threshold] CE(argmax p, f(u))``, ``p = softmax f(u)``; ``a`` is
    0 before ``ramp[0]``, ``weight`` after ``ramp[1]`` and linear between (equation 16). Needs no augmentation,
    so it serves tabular inputs.

    Attributes:
        spec: network, fit, loss on labels and averaging.
        weight: of the unlabelled loss when fully grown.
        ramp: two fractions of training, where growth starts and ends.
        threshold: confidence that an unlabelled input needs to enter the loss; 0 takes all, as in the paper.
        unlabelled_ratio: unlabelled inputs per labelled one in a batch.
    """

    weight: float = 1.0
    ramp: tuple[float, float] = (0.2, 0.7)
    threshold: float = 0.0
    unlabelled_ratio: int = 4

    def __post_init__(self) -> None:
        start, end = self.ramp
        if not 0 <= start <= end <= 1:
            raise expected("0 <= ramp[0] <= ramp[1] <= 1", "give fractions of training", ramp=self.ramp)
        _require_unlabelled(self.threshold, self.unlabelled_ratio, self.weight)

    def unlabelled_weight(self, progress: float) -> float:
        """``a`` after this fraction of training."""
        start, end = self.ramp
        if progress < start:
            return 0.0
        return self.weight if progress >= end else self.weight * (progress - start) / (end - start)

    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """The loss above, see ``NetworkLearner``."""
        from pate.student.pseudo_label import objective  # noqa: PLC0415 - imports torch

        return objective(
            pool,
            weight_at=self.unlabelled_weight,
            threshold=self.threshold,
            unlabelled_ratio=self.unlabelled_ratio,
            spec=self.spec,
            seed=seed,
            device=device,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FixMatch(NetworkLearner):
    """Adds to the loss on labels: where the prediction on a weakly changed image is confident, the prediction on
    the strongly changed one must name the same class.

    ``mean_B l(y, f(weak(x))) + weight * mean_U [max p >= threshold] CE(argmax p, f(strong(u)))`` with
    ``p = softmax f(weak(u))``, not differentiated.

    Attributes:
        spec: network, fit, loss on labels and averaging.
        weak: augmentation for the pseudo-label.
        strong: augmentation for the prediction.
        threshold: confidence that an unlabelled image needs to enter the loss.
        unlabelled_ratio: unlabelled images per labelled one in a batch (the authors' mu).
        weight: of the unlabelled loss (the authors' lambda).
        alignment: pseudo-labels are first made to follow the class shares of the released labels
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
        _require_unlabelled(self.threshold, self.unlabelled_ratio, self.weight)

    def objective(self, pool: LabeledPool, seed: int, device: str | torch.device) -> Objective:
        """The loss above, see ``NetworkLearner``."""
        from pate.student.fixmatch import objective  # noqa: PLC0415 - imports torch

        return objective(
            pool,
            weak=self.weak,
            strong=self.strong,
            threshold=self.threshold,
            unlabelled_ratio=self.unlabelled_ratio,
            weight=self.weight,
            alignment=self.alignment,
            spec=self.spec,
            seed=seed,
            device=device,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedTrees:
    """Fits trees to the released labels; then, in each round of self-training, anew to these and to its pseudo-labels
    of the round before on the inputs without a label, where it was confident.

    Attributes:
        spec: the trees.
        self_training: how many such rounds; 0 uses the released labels alone.
        threshold: confidence that a pseudo-label needs to be used.
        weight: of a pseudo-label, where a released label weighs 1.
    """

    spec: TreesSpec
    self_training: int = 0
    threshold: float = 0.8
    weight: float = 0.5

    def __post_init__(self) -> None:
        if self.self_training < 0:
            raise expected("self_training >= 0", "0 turns it off", self_training=self.self_training)
        if not 0 <= self.threshold <= 1:
            raise expected("0 <= threshold <= 1", "give a confidence", threshold=self.threshold)
        if not 0 < self.weight <= 1:
            raise expected("0 < weight <= 1", "a pseudo-label counts no more than a label", weight=self.weight)

    def fit(
        self,
        pool: LabeledPool,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        on_progress: OnProgress | None = None,
        start: Encoder | None = None,
    ) -> Student:
        """Train a student on the processor; see ``Learner``."""
        from pate.student.boosted_trees import fit_boosted_trees  # noqa: PLC0415 - imports torch

        if start is not None:
            raise expected("no encoder to begin with", "trees have no weights to copy it to; leave student.start out")
        return fit_boosted_trees(
            pool,
            self.spec,
            rounds=self.self_training,
            threshold=self.threshold,
            weight=self.weight,
            seed=seed,
            on_progress=on_progress,
        )

"""Input of a student: public inputs and the labels that were released for some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from pate.errors import PrivacyViolation, expected
from pate.models.training import FloatArray, IntArray, as_inputs, as_labels
from pate.randomness import generator
from pate.values import Redacted

UNLABELLED = -1
"""Label of an input that was not queried, or whose query was refused."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledPool:
    """Public inputs, some of them labelled.

    Attributes:
        inputs: ``[Q, *shape]`` float32.
        labels: ``[Q]`` int64, a released class or -1.
        classes: C.
    """

    inputs: Tensor
    labels: Tensor
    classes: int

    @classmethod
    def of(cls, inputs: FloatArray | Tensor, labels: IntArray | Tensor, classes: int) -> LabeledPool:
        """A pool from arrays.

        Raises:
            PrivacyViolation: private-tagged data.
            InputError: lengths differ, a label is outside ``-1..C-1``, or no input is labelled.
        """
        for given in (inputs, labels):
            if isinstance(given, Redacted):
                raise PrivacyViolation(
                    f"Expected public data for the student, got private-tagged {type(given).__name__}"
                )
        inputs_Q, labels_Q = as_inputs(inputs), as_labels(labels)
        if classes < 2 or labels_Q.shape != inputs_Q.shape[:1]:
            raise expected(
                "classes >= 2 and one label (or -1) per input",
                "check the arrays",
                classes=classes,
                inputs=tuple(inputs_Q.shape),
                labels=tuple(labels_Q.shape),
            )
        if not bool(((labels_Q >= UNLABELLED) & (labels_Q < classes)).all()):
            raise expected(f"labels in -1..{classes - 1}", "use -1 for refused and unlabelled", classes=classes)
        if not bool((labels_Q >= 0).any()):
            raise expected("at least one released label", "ask more queries or lower the threshold", labelled=0)
        return cls(inputs=inputs_Q, labels=labels_Q, classes=classes)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.inputs.shape[1:])

    def labelled(self) -> tuple[Tensor, Tensor]:
        """Inputs and labels of the labelled rows."""
        answered = self.labels >= 0
        return self.inputs[answered], self.labels[answered]

    def split(self, fraction: float, seed: int) -> tuple[LabeledPool, LabeledPool | None]:
        """Hold labels out: a pool without a ``fraction`` of the released labels, and a pool with only those.

        Inputs whose labels are held out stay in the first pool, unlabelled. Rounds down; ``None`` if nothing
        is set aside. At least one label stays.
        """
        answered = np.flatnonzero(self.labels.numpy() >= 0)
        count = min(int(fraction * len(answered)), len(answered) - 1)
        if count < 1:
            return self, None
        aside = torch.from_numpy(generator(seed, "held-out").permutation(answered)[:count])
        labels = self.labels.clone()
        labels[aside] = UNLABELLED
        kept = LabeledPool(inputs=self.inputs, labels=labels, classes=self.classes)
        return kept, LabeledPool(inputs=self.inputs[aside], labels=self.labels[aside], classes=self.classes)

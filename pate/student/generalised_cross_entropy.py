"""Generalised cross-entropy: a loss that is robust to wrong labels (Zhang, Sabuncu 2018, equation 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from pate.errors import expected


@final
@dataclass(frozen=True, slots=True)
class GeneralisedCrossEntropy:
    """``(1 - p_y^q) / q``, with ``p`` the softmax of the logits.

    Between cross-entropy (its limit ``q -> 0``) and the mean absolute error (``q = 1``), which is robust to
    symmetric label noise but slow to learn from. The gradient is that of cross-entropy times ``p_y^q``, so a label to
    which the model gives a low probability has little weight.

    Attributes:
        q: in [0, 1]; 0 is cross-entropy itself. The authors use 0.7.
    """

    q: float = 0.7

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise expected("0 <= q <= 1", "0 is cross-entropy, 0.7 the authors' choice", q=self.q)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits ``[B, C]``, labels ``[B]`` -> loss of each record ``[B]``."""
        cross_entropy = functional.cross_entropy(logits, labels, reduction="none")
        if self.q == 0:
            return cross_entropy
        return -torch.expm1(-self.q * cross_entropy) / self.q

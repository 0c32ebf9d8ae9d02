"""Generalised cross-entropy against its formula, its limits and its gradient."""

import math

import pytest
import torch
from torch.nn import functional

from pate.errors import InputError
from pate.student.generalised_cross_entropy import GeneralisedCrossEntropy

LOGITS = 3 * torch.randn(20, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LABELS = torch.arange(20) % 5


@pytest.mark.parametrize("q", [0.1, 0.5, 0.7, 1.0])
def test_it_equals_the_formula_record_by_record(q) -> None:
    losses = GeneralisedCrossEntropy(q)(LOGITS, LABELS)
    for logits, label, loss in zip(LOGITS.tolist(), LABELS.tolist(), losses.tolist(), strict=True):
        p = math.exp(logits[label]) / sum(math.exp(z) for z in logits)
        assert loss == pytest.approx((1 - p**q) / q, rel=1e-12)


def test_it_tends_to_cross_entropy_as_q_vanishes() -> None:
    limit = functional.cross_entropy(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(GeneralisedCrossEntropy(1e-7)(LOGITS, LABELS), limit, rtol=1e-5, atol=1e-8)
    assert torch.equal(GeneralisedCrossEntropy(0.0)(LOGITS, LABELS), limit)


def test_its_gradient_is_that_of_cross_entropy_times_the_belief_in_the_label() -> None:
    logits = LOGITS.clone().requires_grad_()
    (robust,) = torch.autograd.grad(GeneralisedCrossEntropy(0.7)(logits, LABELS).sum(), logits)
    (plain,) = torch.autograd.grad(functional.cross_entropy(logits, LABELS, reduction="sum"), logits)
    belief = logits.softmax(1)[torch.arange(20), LABELS] ** 0.7
    torch.testing.assert_close(robust, plain * belief[:, None])


def test_an_incredible_label_neither_overflows_nor_pulls() -> None:
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = GeneralisedCrossEntropy(0.7)(logits, torch.tensor([1]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(1 / 0.7)
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_other_q_are_refused(q) -> None:
    with pytest.raises(InputError, match="q <= 1"):
        GeneralisedCrossEntropy(q)

"""Stacked models compute what single ones compute, whatever the loss, the scaling and the size of the stack."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pate.models import fused
from pate.models.architectures import build
from pate.models.bundle import fit_bundle
from pate.models.dense_stack import DENSE_KINDS, DenseStack
from pate.models.fused import MappedStack
from pate.models.specs import ModelSpec, TrainSpec
from pate.models.training import Records, loss_of

SHAPE = (1, 4, 4)
SCALED = {"input_mean": 0.3, "input_std": 0.7}


def bundle(spec: ModelSpec, count: int) -> list[nn.Module]:
    return [build(spec, SHAPE, 3, seed) for seed in range(count)]


def records(sizes: list[int]) -> list[Records]:
    rng = np.random.default_rng(0)
    return [Records.of(rng.normal(size=(n, *SHAPE)), rng.integers(0, 3, n), 3) for n in sizes]


def squared(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits - nn.functional.one_hot(labels, 3)).square().sum(1)


@pytest.mark.parametrize("hidden", [(), (5,), (7, 5)])
@pytest.mark.parametrize("loss", ["smoothed", "squared"])
def test_dense_gradients_are_those_of_autograd(hidden: tuple[int, ...], loss: str) -> None:
    """Each gradient within 1e-5, on batches of unequal size."""
    models = bundle(ModelSpec(kind="mlp", hidden=hidden, **SCALED), 3)
    per_record = loss_of(TrainSpec(steps=1, label_smoothing=0.1)) if loss == "smoothed" else squared
    data = records([4, 4, 4])
    weight = torch.tensor([[0.25] * 4, [0.5, 0.5, 0, 0], [1, 0, 0, 0]])
    stack = DenseStack(models, "cpu")
    inputs = torch.stack([stack.prepare(own.inputs) for own in data])
    stack.gradients(inputs, torch.stack([own.labels for own in data]), weight, per_record)
    weights, biases = stack.parameters[: len(hidden) + 1], stack.parameters[len(hidden) + 1 :]
    for position, (model, own) in enumerate(zip(models, data, strict=True)):
        (per_record(model(own.inputs), own.labels) * weight[position]).sum().backward()
        layers = [layer for layer in model if isinstance(layer, nn.Linear)]
        for layer, w, b in zip(layers, weights, biases, strict=True):
            torch.testing.assert_close(w.grad[position].T, layer.weight.grad, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(b.grad[position, 0], layer.bias.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["logistic", "mlp"])
@pytest.mark.parametrize("cache", [1, 2**31])
@pytest.mark.parametrize("balanced", [False, True])
def test_models_come_out_the_same_one_by_one_and_all_together(kind, cache, balanced, monkeypatch) -> None:
    """Parameters within 1e-4 of sequential training after 30 updates of AdamW."""
    monkeypatch.setattr(fused, "CACHE_BYTES", cache)
    spec, train = (
        ModelSpec(kind=kind, **SCALED),
        TrainSpec(steps=30, batch_size=8, learning_rate=0.01, weight_decay=0.1, balanced=balanced),
    )
    data, seeds = records([20, 3, 9]), [4, 5, 6]
    one = fit_bundle(bundle(spec, 3), data, train, seeds=seeds)
    two = fit_bundle(bundle(spec, 3), data, train, seeds=seeds, strategy="fused")
    for a, b in zip(one, two, strict=True):
        for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-4, msg=name)


def test_written_out_and_mapped_stacks_agree() -> None:
    models = bundle(ModelSpec(kind="mlp", hidden=(5,)), 2)
    data = records([4, 4])
    labels, weight = torch.stack([own.labels for own in data]), torch.full((2, 4), 0.25)
    dense, mapped = DenseStack(models, "cpu"), MappedStack(models, "cpu")
    for stack in (dense, mapped):
        inputs = torch.stack([stack.prepare(own.inputs) for own in data])
        stack.gradients(inputs, labels, weight, squared)
    torch.testing.assert_close(dense.parameters[0].grad.transpose(1, 2), mapped.parameters[0].grad)


@pytest.mark.parametrize(("kind", "dense"), [("logistic", True), ("mlp", True), ("cnn", False), ("strided_cnn", False)])
def test_only_dense_networks_have_their_gradients_written_out(kind: str, dense: bool) -> None:
    spec = ModelSpec(kind=kind, hidden=(4,) if kind.endswith("cnn") else None)
    assert DenseStack.suits(build(spec, SHAPE, 3, 0)) is dense
    assert (kind in DENSE_KINDS) is dense


def test_a_network_of_another_form_is_not_taken_for_a_dense_one() -> None:
    scaling, flatten, *rest = build(ModelSpec(kind="mlp"), SHAPE, 3, 0)
    assert not DenseStack.suits(nn.Sequential(scaling, flatten, *rest[:1], nn.Tanh(), *rest[2:]))
    assert not DenseStack.suits(nn.Sequential(scaling, flatten, *rest[:1], nn.Dropout(), *rest[1:]))
    assert not DenseStack.suits(nn.Sequential(flatten, *rest))

"""The dense networks of many models as stacked matrices, with their gradients written out.

A layer of T models is one batched product: ``h = relu(x W + b)`` with ``W`` ``[T, in, out]``. Its gradients are
``dW = x' g``, ``db = sum g`` and ``dx = g W'``, masked where the ReLU was zero. They are written into the same
memory at every update, and ``W`` is kept transposed so that no product has to be copied: for small models most of
the time would otherwise go into allocation, not into arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from pate.models.architectures import FixedScaling
from pate.models.specs import Strategy
from pate.models.training import Loss

DENSE_KINDS = ("logistic", "mlp")
"""Kinds of models that a ``DenseStack`` holds."""


def best_strategy(kind: str, device: str) -> Strategy:
    """Return the faster way of training a bundle of models of a kind.

    Measured on 2 cores: linear models and MLPs are faster fused; for a small CNN, two single-threaded tasks that train
    one model after the other are 1.7 times as fast as two fused ones. Not measured: on a GPU everything is fused,
    since one small model uses only a small fraction of it.
    """
    return "fused" if kind in DENSE_KINDS or device == "cuda" else "sequential"


@final
class DenseStack:
    """T networks of fixed scaling, flattening and linear layers with ReLU between them."""

    def __init__(self, models: Sequence[nn.Module], device: str | torch.device) -> None:
        """Copy the weights.

        Args:
            models: of one architecture for which ``suits`` holds.
            device: where to compute.
        """
        self._models = models
        self._scaling = _children(models[0])[0].to(device)
        layers = [[layer for layer in _children(model) if isinstance(layer, nn.Linear)] for model in models]
        self._weights, self._biases = [], []
        for same in zip(*layers, strict=True):
            self._weights.append(torch.stack([layer.weight.detach().T for layer in same]).to(device))
            self._biases.append(torch.stack([layer.bias.detach()[None] for layer in same]).to(device))
        for parameter in self.parameters:
            parameter.requires_grad_(True)
            parameter.grad = torch.zeros_like(parameter)

    @staticmethod
    def suits(model: nn.Module) -> bool:
        """Return ``True`` for a network of this form."""
        layers = _children(model)
        kinds = [type(layer) for layer in layers]
        hidden = kinds[2:-1]
        return (
            kinds[:2] == [FixedScaling, nn.Flatten]
            and kinds[-1] is nn.Linear
            and hidden == [nn.Linear, nn.ReLU] * (len(hidden) // 2)
            and all(layer.bias is not None for layer in layers if isinstance(layer, nn.Linear))
        )

    @property
    def parameters(self) -> list[Tensor]:
        """Parameters for the optimiser; their gradients are filled by ``gradients``."""
        return [*self._weights, *self._biases]

    def prepare(self, inputs: Tensor) -> Tensor:
        """Inputs ``[N, *shape]`` scaled and flattened once, to ``[N, features]``."""
        scaled: Tensor = self._scaling(inputs)
        return scaled.flatten(1)

    def gradients(self, inputs_TBF: Tensor, labels_TB: Tensor, weight_TB: Tensor, loss: Loss) -> None:
        """Fill the gradients of ``sum(weight * loss)``.

        Args:
            inputs_TBF: prepared inputs of each model's batch.
            labels_TB: their labels.
            weight_TB: one over the size of the batch, 0 on padding.
            loss: of each record.
        """
        with torch.no_grad():
            seen = [inputs_TBF]
            for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
                seen.append(torch.baddbmm(bias, seen[-1], weight).relu_())
            logits_TBC = torch.baddbmm(self._biases[-1], seen[-1], self._weights[-1])
        slope = _slope(logits_TBC, labels_TB, weight_TB, loss)
        with torch.no_grad():
            for layer in reversed(range(len(self._weights))):
                weight, bias = self._weights[layer], self._biases[layer]
                torch.bmm(seen[layer].transpose(1, 2), slope, out=weight.grad)
                torch.sum(slope, dim=1, keepdim=True, out=bias.grad)
                if layer:
                    slope = torch.bmm(slope, weight.transpose(1, 2)).mul_(seen[layer] > 0)

    def write_back(self, slots: Iterable[int]) -> None:
        """Copy the weights of these slots into their models."""
        with torch.no_grad():
            for slot in slots:
                layers = [layer for layer in _children(self._models[slot]) if isinstance(layer, nn.Linear)]
                for layer, weight, bias in zip(layers, self._weights, self._biases, strict=True):
                    layer.weight.copy_(weight[slot].T)
                    layer.bias.copy_(bias[slot, 0])


def _children(model: nn.Module) -> list[nn.Module]:
    return list(model.children())


def _slope(logits_TBC: Tensor, labels_TB: Tensor, weight_TB: Tensor, loss: Loss) -> Tensor:
    """The gradient of the weighted sum of losses in the logits, for any loss."""
    with torch.enable_grad():
        leaf = logits_TBC.requires_grad_(True)
        losses = loss(leaf.flatten(0, 1), labels_TB.flatten()).reshape(weight_TB.shape)
        (slope,) = torch.autograd.grad((losses * weight_TB).sum(), leaf)
    return slope

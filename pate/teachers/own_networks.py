"""Teachers that are modules of the user's: built anew from each seed, and checked before they are fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import nn

from pate.models.own_parts import broken, call_part, load_part
from pate.models.specs import CustomModel, Shape
from pate.teachers.weights import TEACHERS_KEY

KEY = "teachers.model.builder"


def build_own(model: CustomModel, input_shape: Shape, classes: int, seed: int) -> nn.Module:
    """A freshly initialised module; the global random state of torch is left as it was.

    Raises:
        InputError: the builder gives anything but a module from inputs ``[N, *input_shape]`` to finite logits
            ``[N, C]``, whose logits are not finite where its weights are not: a teacher without records abstains so.
    """
    with torch.random.fork_rng(devices=[]):
        load_part(model.builder, key=KEY)  # a module that draws while it is imported must not move the first weights
        torch.default_generator.manual_seed(seed)
        network = call_part(model.builder, tuple(input_shape), classes, key=KEY)
    if not isinstance(network, nn.Module):
        raise broken(KEY, model.builder, f"{type(network).__name__} where torch.nn.Module is needed")
    names = network.state_dict()
    if not names or TEACHERS_KEY in names or not any(True for _ in network.parameters()):
        raise broken(KEY, model.builder, f"no parameters, or one with the name {TEACHERS_KEY!r}")
    logits = _logits(network, model, input_shape)
    if tuple(logits.shape) != (2, classes) or not bool(torch.isfinite(logits).all()):
        raise broken(KEY, model.builder, f"outputs of shape {tuple(logits.shape)}, or not finite, for two inputs")
    return network


def require_independent(model: CustomModel, networks: Sequence[nn.Module], input_shape: Shape) -> None:
    """Refuse modules that share memory, or that vote although their weights are not numbers.

    Raises:
        InputError: a teacher would learn from the records of another, or one without records would vote.
    """
    owner: dict[int, int] = {}
    for number, network in enumerate(networks):
        for tensor in network.state_dict().values():
            if tensor.numel() and owner.setdefault(tensor.data_ptr(), number) != number:
                raise broken(KEY, model.builder, "two calls share weights; make all layers within the function")
    silent = silence(deepcopy(networks[0]))
    if bool(torch.isfinite(_logits(silent, model, input_shape)).all(dim=1).any()):
        raise broken(KEY, model.builder, "finite outputs from weights that are not numbers")


def silence(network: nn.Module) -> nn.Module:
    """Fill the weights with NaN: every logit is NaN, and a NaN logit is an abstention."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.nan)
    return network


def _logits(network: nn.Module, model: CustomModel, input_shape: Shape) -> torch.Tensor:
    training = network.training
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(2, *input_shape))
    except Exception as error:
        raise broken(KEY, model.builder, f"{type(error).__name__} for two inputs of shape {input_shape}") from error
    finally:
        network.train(training)
    if not isinstance(logits, torch.Tensor):
        raise broken(KEY, model.builder, f"{type(logits).__name__} as output")
    return logits

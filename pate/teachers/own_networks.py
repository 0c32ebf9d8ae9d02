"""Teachers that are modules of the user's: built from each seed, and checked before they are fitted."""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from torch import Tensor, nn

from pate.errors import InputError
from pate.models.own_parts import broken, call_part, load_part, own_draws
from pate.models.specs import CustomModel, Shape
from pate.teachers.weights import TEACHERS_KEY

KEY = "teachers.model.builder"


def build_own(model: CustomModel, input_shape: Shape, classes: int, seed: int) -> nn.Module:
    """A freshly initialised module; the global random state of torch is left as it was.

    The function is called twice from one seed, and a copy of what it gave is returned: an object that the user's code
    still holds is never fitted, so no teacher can start from another's weights.

    Raises:
        InputError: the builder gives anything but a module from inputs ``[N, *input_shape]`` to finite logits
            ``[N, C]``; two calls differ or share memory; or its logits are finite where its weights are not: a teacher
            without records abstains in this way.
    """
    network, twin = (_made(model, input_shape, classes, seed) for _ in range(2))
    try:
        own = deepcopy(network)
    except Exception as error:
        raise broken(KEY, model.builder, f"a module that cannot be copied ({type(error).__name__})") from error
    if network is twin or _memory(network) & _memory(twin) or _memory(own) & (_memory(network) | _memory(twin)):
        raise broken(KEY, model.builder, "two calls share weights; make all layers within the function")
    if not _equal(network, twin):
        raise broken(KEY, model.builder, "other weights at a second call; draw from torch's generator, keep nothing")
    if bool(torch.isfinite(_logits(silence(twin), model, input_shape)).all(dim=1).any()):
        raise broken(KEY, model.builder, "finite outputs from weights that are not numbers")
    return own


def silence(network: nn.Module) -> nn.Module:
    """Fill the weights with NaN: every logit is NaN, and a NaN logit is an abstention."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(math.nan)
    return network


def _made(model: CustomModel, input_shape: Shape, classes: int, seed: int) -> nn.Module:
    """One call of the builder, and two inputs, which give lazy layers their shape."""
    load_part(model.builder, key=KEY)  # random draws during import must not change the first weights
    with own_draws(seed):
        network = call_part(model.builder, tuple(input_shape), classes, key=KEY)
        if not isinstance(network, nn.Module):
            raise broken(KEY, model.builder, f"{type(network).__name__} where torch.nn.Module is needed")
        logits = _logits(network, model, input_shape)
    state = network.state_dict()
    if not state or TEACHERS_KEY in state or not any(True for _ in network.parameters()):
        raise broken(KEY, model.builder, f"no parameters, or one with the name {TEACHERS_KEY!r}")
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise broken(KEY, model.builder, "a state that is not made of tensors")
    if tuple(logits.shape) != (2, classes) or not bool(torch.isfinite(logits).all()):
        raise broken(KEY, model.builder, f"outputs of shape {tuple(logits.shape)}, or not finite, for two inputs")
    return network


def _memory(network: nn.Module) -> set[int]:
    """Memory addresses of parameters and buffers; a view has its base's."""
    tensors = [*network.parameters(), *network.buffers(), *network.state_dict().values()]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors} - {0}


def _equal(one: nn.Module, other: nn.Module) -> bool:
    """Equality of two states, to the last bit; NaN equals NaN."""
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(_same(value, theirs[name]) for name, value in ours.items())


def _same(one: Tensor, other: Tensor) -> bool:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    return bool(((one == other) | (torch.isnan(one) & torch.isnan(other))).all())


def _logits(network: nn.Module, model: CustomModel, input_shape: Shape) -> Tensor:
    training = network.training
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(2, *input_shape))
    except InputError:
        raise
    except Exception as error:
        raise broken(KEY, model.builder, f"{type(error).__name__} for two inputs of shape {input_shape}") from error
    finally:
        network.train(training)
    if not isinstance(logits, Tensor):
        raise broken(KEY, model.builder, f"{type(logits).__name__} as output")
    return logits

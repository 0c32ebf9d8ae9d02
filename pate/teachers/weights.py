"""The weights of a bundle of teachers as bytes with their SHA-256; of networks safetensors, never a pickle."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from pate.errors import expected
from pate.models.architectures import build
from pate.models.specs import ModelSpec, Shape

TEACHERS_KEY = "teachers"
"""Name of the tensor that holds the teachers' numbers; parameter names contain a dot, so it cannot collide."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BundleWeights:
    """Private: the parameters of several teachers of one kind.

    Attributes:
        content: of networks safetensors, each parameter stacked to ``[T, ...]``, and the teachers' numbers ``[T]``;
            of trees see ``pate.teachers.tree_weights``, of user-defined estimators ``pate.teachers.estimators``.
        sha256: hex digest of ``content``, to be stored separately.
    """

    content: bytes
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> BundleWeights:
        """Content with its hash."""
        return cls(content=content, sha256=hashlib.sha256(content).hexdigest())

    def checked(self) -> bytes:
        """The content, before a byte of it is interpreted.

        Raises:
            InputError: it is not what was hashed.
        """
        if not hmac.compare_digest(hashlib.sha256(self.content).hexdigest(), self.sha256.lower()):
            raise expected("weights with the recorded SHA-256", "the content was altered or cut short; train again")
        return self.content

    def __repr__(self) -> str:
        return "<BundleWeights: private>"


def pack(models: Sequence[nn.Module], teachers: Sequence[int]) -> BundleWeights:
    """Weights of ``models``, which are the teachers with these numbers; the same models give the same bytes."""
    states = [model.state_dict() for model in models]
    tensors = {name: torch.stack([state[name].detach().cpu() for state in states]) for name in states[0]}
    return BundleWeights.of(save({**tensors, TEACHERS_KEY: torch.tensor(teachers, dtype=torch.int64)}))


def unpack(weights: BundleWeights, spec: ModelSpec, input_shape: Shape, classes: int) -> dict[int, nn.Module]:
    """Teacher's number -> network in evaluation mode.

    Args:
        weights: from ``pack``; its hash is checked before a byte is interpreted.
        spec: the architecture that was trained.
        input_shape: shape of one input.
        classes: C.

    Raises:
        InputError: the content is not what was hashed, is not safetensors, or belongs to another architecture.
    """
    return unpack_into(weights, lambda: build(spec, input_shape, classes, seed=0), kind=spec.kind)


def unpack_into(weights: BundleWeights, new: Callable[[], nn.Module], *, kind: str) -> dict[int, nn.Module]:
    """As ``unpack``, for networks of the architecture that ``new`` makes; ``kind`` names it in errors."""
    tensors = _checked_tensors(weights)
    teachers = tensors.pop(TEACHERS_KEY, torch.zeros(0, dtype=torch.int64)).tolist()
    template = new().state_dict()
    wanted = {name: (len(teachers), *value.shape) for name, value in template.items()}
    if not teachers or wanted != {name: tuple(value.shape) for name, value in tensors.items()}:
        raise expected(
            "weights of the configured architecture", "train the teachers again, or correct the model", kind=kind
        )
    networks: dict[int, nn.Module] = {}
    for position, teacher in enumerate(teachers):
        network = new()
        network.load_state_dict({name: value[position] for name, value in tensors.items()})
        networks[teacher] = network.eval()
    return networks


def _checked_tensors(weights: BundleWeights) -> dict[str, Tensor]:
    content = weights.checked()
    try:
        return load(content)
    except SafetensorError as error:
        raise expected(
            "weights in safetensors format", "networks have no other format, pickles can run code; train again"
        ) from error

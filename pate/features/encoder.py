"""Encoder of inputs, made from public data alone, so that using it costs no privacy."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional

from pate.errors import PrivacyViolation, expected
from pate.features.diffusion import Diffusion
from pate.features.diffusion_map import DiffusionMap
from pate.models.specs import Shape
from pate.models.training import AfterStep, FloatArray, as_inputs
from pate.values import Redacted

_CHUNK = 512


@final
class Encoder(nn.Module):
    """``r f / |f|`` with ``f = (body(x) - mean) / std``: features of one length, standardised over the public pool.

    A light head on these features is what a teacher learns; their length ``r = sqrt(D)`` makes each of the order
    of 1, as heads expect. With ``diffusion``, the features are then placed on the graph of the pool.

    Args:
        body: from inputs ``[N, *input_shape]`` to ``[N, D]``.
        input_shape: shape of one input.
        diffusion: the diffusion map, or ``None``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, input_shape: Shape, diffusion: Diffusion | None = None) -> None:
        super().__init__()
        self.body = body.eval()
        self.input_shape = tuple(input_shape)
        self.map = None if diffusion is None else DiffusionMap(diffusion)
        with torch.no_grad():
            width = self.body(torch.zeros(1, *input_shape)).shape[1]
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    @property
    def width(self) -> int:
        """D, the number of features, or of coordinates after diffusion."""
        return len(self.mean) if self.map is None else self.map.width

    def forward(self, inputs: Tensor) -> Tensor:
        """Features ``[N, D]``."""
        features = self._standard(inputs)
        return features if self.map is None else self.map(features)

    def _standard(self, inputs: Tensor) -> Tensor:
        standard = (self.body(inputs) - self.mean) / self.std
        features: Tensor = functional.normalize(standard, dim=1) * len(self.mean) ** 0.5
        return features

    def encode(self, inputs: FloatArray | Tensor, device: str | torch.device = "cpu") -> npt.NDArray[np.float32]:
        """Features of any number of inputs, computed in chunks. Shape ``[N, width]``, float32.

        The result for an input does not depend on the others in the batch, up to rounding.

        Raises:
            InputError: inputs of another shape.
        """
        return self._computed(self, inputs, device, self.width)

    def features(self, inputs: FloatArray | Tensor, device: str | torch.device = "cpu") -> npt.NDArray[np.float32]:
        """The standardised features, before any diffusion: distances between them measure how inputs differ.

        Shape ``[N, D]``.
        """
        return self._computed(self._standard, inputs, device, len(self.mean))

    def _computed(
        self, function: Callable[[Tensor], Tensor], inputs: FloatArray | Tensor, device: str | torch.device, width: int
    ) -> npt.NDArray[np.float32]:
        inputs_N = as_inputs(inputs)
        if tuple(inputs_N.shape[1:]) != self.input_shape:
            raise expected(
                f"inputs of shape (N, {', '.join(map(str, self.input_shape))})",
                "give inputs of the encoder's shape",
                input_shape=tuple(inputs_N.shape[1:]),
            )
        self.to(device).eval()
        if len(inputs_N) == 0:
            return np.zeros((0, width), dtype=np.float32)
        found: npt.NDArray[np.float32] = in_pieces(function, inputs_N, device).numpy()
        return found

    def standardise(self, pool: FloatArray | Tensor, device: str | torch.device = "cpu") -> Encoder:
        """Take mean and deviation of each feature, and the graph, from the public pool; returns the encoder itself."""
        return self.standardise_features(in_pieces(self.body.to(device).eval(), public_inputs(pool), device))

    def standardise_features(self, raw: Tensor) -> Encoder:
        """The same from the body's outputs on the public pool. Shape of ``raw``: ``[M, D]``."""
        self.cpu()
        self.mean = raw.mean(dim=0)
        self.std = raw.std(dim=0, correction=0) + 1e-3
        if self.map is not None:
            self.map.fit(functional.normalize((raw - self.mean) / self.std, dim=1))
        return self

    def pack(self) -> bytes:
        """The encoder's weights as safetensors, never a pickle; the same encoder gives the same bytes."""
        return save({name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()})

    def unpack(self, content: bytes, sha256: str) -> Encoder:
        """Load the weights of a packed encoder of the same architecture; returns the encoder itself.

        Raises:
            InputError: the content is not what was hashed, not safetensors, or of another architecture.
        """
        if not hmac.compare_digest(hashlib.sha256(content).hexdigest(), sha256.lower()):
            raise expected("an encoder with the recorded SHA-256", "the file was altered or cut short; train it again")
        try:
            tensors = load(content)
        except SafetensorError as error:
            raise expected("an encoder in safetensors format", "nothing else is ever loaded; train it again") from error
        own = self.state_dict()
        if set(own) == set(tensors) and self.map is not None:
            for name, _ in self.map.named_buffers():  # as large as the pool that made them
                setattr(self.map, name, tensors[f"map.{name}"])
            own = self.state_dict()
        if {name: value.shape for name, value in own.items()} != {n: value.shape for n, value in tensors.items()}:
            raise expected("an encoder of the configured architecture", "train it again, or correct the configuration")
        self.load_state_dict(tensors)
        return self.eval()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PackedEncoder:
    """A serialised encoder, to be sent to where records are: its recipe and its weights.

    Attributes:
        representation: its recipe.
        input_shape: shape of one input.
        content: from ``Encoder.pack``.
        sha256: hex digest of ``content``.
    """

    representation: Representation
    input_shape: Shape
    content: bytes
    sha256: str

    def open(self) -> Encoder:
        """The encoder.

        Raises:
            InputError: the content is not what was hashed, or of another architecture.
        """
        return self.representation.empty(self.input_shape).unpack(self.content, self.sha256)


class Representation(Protocol):
    """Recipe of an encoder; part of the public configuration."""

    def empty(self, input_shape: Shape) -> Encoder:
        """An encoder of this architecture, to be filled by ``Encoder.unpack``."""
        ...

    def updates(self, inputs: int) -> int:
        """Number of updates to make it from this number of public inputs; 0 if nothing is trained."""
        ...

    def fit(
        self,
        pool: FloatArray | Tensor,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        after_step: AfterStep | None = None,
    ) -> Encoder:
        """An encoder made from the public pool ``[M, *input_shape]`` alone."""
        ...


@torch.inference_mode()
def in_pieces(function: Callable[[Tensor], Tensor], inputs: Tensor, device: str | torch.device) -> Tensor:
    """Result of a function of inputs, on the CPU; computed in chunks, so that intermediate results of only one are in
    memory."""
    return torch.cat([function(piece.to(device)).cpu() for piece in torch.split(inputs, _CHUNK)])


def body_of(network: nn.Module) -> nn.Sequential:
    """All of a network built by ``pate.models.build`` but its last linear layer; shares its weights.

    Raises:
        InputError: the network has no layers before a last linear one.
    """
    parts = list(network.children())
    if len(parts) < 4 or not isinstance(parts[-1], nn.Linear):
        raise expected("a cnn or an mlp as encoder", "choose such a model", layers=len(parts))
    return nn.Sequential(*parts[:-1])


def copy_body(encoder: Encoder, network: nn.Module) -> None:
    """Give a network, all but its last layer, the encoder's weights.

    Raises:
        InputError: another architecture.
    """
    body, given = body_of(network), encoder.body.state_dict()
    if {name: value.shape for name, value in body.state_dict().items()} != {n: v.shape for n, v in given.items()}:
        raise expected("the student's network equal to the encoder's", "give student.spec.model as features.model")
    body.load_state_dict(given)


def public_inputs(pool: FloatArray | Tensor) -> Tensor:
    """The pool as a tensor.

    Raises:
        PrivacyViolation: private-tagged data.
        InputError: fewer than two inputs.
    """
    if isinstance(pool, Redacted):
        raise PrivacyViolation(f"Expected public inputs for the encoder, got private-tagged {type(pool).__name__}")
    inputs = as_inputs(pool)
    if len(inputs) < 2:
        raise expected("at least two public inputs", "use a larger pool, or leave features out", pool=len(inputs))
    return inputs

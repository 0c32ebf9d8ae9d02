"""Diffusion map of the public pool: inputs that are linked by many similar inputs get similar coordinates."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn
from torch.nn import functional

from pate.features.diffusion import Diffusion
from pate.features.requirements import require_neighbours

_CHUNK = 512


@final
class DiffusionMap(nn.Module):
    """From features ``[N, D]`` to coordinates ``[N, W]`` of length ``sqrt(W)``.

    An input is mapped to the weighted mean of its nearest anchors in the pool (the Nystroem extension), so new inputs,
    private ones too, leave the map unchanged.
    """

    rotation: Tensor
    anchors: Tensor
    coordinates: Tensor
    bandwidth: Tensor

    def __init__(self, spec: Diffusion) -> None:
        super().__init__()
        self.spec = spec
        for name, shape in (("rotation", (1, 1)), ("anchors", (1, 1)), ("coordinates", (1, 1)), ("bandwidth", ())):
            self.register_buffer(name, torch.ones(shape))

    @property
    def width(self) -> int:
        """W, the number of coordinates."""
        return int(self.coordinates.shape[1])

    def forward(self, features: Tensor) -> Tensor:
        """Coordinates ``[N, W]``."""
        similarity, neighbour = (_unit(features @ self.rotation) @ self.anchors.T).topk(self.spec.neighbours, dim=1)
        weight = ((similarity - 1) / self.bandwidth).exp()
        weight = weight / weight.sum(dim=1, keepdim=True)
        place = (self.coordinates[neighbour] * weight[:, :, None]).sum(dim=1)
        coordinates: Tensor = _unit(place) * self.width**0.5
        return coordinates

    @torch.no_grad()
    def fit(self, features_MD: Tensor) -> DiffusionMap:
        """Build the graph of the pool's features; returns the map itself. Deterministic.

        Raises:
            InputError: the pool is too small for the neighbours and coordinates that are asked for.
        """
        count = len(features_MD)
        require_neighbours(self.spec, count)
        self.rotation = _principal(features_MD, self.spec.components)
        self.anchors = _unit(features_MD @ self.rotation)
        similarity_MK, neighbour_MK = _nearest(self.anchors, self.spec.neighbours)
        self.bandwidth = (1 - similarity_MK.median()).clamp_min(1e-6)
        weight_MK = ((similarity_MK - 1) / self.bandwidth).exp()
        self.coordinates = self._walk(weight_MK.double().numpy(), neighbour_MK.numpy())
        return self

    def _walk(self, weight_MK: np.ndarray, neighbour_MK: np.ndarray) -> Tensor:
        count, k = neighbour_MK.shape
        rows = np.repeat(np.arange(count), k)
        graph = csr_matrix((weight_MK.ravel(), (rows, neighbour_MK.ravel())), shape=(count, count))
        graph = graph.maximum(graph.T)
        scale = diags_array(np.asarray(graph.sum(axis=1)).ravel() ** -0.5)
        values, vectors = eigsh(scale @ graph @ scale, k=self.spec.width, v0=np.ones(count))
        order = np.argsort(-values, kind="stable")
        values, vectors = values[order], vectors[:, order]
        vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(self.spec.width)])
        gain = ((1 - self.spec.alpha) / (1 - self.spec.alpha * np.minimum(values, 1))) ** self.spec.power
        return torch.from_numpy((vectors * gain * count**0.5).astype(np.float32))


def _unit(rows: Tensor) -> Tensor:
    unit: Tensor = functional.normalize(rows, dim=1)
    return unit


def _principal(features: Tensor, components: int) -> Tensor:
    """The directions of largest second moment ``[D, P]``."""
    _, directions = torch.linalg.eigh(features.double().T @ features.double())
    largest: Tensor = directions.flip(1)[:, :components].float().contiguous()
    return largest


def _nearest(unit: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
    """Similarity and position of the nearest others ``[M, K]``."""
    found = []
    for start in range(0, len(unit), _CHUNK):
        similarity = unit[start : start + _CHUNK] @ unit.T
        own = torch.arange(len(similarity))
        similarity[own, start + own] = -torch.inf
        found.append(similarity.topk(neighbours, dim=1))
    return torch.cat([part.values for part in found]), torch.cat([part.indices for part in found])

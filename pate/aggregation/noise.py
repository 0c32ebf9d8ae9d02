"""Sources of noise. Integer noise only: the law that is accounted is the law that is drawn.

``ExactNoise`` is the one to use: OpenDP's exact samplers of the discrete Gaussian and the discrete Laplace
distribution (Canonne, Kamath, Steinke 2020) on operating-system entropy. There is no floating point between
the entropy and the answer, so Mironov's (2012) attack does not apply.
"""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Protocol, final

import numpy as np
from opendp.domains import atom_domain, vector_domain
from opendp.measurements import make_gaussian, make_laplace
from opendp.metrics import l1_distance, l2_distance
from opendp.mod import Measurement, enable_features

from pate.arrays import IntArray
from pate.errors import expected

enable_features("contrib")

LARGEST_SCALE = 2.0**50
"""Largest scale; beyond it draws could leave the range of 64 bits and be truncated, and truncated noise gives no
guarantee."""


class NoiseSource(Protocol):
    """Draws independent integer noise.

    Attributes:
        secure: ``True`` if answers made with it may be published and a student trained on them registered.
    """

    @property
    def secure(self) -> bool: ...

    def gaussian(self, sigma: float, size: int) -> IntArray:
        """``size`` draws of the discrete Gaussian: ``P[x] ~ exp(-x^2 / (2 sigma^2))`` on the integers."""
        ...

    def laplace(self, scale: float, size: int) -> IntArray:
        """``size`` draws of the discrete Laplace: ``P[x] ~ exp(-|x| / scale)`` on the integers."""
        ...


@final
class ExactNoise:
    """OpenDP's exact samplers on operating-system entropy; holds no state, so forks share nothing."""

    __slots__ = ()

    @property
    def secure(self) -> bool:
        return True

    def gaussian(self, sigma: float, size: int) -> IntArray:
        space = vector_domain(atom_domain(T="i64")), l2_distance(T=float)
        return _draw(make_gaussian(*space, scale=require_scale("sigma", sigma)), size)

    def laplace(self, scale: float, size: int) -> IntArray:
        space = vector_domain(atom_domain(T="i64")), l1_distance(T="i64")
        return _draw(make_laplace(*space, scale=require_scale("scale", scale)), size)


@final
class InsecureSeededNoise:
    """Predictable noise for tests: the same laws, drawn from a public seed. It gives no protection.

    Answers made with it are marked, and a student trained on them is never registered.
    """

    __slots__ = ("_random",)

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    @property
    def secure(self) -> bool:
        return False

    def gaussian(self, sigma: float, size: int) -> IntArray:
        sigma = require_scale("sigma", sigma)
        return np.array([self._one_gaussian(sigma) for _ in range(size)], dtype=np.int64)

    def laplace(self, scale: float, size: int) -> IntArray:
        scale = require_scale("scale", scale)
        return np.array([self._one_laplace(scale) for _ in range(size)], dtype=np.int64)

    def _one_laplace(self, scale: float) -> int:
        """The difference of two geometric variables is discrete Laplace."""
        log_ratio = -1 / scale
        first, second = (math.floor(math.log(1 - self._random.random()) / log_ratio) for _ in range(2))
        return first - second

    def _one_gaussian(self, sigma: float) -> int:
        """Rejection from the discrete Laplace (Canonne, Kamath, Steinke 2020, algorithm 3)."""
        scale = math.floor(sigma) + 1
        while True:
            candidate = self._one_laplace(scale)
            distance = abs(candidate) - float(Fraction(sigma) ** 2 / scale)
            if self._random.random() < math.exp(-(distance**2) / (2 * sigma**2)):
                return candidate


def _draw(measurement: Measurement, size: int) -> IntArray:
    return np.array(measurement([0] * size), dtype=np.int64).reshape(size)


def require_scale(name: str, value: float) -> float:
    """The scale of noise that can be drawn exactly.

    Raises:
        InputError: it is not positive, not finite, or so large that draws leave the range of 64 bits.
    """
    if not (math.isfinite(value) and 0 < value <= LARGEST_SCALE):
        raise expected(f"0 < {name} <= 2^50", "give the noise in votes", **{name: value})
    return float(value)


def is_secure(noise: NoiseSource) -> bool:
    """True if noise is known to come from operating-system entropy: decided by its type, not by its ``secure``
    field."""
    return type(noise) is ExactNoise

"""The law of the noise on one count, in log space, on a lattice of points for accurate sums.

``docs/explanation/accounting_data_dependent.md`` proves the two facts used here: a Gaussian integrand may be summed
with a stride of ``0.77 sigma / sqrt(C)`` at a relative error below 2e-14, and the mass outside ``window`` is below
1e-13 of every outcome's probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np
from scipy.special import log_ndtr

from pate.accounting.data_independent import discrete_gaussian
from pate.arrays import FloatArray
from pate.errors import expected

NoiseFamily: TypeAlias = Literal["discrete-gaussian", "gaussian", "discrete-laplace", "laplace"]
FAMILIES: tuple[NoiseFamily, ...] = ("discrete-gaussian", "gaussian", "discrete-laplace", "laplace")

_MOST_NOISE = 100_000  # tables grow with it
_STRIDE = 0.77  # in units of sigma / sqrt(C); relative error 2 exp(-2 pi^2 / 0.77^2) = 7e-15 each way


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLaw:
    """Independent noise on every count. The discrete families are drawn; the continuous ones serve comparisons.

    Attributes:
        family: ``discrete-gaussian`` and ``gaussian`` with parameter sigma; ``discrete-laplace`` (mass proportional
            to ``exp(-|z| / scale)``) and ``laplace``.
        scale: sigma or the Laplace scale, in votes.
    """

    family: NoiseFamily
    scale: float

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise expected(f"a noise family out of {FAMILIES}", "choose one of them", family=self.family)
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise expected("a finite scale > 0", "give the noise in votes", scale=self.scale)
        if self.scale > _MOST_NOISE:
            raise expected(f"noise of at most {_MOST_NOISE:,} votes", "more noise hides all votes", scale=self.scale)

    @property
    def discrete(self) -> bool:
        """True if the noise is integer, so that ties happen and go to the lowest index."""
        return self.family.startswith("discrete")

    def window(self, lowest_B: FloatArray, top_B: FloatArray, classes: int) -> tuple[FloatArray, FloatArray]:
        """First and last point, each of shape ``[B]``, that the sums over histograms with these lowest and top counts
        need, and over histograms that differ from them by one vote."""
        if self.family in ("gaussian", "discrete-gaussian"):
            sigma = self.scale
            left_B = np.minimum((lowest_B + top_B) / 2 - 5.9 * sigma, top_B - 8.2 * sigma)
            return left_B - 3, top_B + sigma * (7.8 + math.sqrt(2 * math.log(classes))) + 4
        return lowest_B - 33 * self.scale / classes - 3, top_B + self.scale * (34 + math.log(classes)) + 4

    def lattice(self, classes: int) -> tuple[int, FloatArray, FloatArray]:
        """``(stride, fractions_R, log_weights_R)``: the points ``stride * i + fraction`` and their weights, so that
        the weighted sum of an integrand with ``classes`` factors equals its sum over the integers (discrete
        noise) or its integral."""
        if self.family == "discrete-laplace":
            return 1, np.zeros(1), np.zeros(1)
        if self.family == "laplace":
            nodes, weights = np.polynomial.legendre.leggauss(_legendre_nodes((classes + 1) / self.scale))
            return 1, (nodes + 1) / 2, np.log(weights / 2)
        step = _STRIDE * self.scale / math.sqrt(classes)
        if step >= 1 or self.discrete:
            stride = max(1, math.floor(step))
            return stride, np.zeros(1), np.full(1, math.log(stride))
        parts = math.ceil(1 / step)
        return 1, np.arange(parts) / parts, np.full(parts, -math.log(parts))

    def tables(self, lowest: int, highest: int, fractions_R: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``log`` density (or mass) and ``log`` distribution function at ``y + fraction`` for the integers
        ``lowest <= y <= highest``, each of shape ``[Y, R]``."""
        y_YR = np.arange(lowest, highest + 1, dtype=np.float64)[:, None] + fractions_R
        if self.family == "discrete-gaussian":
            log_pmf_Y, log_cdf_Y = discrete_gaussian.log_law(y_YR[:, 0].astype(np.int64), self.scale)
            return log_pmf_Y[:, None], log_cdf_Y[:, None]
        if self.family == "discrete-laplace":
            return _discrete_laplace(y_YR, self.scale)
        z_YR = y_YR / self.scale
        if self.family == "gaussian":
            return -(z_YR**2) / 2 - math.log(self.scale * math.sqrt(2 * math.pi)), log_ndtr(z_YR)
        log_cdf_YR = np.where(z_YR < 0, np.minimum(z_YR, 0) - math.log(2), np.log1p(-np.exp(-np.abs(z_YR)) / 2))
        return -np.abs(z_YR) - math.log(2 * self.scale), log_cdf_YR

    def log_tails(self, steps_K: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``(log P[Z >= step], log P[Z < step])``, each of the shape of ``steps_K``; discrete noise reaches a step
        at the next integer."""
        if self.family == "gaussian":
            return log_ndtr(-steps_K / self.scale), log_ndtr(steps_K / self.scale)
        if self.family == "discrete-gaussian":
            return discrete_gaussian.log_tails(steps_K, self.scale)
        raise expected("Gaussian noise", "no mechanism tests a threshold under it", family=self.family)


def log1mexp(x: FloatArray) -> FloatArray:
    """``log(1 - e^x)`` for ``x <= 0``, accurate at both ends; ``-inf`` at 0."""
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore"):
        value: FloatArray = np.where(
            x < -1, np.log1p(-np.exp(np.minimum(x, -1.0))), np.log(-np.expm1(np.clip(x, -1.0, 0.0)))
        )
    return value


def _discrete_laplace(y_YR: FloatArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """Mass ``tanh(1/2b) e^(-|y|/b)``; ``F(y) = e^(y/b) / (1 + e^(-1/b))`` below 0, ``1 - F(-y-1)`` from 0 on."""
    log_pmf_YR = math.log(math.tanh(1 / (2 * scale))) - np.abs(y_YR) / scale
    log_norm = math.log1p(math.exp(-1 / scale))
    upper_YR = np.log1p(-np.exp(np.minimum(-y_YR - 1, 0) / scale - log_norm))
    return log_pmf_YR, np.where(y_YR < 0, y_YR / scale - log_norm, upper_YR)


def _legendre_nodes(rate: float) -> int:
    """Gauss-Legendre nodes that integrate ``exp(rate * x)`` over a unit interval to a relative 1e-15."""
    for nodes in range(3, 200):
        log_error = (
            2 * nodes * math.log(rate)
            + 4 * math.lgamma(nodes + 1)
            - math.log(2 * nodes + 1)
            - 3 * math.lgamma(2 * nodes + 1)
        )
        if log_error + rate < math.log(1e-15):
            return nodes
    raise expected("a Laplace scale that fits the number of classes", "use more noise", rate=rate)

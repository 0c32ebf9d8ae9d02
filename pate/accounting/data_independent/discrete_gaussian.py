"""Law of the discrete Gaussian ``N_Z(0, sigma^2)``: integers with mass proportional to ``exp(-z^2 / 2 sigma^2)``."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from pate.arrays import FloatArray, IntArray


def log_law(y_Y: IntArray, sigma: float) -> tuple[FloatArray, FloatArray]:
    """``log P[Z = y]`` and ``log P[Z <= y]`` at integers, each of shape ``[Y]``."""
    far = 1 << (int(np.abs(y_Y).max()) + 2).bit_length()
    log_total, log_cdf_F = _lower_half(sigma, far)
    log_pmf_Y = -((y_Y / sigma) ** 2) / 2 - log_total
    lower_Y = log_cdf_F[np.minimum(y_Y, 0) + far]
    upper_Y = np.log1p(-np.exp(log_cdf_F[np.minimum(-y_Y - 1, 0) + far]))
    return log_pmf_Y, np.where(y_Y > 0, upper_Y, lower_Y)


def log_tails(steps_K: FloatArray, sigma: float) -> tuple[FloatArray, FloatArray]:
    """``(log P[Z >= step], log P[Z < step])``, each of the shape of ``steps_K``; the noise reaches a step at the next
    integer."""
    steps = np.ceil(steps_K).astype(np.int64)
    far = int(np.abs(steps).max()) + 1
    log_cdf_Y = log_law(np.arange(-far, far + 1), sigma)[1]
    return log_cdf_Y[far - steps], log_cdf_Y[far + steps - 1]


def tails(sigma: float, far: int) -> FloatArray:
    """``Pr[Z >= k]`` for ``k = -far .. far`` to full relative accuracy, with ``Pr[Z >= k] + Pr[Z < k] = 1``."""
    k = np.arange(-far - math.ceil(12 * sigma) - 2, far + math.ceil(12 * sigma) + 3)
    weight = np.exp(-((k / sigma) ** 2) / 2)
    tails_K = np.cumsum(weight[::-1])[::-1] / weight.sum()
    start = int(np.searchsorted(k, -far))
    kept: FloatArray = tails_K[start : start + 2 * far + 1]
    return kept


@lru_cache(maxsize=32)
def _lower_half(sigma: float, far: int) -> tuple[float, FloatArray]:
    """Logarithms of the normaliser and of ``F(y)`` for ``-far <= y <= 0``, by the recursion
    ``F(y) / f(y) = 1 + F(y-1) / f(y-1) * f(y-1) / f(y)``, whose terms are all positive."""
    reach = math.ceil(39 * sigma) + 1
    log_total = math.log1p(2 * float(np.exp(-((np.arange(1, reach + 1) / sigma) ** 2) / 2).sum()))
    extra = math.ceil(9 * sigma) + 2
    y_F = np.arange(-far - extra, 1)
    ratio, ratios = 1.0, []
    for factor in np.exp((2.0 * y_F - 1) / (2 * sigma**2)).tolist():
        ratio = 1 + ratio * factor
        ratios.append(ratio)
    log_cdf_F: FloatArray = (-((y_F / sigma) ** 2) / 2 - log_total + np.log(ratios))[extra:]
    log_cdf_F.setflags(write=False)
    return log_total, log_cdf_F

"""Renyi divergences of finite laws, accurate when they are tiny.

With ``L = log Q - log P`` and ``s = alpha - 1`` for ``D(P || Q)``, ``s = -alpha`` for ``D(Q || P)``, both are
``log E_P[e^(-s L)] / (alpha - 1)``. Because ``E_P[e^L] = 1``,

    E_P[e^(-s L)] = 1 + E_P[psi_s(L)],   psi_s(L) = e^(-s L) - 1 + s (e^L - 1) >= 0

and a sum of terms that are all positive keeps its digits where ``P`` and ``Q`` nearly agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from pate.arrays import FloatArray

_SMALL, _LARGE, _RARE, _DIGITS = 0.02, 600.0, -700.0, 1e-5
_BLOCK = 16384  # elements at a time: larger temporaries go back to the system and cost page faults


def both_directions(orders_A: FloatArray) -> FloatArray:
    """The powers ``s`` of both directions, ``D(P || Q)`` first: shape ``[2 A]``."""
    return np.concatenate([orders_A - 1, -orders_A])


def excess(log_p_XC: FloatArray, log_ratio_XC: FloatArray, powers_S: FloatArray) -> FloatArray:
    """``sum_o P(o) psi_s(L(o))``, shape ``[X, S]``; ``inf`` beyond the range of float64.

    Args:
        log_p_XC: ``log P``, nats; ``-inf`` leaves an outcome out.
        log_ratio_XC: ``L = log Q - log P``, nats.
        powers_S: the powers ``s``.
    """
    size = max(1, _BLOCK // max(1, log_p_XC.shape[1] * len(powers_S)))
    total_XS = np.empty((len(log_p_XC), len(powers_S)))
    for start in range(0, len(log_p_XC), size):
        x = slice(start, start + size)
        log_p_CX1, ratio_CX1 = (np.ascontiguousarray(rows_XC[x].T)[..., None] for rows_XC in (log_p_XC, log_ratio_XC))
        total_XS[x], few_digits_X = _excess_by_difference(log_p_CX1, ratio_CX1, powers_S)
        if few_digits_X.size:
            total_XS[start + few_digits_X] = _excess_by_terms(
                log_p_CX1[:, few_digits_X], ratio_CX1[:, few_digits_X], powers_S
            )
    return total_XS


def log_moments(log_p_XC: FloatArray, log_ratio_XC: FloatArray, powers_S: FloatArray) -> FloatArray:
    """``log E_P[e^(-s L)]``, shape ``[X, S]``, nats; see the module's first lines for its two uses.

    Args:
        log_p_XC: ``log P``, a law over ``C`` outcomes, nats.
        log_ratio_XC: ``L = log Q - log P`` with ``Q`` a law too, nats.
        powers_S: the powers ``s``.
    """
    total_XS = excess(log_p_XC, log_ratio_XC, powers_S)
    far_X = np.flatnonzero(~np.isfinite(total_XS).all(axis=1))
    moments_XS: FloatArray = np.log1p(np.maximum(total_XS, 0.0))
    if far_X.size:
        exponent = log_p_XC[far_X, None] - powers_S[:, None] * log_ratio_XC[far_X, None]
        moments_XS[far_X] = np.maximum(logsumexp(exponent, axis=2), 0.0)
    return moments_XS


def _excess_by_difference(
    log_p_CX1: FloatArray, ratio_CX1: FloatArray, powers_S: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """``sum_o P (e^(-s L) - 1) + s sum_o P (e^L - 1)`` and the rows in which the difference has too few digits.

    Each sum errs by some ``1e-16`` of the result and of ``|s| sum_o P |L|``: a result above 1e-5 of that has ten
    digits. Outcomes that are too rare for float64 but not for the order asked are left to the other method too.
    """
    p_CX1 = np.exp(log_p_CX1)
    grown_CXS = np.multiply(ratio_CX1, -powers_S, order="C")
    with np.errstate(over="ignore", invalid="ignore"):
        np.expm1(grown_CXS, out=grown_CXS)
        grown_CXS *= p_CX1
        total_XS: FloatArray = grown_CXS.sum(axis=0)
    total_XS += (p_CX1 * np.expm1(np.minimum(ratio_CX1, _LARGE))).sum(axis=0) * powers_S
    lost_XS = (p_CX1 * np.abs(ratio_CX1)).sum(axis=0) * (_DIGITS * np.abs(powers_S))
    largest_XS = np.maximum(ratio_CX1.max(axis=0) * -powers_S, ratio_CX1.min(axis=0) * -powers_S)
    rare_XS = (log_p_CX1.min(axis=0) < _RARE) & (largest_XS > _LARGE)
    return total_XS, np.flatnonzero(~((total_XS >= lost_XS) & (total_XS < np.inf) & ~rare_XS).all(axis=1))


def _excess_by_terms(log_p_CX1: FloatArray, ratio_CX1: FloatArray, powers_S: FloatArray) -> FloatArray:
    """The same sum, every term of it positive and to full relative accuracy."""
    p_CX1 = np.exp(log_p_CX1)
    exponent_CXS = np.multiply(ratio_CX1, -powers_S, order="C")
    linear_CXS = _exp_minus_line(ratio_CX1) * powers_S
    excess_CXS = _exp_minus_line(exponent_CXS)
    excess_CXS += linear_CXS
    excess_CXS *= p_CX1
    if np.max(exponent_CXS, initial=0.0) > _LARGE:
        with np.errstate(over="ignore"):
            far_CXS = np.exp(log_p_CX1 + exponent_CXS) + p_CX1 * np.maximum(linear_CXS, 0.0)
        excess_CXS = np.where(exponent_CXS > _LARGE, far_CXS, excess_CXS)
    with np.errstate(over="ignore"):
        total_XS: FloatArray = excess_CXS.sum(axis=0)
    return total_XS


def _exp_minus_line(z: FloatArray) -> FloatArray:
    """``e^z - 1 - z`` to full relative accuracy near 0, for ``z`` up to 600; larger ones count as 600."""
    near = (np.abs(z) < _SMALL).astype(np.float64)
    series = np.clip(z, -_SMALL, _SMALL)
    squared = series * series
    y = series.copy()
    series *= 1 / 6
    for divisor in (5.0, 4.0, 3.0):  # 1 + y/3 (1 + y/4 (1 + y/5 (1 + y/6))), innermost first
        series += 1.0
        series *= y
        series *= 1 / divisor
    series += 1.0
    series *= squared
    series *= 0.5
    value: FloatArray = np.expm1(np.minimum(z, _LARGE))
    value -= np.minimum(z, _LARGE)
    series -= value
    series *= near  # a blend by arithmetic: branches on mixed data cost more than both values
    value += series
    return value

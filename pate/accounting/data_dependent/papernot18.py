"""The data-dependent bounds of Papernot et al. (2018), as published: for continuous noise, per release.

They are kept for comparison with the literature. With discrete noise ties have positive probability, so
``log_q`` here is not a bound for what pate draws; ``pate.accounting.data_dependent.exact_rdp`` is. Everything in log
space and vectorised over queries.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, logsumexp

from pate.accounting.laws.noise import log1mexp
from pate.arrays import FloatArray


def log_q_gnmax(counts_QC: FloatArray, sigma: float) -> FloatArray:
    """Union bound on ``log P[answer != plurality]``: ``sum_j erfc((n_top - n_j) / (2 sigma)) / 2``, at most
    ``1 - 1/C``. Shape ``[Q]``, nats. Papernot et al. (2018), proposition 7.
    """
    gaps_QR = _gaps(counts_QC)
    return _capped(logsumexp(log_ndtr(-gaps_QR / (np.sqrt(2.0) * sigma)), axis=1), gaps_QR.shape[1] + 1)


def log_q_lnmax(counts_QC: FloatArray, scale: float) -> FloatArray:
    """Union bound on ``log P[answer != plurality]`` under Laplace noise: ``sum_j (2 + g_j) / (4 exp(g_j))`` with
    ``g_j = (n_top - n_j) / scale``, at most ``1 - 1/C``. Shape ``[Q]``. Papernot et al. (2017), lemma 4."""
    gaps_QR = _gaps(counts_QC) / scale
    return _capped(logsumexp(np.log((2 + gaps_QR) / 4) - gaps_QR, axis=1), gaps_QR.shape[1] + 1)


def log_answered(counts_QC: FloatArray, threshold: float, sigma: float) -> FloatArray:
    """``log P[n_top + N(0, sigma^2) >= threshold]``, shape ``[Q]``. Papernot et al. (2018), algorithm 1."""
    log_p_Q: FloatArray = log_ndtr((np.max(counts_QC, axis=1) - threshold) / sigma)
    return log_p_Q


def gnmax_rdp(log_q_Q: FloatArray, sigma: float, orders_A: FloatArray) -> FloatArray:
    """RDP of one GNMax release from a bound on ``q = P[answer != plurality]``, shape ``[Q, A]``, nats.

    With ``mu2 = sigma sqrt(log(1/q))``, ``mu1 = mu2 + 1`` and ``eps_i = mu_i / sigma^2``::

        rdp = log( (1-q) A^(alpha-1) + q B^(alpha-1) ) / (alpha-1)
        A = (1-q) / (1 - (q e^eps2)^((mu2-1)/mu2)),   B = e^eps1 / q^(1/(mu1-1))

    where it applies, never above ``alpha / sigma^2``. Papernot et al. (2018), theorem 6 and proposition 10. It
    bounds ``D(M(D) || M(D'))`` for the data set ``D`` whose votes gave ``q``, in this direction only.
    """
    orders_A = np.asarray(orders_A, dtype=np.float64)
    log_q_Q1, variance = np.asarray(log_q_Q, dtype=np.float64)[:, None], sigma**2
    plain_QA = np.broadcast_to(orders_A / variance, (len(log_q_Q1), len(orders_A)))
    fixed_Q1 = np.isneginf(log_q_Q1)
    mu2_Q1 = np.sqrt(variance * -np.where(fixed_Q1, -1.0, log_q_Q1))
    eps1_Q1, eps2_Q1 = (mu2_Q1 + 1) / variance, mu2_Q1 / variance
    within_Q1 = (mu2_Q1 > 1) & (-log_q_Q1 > eps2_Q1) & ~fixed_Q1
    mu2_Q1 = np.where(within_Q1, mu2_Q1, 2.0)  # any value at which the lines below are defined
    log_q_Q1 = np.where(within_Q1, log_q_Q1, -1.0 - eps2_Q1)
    limit_Q1 = (mu2_Q1 - 1) * eps2_Q1 - mu2_Q1 * (np.log1p(1 / mu2_Q1) + np.log1p(1 / (mu2_Q1 - 1)))
    log_keep_Q1 = log1mexp(log_q_Q1)
    log_a_Q1 = log_keep_Q1 - log1mexp((log_q_Q1 + eps2_Q1) * (1 - 1 / mu2_Q1))
    log_b_Q1 = eps1_Q1 - log_q_Q1 / mu2_Q1
    bound_QA = np.logaddexp(log_keep_Q1 + (orders_A - 1) * log_a_Q1, log_q_Q1 + (orders_A - 1) * log_b_Q1)
    applies_QA = within_Q1 & (log_q_Q1 <= limit_Q1) & (mu2_Q1 + 1 > orders_A)
    rdp_QA = np.where(applies_QA, np.minimum(plain_QA, bound_QA / (orders_A - 1)), plain_QA)
    return np.where(fixed_Q1, 0.0, np.maximum(rdp_QA, 0.0))


def threshold_rdp(log_answered_Q: FloatArray, sigma: float, orders_A: FloatArray) -> FloatArray:
    """RDP of one threshold test from ``log P[answered]``, shape ``[Q, A]``: the bound of ``gnmax_rdp`` at
    ``sqrt(2) sigma`` (one count moves instead of two) with ``q`` the rarer outcome. Papernot et al. (2018),
    section 4.2.
    """
    log_p_Q = np.asarray(log_answered_Q, dtype=np.float64)
    return gnmax_rdp(np.minimum(log_p_Q, log1mexp(log_p_Q)), float(np.sqrt(2.0) * sigma), orders_A)


def lnmax_rdp(log_q_Q: FloatArray, scale: float, orders_A: FloatArray) -> FloatArray:
    """RDP of one LNMax release from a bound on ``q``, shape ``[Q, A]``: the smallest of ``eps = 2 / scale``,
    ``alpha eps^2 / 2`` and, for ``q <= 1 / (1 + e^eps)``,
    ``log( (1-q) ((1-q) / (1 - q e^eps))^(alpha-1) + q e^(eps (alpha-1)) ) / (alpha-1)``.
    Papernot et al. (2017), theorem 3; Bun and Steinke (2016), proposition 3.3.
    """
    orders_A, eps = np.asarray(orders_A, dtype=np.float64), 2.0 / scale
    log_q_Q1 = np.asarray(log_q_Q, dtype=np.float64)[:, None]
    applies_Q1 = log_q_Q1 <= -np.logaddexp(0.0, eps)
    log_q_Q1 = np.where(applies_Q1, log_q_Q1, -1.0 - eps)
    log_keep_Q1 = log1mexp(log_q_Q1)
    stay_QA = log_keep_Q1 + (orders_A - 1) * (log_keep_Q1 - log1mexp(log_q_Q1 + eps))
    bound_QA = np.logaddexp(stay_QA, log_q_Q1 + (orders_A - 1) * eps) / (orders_A - 1)
    rdp_QA: FloatArray = np.minimum(np.where(applies_Q1, bound_QA, np.inf), np.minimum(eps, orders_A * eps**2 / 2))
    return rdp_QA


def confident_gnmax_expected_rdp(
    counts_QC: FloatArray, *, threshold: float, sigma_threshold: float, sigma: float, orders_A: FloatArray
) -> FloatArray:
    """Expected cost of Confident-GNMax as the 2018 analysis reports it, shape ``[Q, A]``: the bound of the
    threshold test plus ``P[answered]`` times the bound of the argmax. An expectation over the refusals, not a bound.
    """
    log_p_Q = log_answered(counts_QC, threshold, sigma_threshold)
    argmax_QA = gnmax_rdp(log_q_gnmax(counts_QC, sigma), sigma, orders_A)
    return threshold_rdp(log_p_Q, sigma_threshold, orders_A) + np.exp(log_p_Q)[:, None] * argmax_QA


def _gaps(counts_QC: FloatArray) -> FloatArray:
    """Votes by which each rival trails the plurality, one copy of the top left out. Shape ``[Q, C-1]``."""
    sorted_QC = np.sort(np.asarray(counts_QC, dtype=np.float64), axis=1)
    gaps_QR: FloatArray = sorted_QC[:, -1:] - sorted_QC[:, :-1]
    return gaps_QR


def _capped(log_q_Q: FloatArray, classes: int) -> FloatArray:
    capped_Q: FloatArray = np.minimum(log_q_Q, np.log1p(-1.0 / classes))
    return capped_Q

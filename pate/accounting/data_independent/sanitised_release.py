"""Renyi-DP of showing a data-dependent number with noise scaled to its smooth sensitivity.

The noise is integer noise of the discrete Gaussian on public grids: the number is rounded to multiples of
``floor / 16`` nats, ``ln S`` to multiples of ``beta / 64``.
"""

from __future__ import annotations

import math

import numpy as np

from pate.accounting.events import SanitisedReleaseEvent
from pate.arrays import FloatArray

STEPS_PER_FLOOR, STEPS_PER_BETA = 16, 64
"""Steps of the two grids in ``floor`` and in ``beta``."""
BETA_ROUNDING = 1e-9
"""Covers float64 errors of the smooth sensitivity itself."""


def sanitised_release_rdp(event: SanitisedReleaseEvent, orders_A: FloatArray) -> FloatArray:
    """RDP of the estimate and of ``ln S`` together, shape ``[A]``, nats; infinite from the order on where the two
    Gaussians of the estimate have an infinite divergence.

    The estimate costs ``scaled_gaussian_rdp`` plus the difference between sums over the grid and integrals; ``ln S``,
    whose grid value moves by at most 65 steps of ``beta / 64``, costs ``alpha (65 beta / 64)^2 / (2 tau_s^2)``
    (Canonne, Kamath, Steinke 2020, theorem 4).
    """
    orders_A = np.asarray(orders_A, dtype=np.float64)
    cost_A = scaled_gaussian_rdp(event.beta + BETA_ROUNDING, event.sigma_ss, orders_A)
    steps = STEPS_PER_FLOOR * event.sigma_ss  # the smallest standard deviation, in steps of the grid
    wave_A = 2 * math.pi**2 * steps**2 / orders_A
    lattice_A = np.where(wave_A < 5, np.inf, 2.1 * np.exp(-wave_A) / (orders_A - 1)) + 2.1 * np.exp(-wave_A * orders_A)
    shift = event.beta * (STEPS_PER_BETA + 1) / STEPS_PER_BETA
    total_A: FloatArray = cost_A + lattice_A + orders_A * shift**2 / (2 * event.tau_s**2)
    return total_A


def scaled_gaussian_rdp(beta: float, sigma_ss: float, orders_A: FloatArray) -> FloatArray:
    """The largest divergence between ``N(f, (S sigma_ss)^2)`` and ``N(f', (S' sigma_ss)^2)`` over all
    ``|f - f'| <= min(S, S')`` and ``|ln S - ln S'| <= beta``, shape ``[A]``, nats::

        alpha / (2 sigma_ss^2 kappa) - beta - log(kappa) / (2 (alpha - 1)),   kappa = alpha - (alpha - 1) e^(2 beta)

    infinite where ``kappa <= 0``. Proof: docs/explanation/accounting_data_dependent.md.
    """
    orders_A = np.asarray(orders_A, dtype=np.float64)
    kappa_A = 1 - (orders_A - 1) * math.expm1(2 * beta)
    safe_A = np.where(kappa_A > 0, kappa_A, 1.0)
    cost_A = orders_A / (2 * sigma_ss**2 * safe_A) - beta - np.log(safe_A) / (2 * (orders_A - 1))
    return np.where(kappa_A > 0, cost_A, np.inf)

"""Local sensitivities by distance, made smooth."""

from __future__ import annotations

import numpy as np

from pate.arrays import FloatArray


def smooth_sensitivity(sensitivities_D: FloatArray, beta: float) -> float:
    """``max_d e^(-beta d) LS_d``, nats. Nissim, Raskhodnikova, Smith (2007), definition 2.2."""
    return float(np.max(np.exp(-beta * np.arange(len(sensitivities_D))) * sensitivities_D, initial=0.0))

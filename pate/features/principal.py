"""Principal components of public features: the directions in which the pool differs most."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from pate.features.requirements import require_components

_LEAST = 0.05  # of the features' typical deviation: limits the scaling of a feature that hardly varies over the pool


def principal_components(features_MD: Tensor, count: int) -> Tensor:
    """Rows that take features, less their means, to their principal components over the pool (Pearson 1901).

    Each feature is divided by its deviation first. The sign of a row makes its largest weight positive, so that the
    same pool gives the same rows. Deterministic.

    Args:
        features_MD: of public inputs. Shape ``[M, D]``.
        count: K, how many components, the one with the largest variance first.

    Returns:
        Shape ``[K, D]``, float32.

    Raises:
        InputError: more components than features or inputs.
    """
    values = features_MD.detach().cpu().numpy().astype(np.float64)
    require_components(count, values.shape[1], values.shape[0])
    deviations_D = values.std(axis=0)
    deviations_D += _LEAST * np.sqrt((deviations_D**2).mean()) + np.finfo(np.float32).tiny
    standard = (values - values.mean(axis=0)) / deviations_D
    width = standard.shape[1]
    _, vectors = scipy.linalg.eigh(standard.T @ standard, subset_by_index=(width - count, width - 1))
    rows = vectors[:, ::-1].T
    rows *= np.sign(rows[np.arange(count), np.abs(rows).argmax(axis=1)])[:, None]
    return torch.from_numpy((rows / deviations_D).astype(np.float32))

"""Choice of the queries: from the public pool alone, before the first vote."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from pate.errors import expected
from pate.randomness import derive_seed, generator

_ITERATIONS = 50
_COMPONENTS = 40


def random_queries(inputs: int, count: int, seed: int) -> list[int]:
    """``count`` different positions in ``0..inputs-1``, uniformly, in random order.

    Raises:
        InputError: more than there are.
    """
    _require(inputs, count)
    chosen: list[int] = generator(seed, "queries").permutation(inputs)[:count].tolist()
    return chosen


def central_queries(features_MD: npt.NDArray[np.float32], count: int, seed: int) -> list[int]:
    """The input nearest to each of ``count`` k-means centres of the pool's features, in random order.

    The centres spread over the pool, so few labels cover all of it; and an input at a centre is typical
    of its surroundings, so teachers agree on it more often than on a random one. Only the pool is used, so both
    data-independent and data-dependent accounts stay valid.

    Args:
        features_MD: of the public pool, from an encoder or the inputs themselves; distances are measured along their
            40 principal directions. Shape ``[M, D]``.
        count: inputs to choose, at most M.
        seed: of the first centres and of the order.

    Raises:
        InputError: more than there are.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - takes seconds to import
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    _require(len(features_MD), count)
    features_MD = _principal(features_MD)
    start = derive_seed(seed, "centres") % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal inputs give fewer centres; filled up below
        fitted = KMeans(n_clusters=count, n_init=1, max_iter=_ITERATIONS, random_state=start).fit(features_MD)
    distance_M = ((features_MD - fitted.cluster_centers_[fitted.labels_]) ** 2).sum(axis=1)
    order_M = np.lexsort((distance_M, fitted.labels_))
    _, first = np.unique(fitted.labels_[order_M], return_index=True)
    chosen = order_M[first]
    if len(chosen) < count:  # fewer different inputs than centres: fill up with the least typical of the others
        others = np.setdiff1d(np.argsort(-distance_M, kind="stable"), chosen, assume_unique=True)
        chosen = np.concatenate([chosen, others[: count - len(chosen)]])
    shuffled: list[int] = generator(seed, "queries").permutation(chosen).tolist()
    return shuffled


def _principal(features_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Projected on the directions of largest variance, which noise in many small features does not reach."""
    centred = (features_MD - features_MD.mean(axis=0)).astype(np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    projected: npt.NDArray[np.float32] = (centred @ directions[:, ::-1][:, :_COMPONENTS]).astype(np.float32)
    return projected


def _require(inputs: int, count: int) -> None:
    if not 1 <= count <= inputs:
        raise expected(f"1 <= max_asked <= {inputs}, the size of the public pool", "ask fewer", max_asked=count)

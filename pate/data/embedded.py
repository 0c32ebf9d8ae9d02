"""The embedded data set: scikit-learn's handwritten digits (Alpaydin, Kaynak 1998), no network needed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pate.arrays import IdArray, IntArray
from pate.data.records import Benchmark, EvaluationSet, FloatArray, PrivateRecords, PublicPool, Study
from pate.errors import expected
from pate.public_sets import recognise
from pate.randomness import generator

DIGITS = 1797
MAX_PIXEL = 16.0


def digits_study(*, private: int, pool: int, evaluation: int, hospitals: int, skew: float, seed: int) -> Study:
    """1,797 images of 8x8 pixels in 10 classes, split at random, the private part held by simulated hospitals.

    Args:
        private: private records.
        pool: public inputs.
        evaluation: evaluation records.
        hospitals: simulated hospitals; sizes are unequal (shares 1, 2, 3, ...).
        skew: 0 for identical hospitals; towards 1 each has mostly its own classes.
        seed: seed of the split.

    Returns:
        The study; pixels in [0, 1], inputs of shape ``[1, 8, 8]``.
    """
    if private + pool + evaluation > DIGITS:
        raise expected(
            f"private + pool + evaluation <= {DIGITS}",
            "the embedded digits hold no more",
            total=private + pool + evaluation,
        )
    pixels_u8, labels = _read_digits()
    source = recognise(pixels_u8, labels)
    if source is None:
        raise expected("scikit-learn's digits as shipped", "install an unaltered scikit-learn", records=len(labels))
    order = generator(seed, "split").permutation(DIGITS)
    images: FloatArray = (pixels_u8 / MAX_PIXEL).astype(np.float32).reshape(-1, 1, 8, 8)[order]
    labels = labels[order]
    mine, public, held = np.split(np.arange(private + pool + evaluation), [private, private + pool])
    return Study(
        task="digit",
        classes=tuple(str(name) for name in range(10)),
        private=PrivateRecords(
            features=images[mine],
            labels_N=labels[mine],
            sites_N=simulated_sites(labels[mine], sites=hospitals, skew=skew, seed=seed),
        ),
        pool=PublicPool(inputs=images[public]),
        evaluation=EvaluationSet(inputs=images[held], labels_E=labels[held]),
        benchmark=Benchmark(source=source, pool_labels_M=labels[public]),
    )


def _read_digits() -> tuple[npt.NDArray[np.uint8], IntArray]:
    """Pixels ``[1797, 64]`` and labels from the file inside scikit-learn, whose import would take seconds."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise expected("scikit-learn, which holds the digits", "install it: pip install scikit-learn")
    rows = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return rows[:, :-1].astype(np.uint8), rows[:, -1].astype(np.int64)


def simulated_sites(labels_N: IntArray, *, sites: int, skew: float, seed: int) -> IdArray:
    """A site name per record: unequal sites (shares 1, 2, 3, ...), optionally skewed by class.

    Args:
        labels_N: class of each record. Shape ``[N]``.
        sites: number of sites, at most the number of records.
        skew: probability that a record goes to the site that prefers its class rather than to a random one.
        seed: seed of the simulation.
    """
    if not 1 <= sites <= len(labels_N):
        raise expected("1 <= hospitals <= records", "simulate fewer", hospitals=sites)
    if not 0 <= skew <= 1:
        raise expected("0 <= skew <= 1", "0 means alike", skew=skew)
    rng = generator(seed, "sites")
    shares = np.arange(1, sites + 1) / (sites * (sites + 1) / 2)
    site_N = rng.choice(sites, size=len(labels_N), p=shares)
    preferred = rng.random(len(labels_N)) < skew
    site_N[preferred] = labels_N[preferred] % sites
    site_N[rng.permutation(len(labels_N))[:sites]] = np.arange(sites)
    width = len(str(sites))
    return np.array([f"hospital_{site + 1:0{width}d}" for site in site_N])

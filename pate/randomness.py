"""Seeds for training, OS entropy for privacy; the two never meet.

Everything that must be reproducible (splits, initial weights, batches, augmentation) takes a generator derived
here from the configuration's seed and a path of names. Nothing that protects privacy is derived from a seed:
the noise comes from the samplers in ``pate.aggregation.noise``, keys come from ``secret_key``.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np


def derive_seed(seed: int, *path: str | int) -> int:
    """A 63-bit seed for one purpose: SHA-256 of the base seed and the path of names.

    Different paths give independent streams, so adding a purpose never shifts another one.
    """
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """A numpy generator for training and splitting (never for privacy noise)."""
    return np.random.default_rng(derive_seed(seed, *path))


def secret_key(size: int = 32) -> bytes:
    """``size`` bytes of operating-system entropy, for keys of keyed hashes."""
    return os.urandom(size)

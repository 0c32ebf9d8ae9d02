"""The order in which a fit loop sees its records; the same for every strategy and device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def shuffled_batches(records: int, batch_size: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Index batches from successive shuffles of ``range(records)``.

    Every pass sees each record once; its last batch may be smaller than ``batch_size``.

    Args:
        records: N >= 1.
        batch_size: most records in a batch.
        steps: batches to yield.
        seed: of the shuffles.

    Yields:
        ``steps`` int64 tensors of shape ``[<= batch_size]``.
    """
    generator = torch.Generator().manual_seed(seed)
    left = steps
    while left > 0:
        order = torch.randperm(records, generator=generator)
        for start in range(0, min(records, left * batch_size), batch_size):
            yield order[start : start + batch_size]
            left -= 1

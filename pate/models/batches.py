"""Order of records in a fit loop; the same for every strategy and device."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad


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


def padded_batches(
    records: int, batch_size: int, steps: int, seed: int, *, width: int | None = None
) -> tuple[Tensor, Tensor]:
    """The same batches as ``shuffled_batches``, all at once.

    Args:
        records: N >= 1.
        batch_size: most records in a batch.
        steps: batches S.
        seed: of the shuffles.
        width: columns B, at least ``min(batch_size, records)``, which is the default.

    Returns:
        Indices ``[S, B]``, int64, padded with 0; and weights ``[S, B]``, float32: one over the batch's size, 0 on
        padding.
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(batch_size, records)
    per_pass = math.ceil(records / batch_size)
    passes = math.ceil(steps / per_pass)
    order = torch.zeros(passes, per_pass * size, dtype=torch.int64)
    order[:, :records] = torch.stack([torch.randperm(records, generator=generator) for _ in range(passes)])
    held = torch.zeros(passes, per_pass * size)
    held[:, :records] = 1.0
    padding = (0, (width or size) - size)
    index = pad(order.view(-1, size)[:steps], padding)
    weight = pad(held.view(-1, size)[:steps], padding)
    return index, weight / weight.sum(dim=1, keepdim=True)

"""Work of each slot of a stack at every update: which records, with which weights, at which rate.

A stack of T models has T slots, and every update computes all of them on arrays of the same shapes. What a slot
computes follows from its own records alone: where its batch is smaller than the stack's, or its updates are over
before those of others, it is given the zero row with weight 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from pate.models.batches import padded_batches
from pate.models.specs import TrainSpec
from pate.randomness import derive_seed

NOTHING = 0
"""The zero row, before all records: an input of zeros that no slot learns from."""
CHUNK = 64
"""Updates whose rows are prepared at once."""


@final
class Update(NamedTuple):
    """One update of T slots.

    Attributes:
        rows_TB: rows of the records concatenated after the zero row.
        weight_TB: one over the size of the slot's batch; 0 on padding.
        rate_T: learning rates; 0 where the slot's updates are over.
        last: the slots that are finished after this update.
    """

    rows_TB: Tensor
    weight_TB: Tensor
    rate_T: Tensor
    last: list[int]


@final
@dataclass(frozen=True, slots=True)
class _Course:
    """All updates of one slot: rows ``[S, B]``, weights ``[S, B]`` and rates ``[S]``."""

    rows_SB: Tensor
    weight_SB: Tensor
    rate_S: Tensor


def updates(
    sizes: Sequence[int], spec: TrainSpec, seeds: Sequence[int], device: str | torch.device
) -> Iterator[Update]:
    """The updates of a stack, as many as its longest slot has.

    Every batch is ``spec.batch_size`` wide, whatever the number of records: a width that depended on it would be
    shared by all slots.

    Args:
        sizes: per slot, its number of records, at least 1.
        spec: shared.
        seeds: per slot.
        device: of the tensors.
    """
    first_T = torch.tensor([NOTHING + 1, *sizes[:-1]]).cumsum(0).tolist()
    rates: dict[int, Tensor] = {}
    courses = [_course(size, first, spec, seed, rates) for size, first, seed in zip(sizes, first_T, seeds, strict=True)]
    lengths = [len(course.rate_S) for course in courses]
    for start in range(0, max(lengths), CHUNK):
        count = min(CHUNK, max(lengths) - start)
        rows_KTB = torch.full((count, len(sizes), spec.batch_size), NOTHING)
        weight_KTB, rate_KT = torch.zeros(rows_KTB.shape), torch.zeros(rows_KTB.shape[:2])
        for slot, course in enumerate(courses):
            stop = min(start + count, lengths[slot])
            if start < stop:
                rows_KTB[: stop - start, slot] = course.rows_SB[start:stop]
                weight_KTB[: stop - start, slot] = course.weight_SB[start:stop]
                rate_KT[: stop - start, slot] = course.rate_S[start:stop]
        rows_KTB, weight_KTB, rate_KT = rows_KTB.to(device), weight_KTB.to(device), rate_KT.to(device)
        for step in range(count):
            last = [slot for slot, length in enumerate(lengths) if length == start + step + 1]
            yield Update(rows_KTB[step], weight_KTB[step], rate_KT[step], last)


def _course(size: int, first: int, spec: TrainSpec, seed: int, rates: dict[int, Tensor]) -> _Course:
    """The updates of a slot whose records begin at row ``first``; slots of equal length share their rates."""
    steps = spec.updates(size)
    if steps not in rates:
        rates[steps] = torch.tensor([spec.rate(step, steps) for step in range(steps)])
    index_SB, weight_SB = padded_batches(
        size, spec.batch_size, steps, derive_seed(seed, "batches"), width=spec.batch_size
    )
    return _Course(torch.where(weight_SB > 0, index_SB + first, NOTHING), weight_SB, rates[steps])

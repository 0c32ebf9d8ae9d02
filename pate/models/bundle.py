"""Several models of one architecture, each fitted on its own records: one after the other, or fused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from pate.errors import expected
from pate.models.fused import fit_fused
from pate.models.specs import Strategy, TrainSpec
from pate.models.training import Loss, Records, fit, loss_of


def fit_bundle(
    models: Sequence[nn.Module],
    records: Sequence[Records],
    spec: TrainSpec,
    *,
    seeds: Sequence[int],
    loss: Loss | None = None,
    device: str | torch.device = "cpu",
    strategy: Strategy = "sequential",
) -> list[nn.Module]:
    """Fit every model on its own records, in place.

    With either strategy a model's weights are a function of its own records and seed, and of what all share (the
    number of models, its position among them, ``spec``, device and number of threads), to the last bit.

    Args:
        models: of one architecture.
        records: one per model.
        spec: shared.
        seeds: one per model.
        loss: per-record loss; cross-entropy by default.
        device: where to compute.
        strategy: ``sequential``, or ``fused``: all models in one batched computation, the same up to rounding
            (see ``pate.models.fused``); several times faster for dense models.

    Raises:
        InputError: the three sequences differ in length, or an unknown strategy.
    """
    if not len(models) == len(records) == len(seeds):
        raise expected(
            "one set of records and one seed per model",
            "give sequences of equal length",
            models=len(models),
            records=len(records),
            seeds=len(seeds),
        )
    if strategy not in ("sequential", "fused"):
        raise expected("a strategy out of ['sequential', 'fused']", "choose one", strategy=strategy)
    with _repeatable():
        if strategy == "fused":
            return fit_fused(models, records, spec, seeds=seeds, loss=loss or loss_of(spec), device=device)
        return [
            fit(model, own, spec, seed=seed, loss=loss, device=device)
            for model, own, seed in zip(models, records, seeds, strict=True)
        ]


@contextmanager
def _repeatable() -> Iterator[None]:
    """Convolutions on a GPU whose sums have one order; elsewhere without effect."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before

"""Many models of one architecture fitted as one batched computation.

Parameters of T models are stacked to ``[T, ...]``; ``torch.func.vmap`` maps the network over the stack. The
losses are summed over models, so each model's gradient is its own, and the optimisers work element by element:
the result is that of fitting one after the other, up to the order of floating-point sums.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils.rnn import pad_sequence

from pate.models.batches import shuffled_batches
from pate.models.training import Loss, Records, TrainSpec, optimiser_of, set_rate
from pate.randomness import derive_seed


def fit_fused(
    models: Sequence[nn.Module],
    records: Sequence[Records],
    spec: TrainSpec,
    *,
    seeds: Sequence[int],
    loss: Loss,
    device: str | torch.device = "cpu",
) -> list[nn.Module]:
    """Fit all models in place; see ``pate.models.training.fit_bundle``.

    Models with the same number of updates run together, so that all of one stack follow one schedule.
    """
    together: dict[int, list[int]] = defaultdict(list)
    for position, own in enumerate(records):
        together[spec.updates(len(own.labels))].append(position)
    for steps, positions in together.items():
        _fit_stack(
            [models[p] for p in positions],
            [records[p] for p in positions],
            spec,
            steps=steps,
            seeds=[seeds[p] for p in positions],
            loss=loss,
            device=device,
        )
    return [model.to(device).eval() for model in models]


def _fit_stack(
    models: list[nn.Module],
    records: list[Records],
    spec: TrainSpec,
    *,
    steps: int,
    seeds: list[int],
    loss: Loss,
    device: str | torch.device,
) -> None:
    template = models[0].to(device).train()
    stack = {
        name: torch.stack([dict(model.named_parameters())[name].detach().to(device) for model in models])
        for name, _ in template.named_parameters()
    }
    for parameter in stack.values():
        parameter.requires_grad_(True)
    inputs_TN = pad_sequence([own.inputs for own in records], batch_first=True).to(device)
    labels_TN = pad_sequence([own.labels for own in records], batch_first=True).to(device)
    teachers = torch.arange(len(models), device=device)[:, None]
    batched = vmap(lambda weights, inputs: functional_call(template, weights, (inputs,)))
    optimiser = optimiser_of(stack.values(), spec)
    for step, (index_TB, weight_TB) in enumerate(_padded_batches(records, spec, steps, seeds)):
        set_rate(optimiser, spec.rate(step, steps))
        index, weight = index_TB.to(device), weight_TB.to(device)
        logits_TBC = batched(stack, inputs_TN[teachers, index])
        losses_TB = loss(logits_TBC.flatten(0, 1), labels_TN[teachers, index].flatten()).reshape(weight.shape)
        optimiser.zero_grad()
        (losses_TB * weight).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        for position, model in enumerate(models):
            for name, parameter in model.to(device).named_parameters():
                parameter.copy_(stack[name][position])


def _padded_batches(
    records: list[Records], spec: TrainSpec, steps: int, seeds: list[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Per update: indices ``[T, B]`` and weights ``[T, B]``, 1/size on a model's own records and 0 on padding."""
    orders = [
        shuffled_batches(len(own.labels), spec.batch_size, steps, derive_seed(seed, "batches"))
        for own, seed in zip(records, seeds, strict=True)
    ]
    for batches in zip(*orders, strict=True):
        weights = [torch.full((len(batch),), 1 / len(batch)) for batch in batches]
        yield pad_sequence(list(batches), batch_first=True), pad_sequence(weights, batch_first=True)

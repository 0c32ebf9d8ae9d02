"""A slot sees its own records in its own order, at its own rates, and is stepped as if it were alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.models.batches import shuffled_batches
from pate.models.slot_optimiser import SlotOptimiser
from pate.models.slots import CHUNK, NOTHING, updates
from pate.models.specs import TrainSpec
from pate.models.training import optimiser_of, set_rate
from pate.randomness import derive_seed

SPEC = TrainSpec(epochs=2, batch_size=4, learning_rate=0.1)


@given(st.lists(st.integers(1, 11), min_size=1, max_size=5), st.sampled_from([SPEC, TrainSpec(steps=3, batch_size=4)]))
@settings(deadline=None)
def test_each_slot_sees_its_own_batches_and_then_nothing(sizes: list[int], spec: TrainSpec) -> None:
    seeds = list(range(len(sizes)))
    found = list(updates(sizes, spec, seeds, "cpu"))
    assert len(found) == max(spec.updates(size) for size in sizes)
    assert sorted(slot for update in found for slot in update.last) == seeds
    for slot, size in enumerate(sizes):
        first, steps = 1 + sum(sizes[:slot]), spec.updates(size)
        order = shuffled_batches(size, spec.batch_size, steps, derive_seed(seeds[slot], "batches"))
        for step, (batch, update) in enumerate(zip(order, found, strict=False)):
            left = spec.batch_size - len(batch)
            assert update.rows_TB[slot].tolist() == [*(batch + first).tolist(), *[NOTHING] * left]
            weights = torch.tensor([1 / len(batch)] * len(batch) + [0.0] * left)
            torch.testing.assert_close(update.weight_TB[slot], weights)
            assert update.rate_T[slot] == pytest.approx(spec.rate(step, steps))
            assert (slot in update.last) == (step == steps - 1)
        for update in found[steps:]:
            assert update.rows_TB[slot].tolist() == [NOTHING] * spec.batch_size
            assert not update.weight_TB[slot].any()
            assert update.rate_T[slot] == 0


def test_a_slot_is_the_same_beside_one_that_takes_many_pieces() -> None:
    alone = list(updates([5], SPEC, [3], "cpu"))
    beside = list(updates([5, 2 * CHUNK * SPEC.batch_size], SPEC, [3, 4], "cpu"))
    assert len(beside) > 2 * CHUNK
    for one, two in zip(alone, beside, strict=False):
        assert torch.equal(one.rows_TB[0], two.rows_TB[0])
        assert torch.equal(one.weight_TB[0], two.weight_TB[0])
        assert torch.equal(one.rate_T[0], two.rate_T[0])


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_a_slot_is_stepped_as_torch_steps_it_alone(optimiser: str, weight_decay: float) -> None:
    """Within 1e-5 after 20 steps, each slot at rates of its own."""
    spec = TrainSpec(steps=20, learning_rate=0.1, optimiser=optimiser, weight_decay=weight_decay)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    stacked = [torch.randn(3, *shape, generator=generator) for shape in ((5, 4), (1, 4), (2, 3, 3, 3))]
    rate_T = torch.tensor([0.1, 0.02, 0.3])
    gradients = [[torch.randn(value.shape, generator=generator) for value in stacked] for _ in range(20)]
    alone = [[value[slot].clone() for value in stacked] for slot in range(3)]
    ours = SlotOptimiser(stacked, spec)
    theirs = [optimiser_of(own, spec) for own in alone]
    for step, gradient in enumerate(gradients):
        rates_T = rate_T / (1 + step)
        for slot in range(3):
            for value, own in zip(alone[slot], gradient, strict=True):
                value.grad = own[slot].clone()
            set_rate(theirs[slot], float(rates_T[slot]))
            theirs[slot].step()
        for value, own in zip(stacked, gradient, strict=True):
            value.grad = own.clone()
        ours.step(rates_T)
    for slot in range(3):
        for value, own in zip(stacked, alone[slot], strict=True):
            torch.testing.assert_close(value[slot], own, rtol=1e-5, atol=1e-5)

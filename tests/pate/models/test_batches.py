"""Order of records: seeded, complete, and of the promised length."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from pate.models.batches import padded_batches, shuffled_batches


@given(st.integers(1, 40), st.integers(1, 16), st.integers(1, 30), st.integers(0, 2**62))
def test_every_pass_sees_each_record_once(records, size, steps, seed) -> None:
    batches = list(shuffled_batches(records, size, steps, seed))
    assert len(batches) == steps
    assert all(1 <= len(batch) <= size for batch in batches)
    per_pass = -(-records // size)
    for start in range(0, steps - per_pass + 1, per_pass):
        seen = torch.cat(batches[start : start + per_pass])
        assert sorted(seen.tolist()) == list(range(records))


def test_the_seed_fixes_the_order() -> None:
    first, again, other = (list(shuffled_batches(50, 8, 9, seed)) for seed in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@given(st.integers(1, 40), st.integers(1, 16), st.integers(1, 30), st.integers(0, 3))
def test_batches_all_at_once_are_the_same_batches(records, size, steps, wider) -> None:
    width = min(records, size) + wider
    index, weight = padded_batches(records, size, steps, seed=7, width=width)
    assert index.shape == weight.shape == (steps, width)
    for step, batch in enumerate(shuffled_batches(records, size, steps, 7)):
        assert index[step, : len(batch)].tolist() == batch.tolist()
        assert weight[step].tolist() == [torch.tensor(1 / len(batch)).item()] * len(batch) + [0.0] * (
            width - len(batch)
        )

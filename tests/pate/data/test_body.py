"""Division of a body of records: exact, by whole groups, and only where it is allowed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pate.data.body import Body, Split, SplitBy, divide, draw, groups
from pate.errors import InputError, PrivacyViolation


def body(count: int, *, units: int = 10, sites: int = 4) -> Body:
    rng = np.random.default_rng(count)
    return Body(
        rows=np.arange(count, dtype=np.float32)[:, None],
        labels_N=rng.integers(0, 2, count),
        units_N=np.array([f"u{i}" for i in rng.integers(0, units, count)]),
        sites_N=np.array([f"s{i}" for i in rng.integers(0, sites, count)]),
    )


def rows(part: Body) -> set[float]:
    return set(part.array()[:, 0].tolist())


@given(
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=30),
    wanted=st.lists(st.integers(1, 20), min_size=1, max_size=2),
    order=st.randoms(use_true_random=False),
)
def test_parts_have_the_exact_sizes_and_no_group_stands_on_two_sides(sizes, wanted, order) -> None:
    groups_N = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order_G = np.array(order.sample(range(len(sizes)), len(sizes)))
    try:
        parts = draw(groups_N, wanted, order_G)
    except InputError:
        return
    assert [len(part) for part in parts[:-1]] == wanted
    seen = [set(groups_N[part]) for part in parts]
    assert all(not (a & b) for i, a in enumerate(seen) for b in seen[i + 1 :])
    drawn = [group for group in order_G.tolist() if group in seen[0]]
    assert drawn == order_G[: len(drawn)].tolist()


def test_too_few_records_are_refused_with_the_key() -> None:
    with pytest.raises(InputError, match=r"at least 30 public records, got found=20; lower data\.evaluation"):
        draw(np.arange(25), [5, 30], np.arange(25))


def test_without_public_files_a_benchmark_is_divided_and_other_data_are_refused() -> None:
    mine = body(100)
    with pytest.raises(PrivacyViolation, match=r"data\.pool_files"):
        divide(mine, None, None, split=Split(), sizes=(20, 10), public=False)
    for split, public in ((Split(by="unit"), True), (Split(by="unit", records_may_be_published=True), False)):
        parts = divide(mine, None, None, split=split, sizes=(20, 10), public=public)
        assert (len(parts.pool), len(parts.evaluation)) == (20, 10)
        units = [set(part.units_N) for part in (parts.private, parts.pool, parts.evaluation)]
        assert len(set.union(*units)) == sum(len(unit) for unit in units)


def test_public_files_alone_give_pool_and_evaluation() -> None:
    mine, public = body(50), body(40)
    parts = divide(mine, public, None, split=Split(), sizes=(20, 10), public=False)
    assert parts.private is mine
    assert rows(parts.pool) | rows(parts.evaluation) <= rows(public)
    assert not rows(parts.pool) & rows(parts.evaluation)
    held = body(12)
    parts = divide(mine, public, held, split=Split(), sizes=(40, 12), public=False)
    assert rows(parts.pool) == rows(public)
    assert rows(parts.evaluation) == rows(held)


def test_a_split_by_units_needs_units() -> None:
    plain = Body(rows=np.zeros((3, 1), dtype=np.float32), labels_N=np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match=r"declare data\.unit"):
        groups(plain, "unit")


def test_groups_are_numbered_by_first_appearance() -> None:
    ids = Body(
        rows=np.zeros((5, 1), dtype=np.float32),
        labels_N=np.zeros(5, dtype=np.int64),
        sites_N=np.array(["z", "a", "z", "m", "a"]),
    )
    assert groups(ids, "site").tolist() == [0, 1, 0, 2, 1]


@given(st.integers(0, 29), st.sampled_from(["unit", "record"]), st.integers(0, 3))
def test_a_unit_that_stays_private_moves_no_other_whether_it_is_there_or_not(unit: int, by: SplitBy, seed: int) -> None:
    whole = body(200, units=30)
    split = Split(by=by, seed=seed, records_may_be_published=True)
    rest = whole.take(np.flatnonzero(whole.units_N != f"u{unit}"))
    with_it, without = (divide(b, None, None, split=split, sizes=(40, 20), public=False) for b in (whole, rest))
    if any(f"u{unit}" in set(part.units_N) for part in (with_it.pool, with_it.evaluation)):
        return  # public, and protected by nothing
    assert rows(with_it.pool) == rows(without.pool)
    assert rows(with_it.evaluation) == rows(without.evaluation)
    assert rows(with_it.private) - rows(without.private) <= rows(
        whole.take(np.flatnonzero(whole.units_N == f"u{unit}"))
    )

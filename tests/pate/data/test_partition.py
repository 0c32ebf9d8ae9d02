"""Partitions are disjoint, complete, and move as little as promised between neighbours."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from pate.data import PrivateRecords, partition
from pate.data.origin import Origin
from pate.data.partition import site_shares
from pate.errors import InputError


def records(n: int, *, units: list[str] | None = None, sites: list[str] | None = None, seed: int = 0) -> PrivateRecords:
    rng = np.random.default_rng(seed)
    return PrivateRecords(
        features=rng.normal(size=(n, 3)).astype(np.float32),
        labels_N=rng.integers(0, 3, n),
        units_N=None if units is None else np.array(units),
        sites_N=None if sites is None else np.array(sites),
    )


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 5))
def test_without_ids_every_record_has_one_teacher_and_sizes_are_balanced(n: int, teachers: int, seed: int) -> None:
    parts = partition(records(n), teachers=teachers, by="random", seed=seed)
    sizes = np.bincount(parts.teacher_of_N, minlength=teachers)
    assert sizes.sum() == n
    assert sizes.max() - sizes.min() <= 1


def test_with_ids_teachers_are_uniform_and_independent() -> None:
    """The chi-squared statistic of 20,000 ids over 50 teachers; a false failure is below 1e-6."""
    units = [f"p{i}" for i in range(20_000)]
    sizes = np.bincount(partition(records(20_000, units=units), teachers=50, by="unit", seed=0).teacher_of_N)
    statistic = float(((sizes - 400) ** 2 / 400).sum())
    assert chi2.sf(statistic, 49) > 1e-6
    skewed = np.array([500, 300] * 25)
    assert chi2.sf(float(((skewed - 400) ** 2 / 400).sum()), 49) < 1e-6


def test_the_same_seed_gives_the_same_partition_and_another_another() -> None:
    one, two, three = (partition(records(50), teachers=5, by="random", seed=s).teacher_of_N for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


@given(st.lists(st.integers(0, 9), min_size=10, max_size=30), st.randoms(use_true_random=False))
def test_with_ids_the_order_of_rows_does_not_matter(ids: list[int], random: Random) -> None:
    data = records(len(ids), units=[f"p{i}" for i in ids])
    order = list(range(len(ids)))
    random.shuffle(order)
    parts = [contents(one, teachers=4, by="unit", seed=3) for one in (data, data.take(np.array(order)))]
    assert parts[0] == parts[1]


@given(st.lists(st.integers(0, 8), min_size=12, max_size=40))
def test_all_records_of_a_unit_go_to_one_teacher(ids: list[int]) -> None:
    units = [f"p{i}" for i in ids]
    parts = partition(records(len(ids), units=units), teachers=4, by="unit", seed=0)
    for unit in set(units):
        rows = [row for row, name in enumerate(units) if name == unit]
        assert len(set(parts.teacher_of_N[rows])) == 1
    assert parts.partitions_per_unit == 1


def changed(data: PrivateRecords, unit: str, how: str) -> PrivateRecords:
    """The records after one unit was changed."""
    own = np.flatnonzero(data.units_N == unit)
    if how == "withdrawn":
        return data.take(np.flatnonzero(data.units_N != unit))
    if how == "first withdrawn":
        return data.take(np.delete(np.arange(len(data)), own[:1]))
    if how == "moved to the end":
        return data.take(np.concatenate([np.flatnonzero(data.units_N != unit), own]))
    features, labels_N = data.features.copy(), data.labels_N.copy()
    features[own] += 100
    labels_N[own] = (labels_N[own] + 1) % 3
    if how == "duplicate of another":
        features[own], labels_N[own] = data.features[0], data.labels_N[0]
    return PrivateRecords(features=features, labels_N=labels_N, units_N=data.units_N, sites_N=data.sites_N)


HOW = ("withdrawn", "first withdrawn", "moved to the end", "other values", "duplicate of another")


def contents(data: PrivateRecords, **arguments: object) -> list[list[bytes]]:
    """For each teacher the records that it holds, in any order."""
    parts = partition(data, **arguments)  # type: ignore[arg-type]
    keys = data.content_keys()
    return [sorted(keys[row] for row in parts.rows(teacher)) for teacher in range(parts.teachers)]


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 9), min_size=10, max_size=30), st.integers(0, 9), st.integers(0, 3), st.sampled_from(HOW)
)
def test_one_units_records_reach_one_teacher_whatever_becomes_of_them(
    ids: list[int], unit: int, seed: int, how: str
) -> None:
    """The neighbouring relation that the accounting stands on; withdrawal read backwards is addition."""
    data = records(len(ids), units=[f"p{i}" for i in ids], sites=["a" if i % 3 else "b" for i in ids])
    shares = site_shares(["a", "b"], teachers=8)
    other = changed(data, f"p{unit}", how)
    for more in ({"by": "unit"}, {"by": "site", "sites": shares}):
        before, after = (contents(d, teachers=8, seed=seed, **more) for d in (data, other))
        assert sum(a != b for a, b in zip(before, after, strict=True)) <= 1


@settings(max_examples=100)
@given(st.integers(1, 40), st.integers(0, 39), st.integers(0, 3), st.booleans())
def test_without_ids_one_position_reaches_one_teacher(n: int, row: int, seed: int, blank: bool) -> None:
    data = records(n)
    row %= n
    rest = np.delete(np.arange(n), row)
    if blank:
        origin = Origin(positions_N=rest, raw=tuple((key,) for key in data.take(rest).content_keys()))
        other = PrivateRecords(features=data.features[rest], labels_N=data.labels_N[rest], origin=origin)
    else:
        features = data.features.copy()
        features[row] = data.features[0]  # perhaps a duplicate of another
        other = PrivateRecords(features=features, labels_N=data.labels_N)
    more = {"teachers": 5, "by": "random", "seed": seed, "equal_records": "different_units"}
    before, after = (contents(d, **more) for d in (data, other))
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 1


def test_equal_records_without_ids_are_one_unit_that_may_not_sit_with_two_teachers() -> None:
    base = records(20)
    doubled = PrivateRecords(
        features=np.concatenate([base.features, base.features[:7]]),
        labels_N=np.concatenate([base.labels_N, base.labels_N[:7]]),
    )
    with pytest.raises(InputError, match="in at most") as error:
        partition(doubled, teachers=10, by="random", seed=3)
    assert "row 0 of file 0" in str(error.value.private_detail)
    assert partition(doubled, teachers=10, by="random", seed=3, group_size=2).partitions_per_unit == 2
    apart = partition(doubled, teachers=10, by="random", seed=3, equal_records="different_units")
    assert apart.partitions_per_unit == 1


def test_teachers_stay_within_a_site_and_sites_share_them_by_public_numbers() -> None:
    sites = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    for declared, wanted in ((None, [4, 3, 3]), ({"a": 6, "b": 3, "c": 1}, [6, 3, 1])):
        shares = site_shares(["a", "b", "c"], teachers=10, declared=declared)
        parts = partition(records(100, sites=sites), teachers=10, by="site", seed=0, sites=shares)
        home = {teacher: {sites[row] for row in parts.rows(teacher)} for teacher in range(10)}
        assert all(len(names) == 1 for names in home.values())
        assert [sum(names == {site} for names in home.values()) for site in "abc"] == wanted


def test_a_listed_site_without_records_keeps_its_teachers_and_an_unlisted_one_is_refused() -> None:
    shares = site_shares(["x", "y", "z"], teachers=3)
    parts = partition(records(3, sites=["x", "z", "x"]), teachers=3, by="site", seed=9, sites=shares)
    assert parts.teacher_of_N.tolist() == [0, 2, 0]
    with pytest.raises(InputError, match="listed sites") as error:
        partition(records(2, sites=["x", "CANARY"]), teachers=3, by="site", seed=9, sites=shares)
    assert "CANARY" not in str(error.value)
    assert "CANARY" in str(error.value.private_detail)


def test_a_unit_at_two_sites_is_refused_without_its_name() -> None:
    data = records(4, units=["anna", "bert", "anna", "carl"], sites=["x", "x", "y", "y"])
    more = {"teachers": 2, "by": "site", "seed": 0, "sites": site_shares(["x", "y"], teachers=2)}
    with pytest.raises(InputError, match=r"group_size=1") as error:
        partition(data, **more)
    assert "anna" not in str(error.value)
    assert "anna" in str(error.value.private_detail)
    assert partition(data, **more, group_size=2).partitions_per_unit == 2


def test_a_unit_in_two_writings_is_one_unit_with_one_teacher() -> None:
    units = ["X9", "x9", *(f"p{i}" for i in range(30))]
    dealt = partition(records(32, units=units), teachers=32, by="unit", seed=1).teacher_of_N
    assert dealt[0] == dealt[1]
    assert len(set(dealt.tolist())) > 10


@pytest.mark.parametrize(
    ("by", "sites", "message"),
    [
        ("unit", None, "unit ids"),
        ("site", None, "sites exactly"),
        ("site", site_shares(["a"], teachers=2), "sites"),
    ],
)
def test_impossible_partitions_are_refused(by, sites, message: str) -> None:
    with pytest.raises(InputError, match=message):
        partition(records(20), teachers=2, by=by, seed=0, sites=sites)


@pytest.mark.parametrize(
    ("names", "teachers", "declared"),
    [
        (["a", "b", "c"], 2, None),
        (["a", "a"], 2, None),
        ([], 2, None),
        (["a", "b"], 3, {"a": 1, "b": 1}),
        (["a", "b"], 3, {"a": 3}),
        (["a", "b"], 3, {"a": 3, "b": 0}),
    ],
)
def test_impossible_shares_are_refused(names: list[str], teachers: int, declared: dict[str, int] | None) -> None:
    with pytest.raises(InputError):
        site_shares(names, teachers=teachers, declared=declared)


def test_label_skew_makes_teachers_differ_in_their_classes() -> None:
    data = records(600)

    def largest_share(skew: float | None) -> float:
        parts = partition(data, teachers=10, by="random", seed=0, label_skew=skew)
        shares = [np.bincount(data.labels_N[parts.rows(t)], minlength=3) for t in range(10)]
        return float(np.mean([s.max() / s.sum() for s in shares if s.any()]))

    assert largest_share(0.1) > largest_share(None) + 0.2


def test_the_manifest_names_content_by_hash_only() -> None:
    data = records(10, units=[f"patient-{i}" for i in range(10)])
    text = partition(data, teachers=3, by="unit", seed=0).manifest(data)
    assert "patient" not in text
    assert [part["teacher"] for part in json.loads(text)["partitions"]] == [0, 1, 2]

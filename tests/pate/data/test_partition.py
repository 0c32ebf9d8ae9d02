"""Partitions are disjoint, complete, and move as little as promised between neighbours."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.data import PrivateRecords, partition
from pate.errors import InputError


def records(n: int, *, units: list[str] | None = None, sites: list[str] | None = None, seed: int = 0) -> PrivateRecords:
    rng = np.random.default_rng(seed)
    return PrivateRecords(
        features=rng.normal(size=(n, 3)).astype(np.float32),
        labels_N=rng.integers(0, 3, n),
        units_N=None if units is None else np.array(units),
        sites_N=None if sites is None else np.array(sites),
    )


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_every_record_has_one_teacher_and_sizes_are_balanced(n: int, teachers: int, seed: int) -> None:
    if teachers > n:
        return
    parts = partition(records(n), teachers=teachers, by="random", seed=seed)
    sizes = np.bincount(parts.teacher_of_N, minlength=teachers)
    assert sizes.sum() == n
    assert sizes.max() - sizes.min() <= 1


def test_the_same_seed_gives_the_same_partition_and_another_another() -> None:
    one, two, three = (partition(records(50), teachers=5, by="random", seed=s).teacher_of_N for s in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, three)


@given(st.lists(st.integers(0, 8), min_size=12, max_size=40))
def test_all_records_of_a_unit_go_to_one_teacher(ids: list[int]) -> None:
    units = [f"p{i}" for i in ids]
    parts = partition(records(len(ids), units=units), teachers=min(4, len(set(ids))), by="unit", seed=0)
    for unit in set(units):
        rows = [row for row, name in enumerate(units) if name == unit]
        assert len(set(parts.teacher_of_N[rows])) == 1
    assert parts.partitions_per_unit == 1


@settings(max_examples=60)
@given(st.lists(st.integers(0, 9), min_size=10, max_size=30), st.integers(0, 9), st.integers(0, 3))
def test_changing_one_units_records_changes_one_partition(ids: list[int], changed: int, seed: int) -> None:
    """The neighbouring relation that the accounting stands on."""
    units = [f"p{i}" for i in ids]
    teachers = min(4, len(set(ids)))
    before = records(len(ids), units=units)
    features = before.features.copy()
    features[[row for row, i in enumerate(ids) if i == changed]] += 100
    after = PrivateRecords(features=features, labels_N=before.labels_N, units_N=before.units_N)
    parts = [partition(r, teachers=teachers, by="unit", seed=seed) for r in (before, after)]
    manifests = [json.loads(p.manifest(r))["partitions"] for p, r in zip(parts, (before, after), strict=True)]
    differing = [a for a, b in zip(*manifests, strict=True) if a != b]
    assert len(differing) <= 1


def test_identical_records_without_ids_go_to_one_teacher() -> None:
    base = records(20)
    doubled = PrivateRecords(
        features=np.concatenate([base.features, base.features[:7]]),
        labels_N=np.concatenate([base.labels_N, base.labels_N[:7]]),
    )
    parts = partition(doubled, teachers=10, by="random", seed=3)
    assert np.array_equal(parts.teacher_of_N[:7], parts.teacher_of_N[20:])


def test_teachers_stay_within_a_site_and_sites_share_by_size() -> None:
    sites = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    parts = partition(records(100, sites=sites), teachers=10, by="site", seed=0)
    home = {teacher: {sites[row] for row in parts.rows(teacher)} for teacher in range(10)}
    assert all(len(names) == 1 for names in home.values())
    per_site = [sum(names == {site} for names in home.values()) for site in "abc"]
    assert per_site == [6, 3, 1]


def test_one_teacher_per_site() -> None:
    sites = ["x", "y", "x", "z"]
    parts = partition(records(4, sites=sites), teachers=3, by="site", seed=9)
    assert parts.teacher_of_N[0] == parts.teacher_of_N[2]
    assert len(set(parts.teacher_of_N)) == 3


def test_a_unit_at_two_sites_is_refused_with_a_count_and_without_its_name() -> None:
    data = records(4, units=["anna", "bert", "anna", "carl"], sites=["x", "x", "y", "y"])
    with pytest.raises(InputError, match=r"1 units in up to 2.*group_size: 2") as error:
        partition(data, teachers=2, by="site", seed=0)
    assert "anna" not in str(error.value)
    assert "anna" in str(error.value.private_detail)
    assert partition(data, teachers=2, by="site", seed=0, group_size=2).partitions_per_unit == 2


@pytest.mark.parametrize(
    ("by", "teachers", "message"),
    [
        ("random", 21, "no more teachers than groups"),
        ("unit", 2, "unit ids"),
        ("site", 2, "sites"),
    ],
)
def test_impossible_partitions_are_refused(by, teachers: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        partition(records(20), teachers=teachers, by=by, seed=0)


def test_label_skew_makes_teachers_differ_in_their_classes() -> None:
    data = records(600)

    def largest_share(skew: float | None) -> float:
        parts = partition(data, teachers=10, by="random", seed=0, label_skew=skew)
        shares = [np.bincount(data.labels_N[parts.rows(t)], minlength=3) for t in range(10)]
        return float(np.mean([s.max() / s.sum() for s in shares]))

    assert largest_share(0.1) > largest_share(None) + 0.2


def test_the_manifest_names_content_by_hash_only() -> None:
    data = records(10, units=[f"patient-{i}" for i in range(10)])
    text = partition(data, teachers=3, by="unit", seed=0).manifest(data)
    assert "patient" not in text
    assert [part["teacher"] for part in json.loads(text)["partitions"]] == [0, 1, 2]

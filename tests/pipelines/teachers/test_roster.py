"""Bundles stay within a site; too few sites or teachers stop a run, whoever is merely unlucky in its data does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pate.errors import QuorumLost
from pipelines.config.infrastructure import FaultsConfig
from pipelines.teachers.roster import Plan, Roster, make_bundles, require_quorum

sites = st.lists(st.sampled_from(["north", "south", None]), min_size=1, max_size=60)


@given(sites, st.integers(1, 30), st.integers(1, 8))
def test_every_teacher_is_in_one_bundle_of_its_own_site(where: list[str | None], size: int, slots: int) -> None:
    bundles, at = make_bundles(where, size=size, slots=slots)
    assert sorted(teacher for bundle in bundles for teacher in bundle) == list(range(len(where)))
    assert all({where[teacher] for teacher in bundle} == {site} for bundle, site in zip(bundles, at, strict=True))
    assert max(len(bundle) for bundle in bundles) <= size


def test_bundles_are_small_enough_that_no_core_is_idle() -> None:
    assert [len(bundle) for bundle in make_bundles([None] * 50, size=50, slots=4)[0]] == [13, 13, 13, 11]
    assert [len(bundle) for bundle in make_bundles([None] * 50, size=5, slots=4)[0]] == [5] * 10


PLAN = Plan(bundles=[[0, 1], [2], [3, 4], [5]], sites=["a", "a", "b", "c"], strategy="fused", threads=1, device="cpu")


@pytest.mark.parametrize(
    ("faults", "present", "refused"),
    [
        ({}, {0, 1, 2, 3}, None),
        ({}, {0, 2, 3}, "teachers"),
        ({}, {0, 1, 2}, "sites"),
        ({"quorum_sites": 2}, {0, 2}, None),
        ({"quorum_sites": 2}, {0, 1}, "sites"),
        ({"quorum_sites": 2, "quorum_teachers": 5}, {0, 2}, "teachers"),
        ({"quorum_teachers": 3}, {0, 1}, "sites"),
        ({"quorum_sites": 1, "quorum_teachers": 3}, {0, 1}, None),
        ({"quorum_sites": 9}, {0, 1, 2, 3}, None),
    ],
)
def test_too_few_sites_or_teachers_stop_a_run(faults: dict, present: set[int], refused: str | None) -> None:
    settings = FaultsConfig(**faults)
    if refused is None:
        require_quorum(settings, PLAN, present, doing="voted")
        return
    with pytest.raises(
        QuorumLost, match=rf"{refused} to have voted \(faults\.quorum_{refused}\).*nothing was released"
    ):
        require_quorum(settings, PLAN, present, doing="voted")


def test_lost_sites_are_named_the_first_few_of_many() -> None:
    sites = [f"ward-{number:02}" for number in range(9)]
    plan = Plan(bundles=[[n] for n in range(9)], sites=list(sites), strategy="fused", threads=1, device="cpu")
    with pytest.raises(QuorumLost, match=r"got 8, .*\(among them of ward-04\); nothing was released"):
        require_quorum(FaultsConfig(), plan, set(range(9)) - {4}, doing="trained")
    with pytest.raises(QuorumLost, match=r"\(among them of ward-02, ward-03, ward-04, ward-05, ward-06 and 2 more\)"):
        require_quorum(FaultsConfig(), plan, {0, 1}, doing="trained")


def test_where_records_are_sent_only_teachers_count() -> None:
    plan = Plan(bundles=[[0, 1], [2]], sites=[None, None], strategy="fused", threads=1, device="cpu")
    require_quorum(FaultsConfig(quorum_teachers=2), plan, {0}, doing="trained")
    with pytest.raises(QuorumLost, match="3 of 3 teachers"):
        require_quorum(FaultsConfig(), plan, {0}, doing="trained")


def test_a_plan_survives_the_disk_under_the_names_of_earlier_runs(tmp_path) -> None:
    PLAN.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == PLAN
    names = ["bundles", "places", "strategy", "threads", "device", "rule"]
    assert list(json.loads((tmp_path / "plan.json").read_text())) == names


def test_a_roster_survives_the_disk(tmp_path) -> None:
    roster = Roster(enrolled=9, lost=(2, 5))
    roster.save(tmp_path / "roster.json")
    assert Roster.load(tmp_path / "roster.json") == roster

"""Machines that fail cost teachers, never silently; what is finished is not done again; votes are the weights'."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pate.errors import QuorumLost
from pate.models import ModelSpec
from pate.teachers import vote
from pate.votes import VoteMatrix
from pipelines.cluster.session import RaySession
from pipelines.config.infrastructure import FaultsConfig
from pipelines.teachers.ensemble import JOURNAL, ROSTER, Ensemble
from pipelines.teachers.holders import HeldHere
from pipelines.teachers.training import make_plan, train_teachers
from pipelines.teachers.voting import collect_votes

pytestmark = pytest.mark.xdist_group("ray")


@dataclass(frozen=True)
class Deadly:
    """Records whose reading kills the worker, as memory that runs out does."""

    def load(self) -> None:
        os._exit(1)


@dataclass
class Wounded:
    """A holder whose machine dies for some teachers."""

    held: HeldHere
    dying: set[int]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.held, name)

    def source(self, teachers: Sequence[int]) -> Any:
        return Deadly() if self.dying & set(teachers) else self.held.source(teachers)


def wounded(team: Ensemble, dying: set[int], **faults: int) -> Ensemble:
    config = team.config.model_copy(update={"faults": FaultsConfig(retries=0, **faults)})
    return replace(team, config=config, holder=Wounded(team.holder, dying))


def trained(team: Ensemble) -> list[str]:
    rows = [json.loads(line) for line in (team.folder / JOURNAL).read_text().splitlines()]
    return [row["task"] for row in rows if row["outcome"] == "done" and row["task"].startswith("train")]


@dataclass(frozen=True)
class Machine:
    """What a plan asks of a cluster; one with a GPU need not be here."""

    cpus: int = 2
    gpus: int = 0


@pytest.mark.parametrize(
    ("kind", "gpus", "declared", "chosen"),
    [
        ("logistic", 0, "auto", "fused"),
        ("mlp", 0, "auto", "fused"),
        ("cnn", 0, "auto", "sequential"),
        ("cnn", 1, "auto", "fused"),
        ("mlp", 1, "auto", "fused"),
        ("cnn", 1, "sequential", "sequential"),
        ("cnn", 0, "fused", "fused"),
    ],
)
def test_convolutions_are_fused_on_a_gpu_and_a_declared_strategy_is_kept(
    team: Ensemble, kind: str, gpus: int, declared: str, chosen: str
) -> None:
    wanted = {"model": ModelSpec(kind=kind), "strategy": declared, "num_gpus": 0.5}
    config = team.config.model_copy(update={"teachers": team.config.teachers.model_copy(update=wanted)})
    plan = make_plan(config, team.holder, Machine(gpus=gpus))
    assert (plan.strategy, plan.device) == (chosen, "cuda" if gpus else "cpu")


def test_lost_teachers_stop_a_run_or_abstain_as_declared_and_come_back_when_it_is_resumed(
    team: Ensemble, session: RaySession, tmp_path: Path
) -> None:
    inputs = team.study.pool.inputs
    with pytest.raises(QuorumLost, match=r"Expected 6 of 6 teachers to have trained .*, got 4"):
        train_teachers(wounded(team, {3}), session)
    assert not (team.folder / ROSTER).exists(), "nothing is frozen"
    few = wounded(team, {3}, quorum_teachers=4)
    assert train_teachers(few, session).lost == (2, 3)
    voted = collect_votes(tmp_path / "few.npy", few, inputs, session)
    assert voted.unreachable == 0
    labels = VoteMatrix.load(tmp_path / "few.npy", 10, voted.sha256).labels_TQ
    assert (labels[2:4] == -1).all()
    assert (np.delete(labels, [2, 3], axis=0) >= 0).all()

    assert train_teachers(team, session).lost == ()
    assert sorted(trained(team)) == [f"train-000{n} of 3" for n in range(3)], "each once, over three calls"
    voted = collect_votes(tmp_path / "all.npy", team, inputs, session)
    whole = VoteMatrix.load(tmp_path / "all.npy", 10, voted.sha256).labels_TQ
    assert np.array_equal(np.delete(whole, [2, 3], axis=0), np.delete(labels, [2, 3], axis=0))
    for number, teachers in enumerate(team.plan.bundles):
        spec = team.config.teachers.model
        assert np.array_equal(whole[teachers], vote(team.here(number).read(), inputs, model=spec, classes=10))

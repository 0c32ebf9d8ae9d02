"""A teacher is asked once, and votes with the weights that were trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from pate.errors import RecordsRefused
from pipelines.cluster.session import RaySession
from pipelines.teachers.ensemble import JOURNAL, Ensemble
from pipelines.teachers.training import train_teachers
from pipelines.teachers.voting import collect_votes, forget_parts

pytestmark = pytest.mark.xdist_group("ray")


def test_who_has_voted_is_not_asked_again(team: Ensemble, session: RaySession, tmp_path: Path) -> None:
    train_teachers(team, session)
    path = tmp_path / "votes.npy"
    first = collect_votes(path, team, team.study.pool.inputs, session)
    asked = (team.folder / JOURNAL).read_text()
    path.unlink()
    assert collect_votes(path, team, team.study.pool.inputs, session) == first
    assert (team.folder / JOURNAL).read_text() == asked
    forget_parts(path)
    assert [file.name for file in tmp_path.glob("votes*")] == ["votes.npy"]


def test_weights_that_were_altered_are_refused(team: Ensemble, session: RaySession, tmp_path: Path) -> None:
    train_teachers(team, session)
    path = team.here(1).path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RecordsRefused):
        collect_votes(tmp_path / "votes.npy", team, team.study.pool.inputs, session)
    assert not (tmp_path / "votes.npy").exists()

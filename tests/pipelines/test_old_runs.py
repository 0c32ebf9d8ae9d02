"""Runs that an earlier version began are finished where their votes are there, and never mixed with another deal.

``tests/golden/run_v1_*.tar.gz``: ``PATE_HOME`` of ``configs/smoke.yaml`` with bundles of five teachers, as version
0.1.0 left it at commit 66b8225 when it was ended after the votes, and after two of four bundles.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


def unpack(shell: Any, what: str) -> str:
    """An old home in the shell's place; its configuration."""
    with tarfile.open(GOLDEN / f"run_v1_{what}.tar.gz") as archive:
        archive.extractall(shell.home, filter="data")
    return str(shell.home / "old.yaml")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.xdist_group("ray")
def test_a_run_whose_votes_are_there_goes_on_to_its_end(shell) -> None:
    config = unpack(shell, "voted")
    votes = shell.home / "runs" / "old-e2052df1" / "private" / "votes" / "votes.npy"
    before = sha256(votes)
    summary = shell.json("run", config)
    assert summary["run_id"] == "old-e2052df1"
    assert sha256(votes) == before
    assert summary["epsilon"] == pytest.approx(9.3675, abs=1e-3)
    assert "unbroken" in shell.run("ledger", "verify").stdout


@pytest.mark.xdist_group("ray")
def test_teachers_of_two_deals_are_never_mixed(shell) -> None:
    config = unpack(shell, "training")
    folder = shell.home / "runs" / "old-e2052df1" / "private" / "teachers"
    before = {path.name: sha256(path) for path in folder.glob("bundle-*")}
    done = shell.run("run", config)
    assert done.returncode == 2
    assert "begun by another version of pate; begin it anew (--fresh)" in done.stderr
    assert {path.name: sha256(path) for path in folder.glob("bundle-*")} == before
    assert json.loads((folder / "plan.json").read_text()).get("rule") is None
    fresh = shell.json("run", config, "--fresh")
    assert fresh["answered"] == 40

"""The shipped studies of real hospitals, run with one Ray node for each hospital, or for each group of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "real-hospitals-on-one-machine-0123456789"}


@dataclass(frozen=True)
class Study:
    """A shipped configuration, the labels of its nodes, and what its run must count."""

    name: str
    nodes: tuple[str, ...]
    teachers: int
    asked: int
    sites: dict[str, list[str]]


GROUPS = ("east", "north", "south", "west")
STUDIES = (
    Study("heart_four_hospitals", ("cleveland", "hungary", "switzerland", "long_beach"), 60, 80, {}),
    Study("eicu_consortium", GROUPS, 97, 700, {"nodes": list(GROUPS)}),
)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(900)
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_real_hospitals_run_with_nodes_of_their_own(shell: Any, data_dir: Path, study: Study) -> None:
    folder = shell.home.parent
    content = yaml.safe_load((ROOT / "configs" / f"{study.name}.yaml").read_text())
    content["sites"] = {"folder": str(folder / "teachers"), **study.sites}
    content["student"]["spec"]["train"]["steps"] = 30
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    nodes = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("hospital_nodes.py")), *study.nodes],
        env=shell.environment(**TOKEN),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert nodes.stdout is not None
        address = nodes.stdout.readline().strip()
        process = shell.start("run", "study.yaml", "--json", RAY_ADDRESS=address, **TOKEN)
        out, err = process.communicate(timeout=700)
        assert process.returncode == 0, err
    finally:
        nodes.communicate("")
    summary = json.loads(out)
    assert (summary["teachers"], summary["asked"], summary["answered"]) == (study.teachers, study.asked, study.asked)
    (run,) = (shell.home / "runs").glob(f"{study.name}-*")
    rows = [json.loads(line) for path in run.rglob("tasks.jsonl") for line in path.read_text().splitlines()]
    assert {row["outcome"] for row in rows} == {"done"}
    for what in ("survey", "train", "vote"):
        assert {row["place"] for row in rows if row["task"].startswith(what)} == set(study.nodes)
    assert len({(row["place"], row["node"]) for row in rows}) == len({row["node"] for row in rows}) == len(study.nodes)
    assert list((folder / "teachers").rglob("*.safetensors"))
    assert not list(shell.home.rglob("bundle-*.safetensors")), "teachers stay at their hospitals"
    report = json.loads((run / "public" / "report.json").read_text())
    assert (report["teachers_enrolled"], report["teachers_lost"]) == (study.teachers, 0)

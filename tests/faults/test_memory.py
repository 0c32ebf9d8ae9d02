"""A hospital's node runs out of memory: what was training there is killed and tried again, and nothing else changes.

The killer is Ray's memory monitor in the node's raylet: it reads the machine's memory every 100 ms and sends SIGKILL to
the worker of the running task once more is used than ``memory_usage_threshold`` allows. The threshold is set a little
above what is used when the cluster starts, and the doomed worker takes real memory until it is dead. The monitor may
kill whatever starts before that memory is given back, so a neighbour may need more tries than one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipelines.cluster.environment  # noqa: F401 - before Ray

# isort: split
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory
from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of nodes that are ended
]

ROOM = 5 * 2**30
"""Bytes that the machine may use more than at the start: a calm run takes about 1.5 GiB of them."""
FREE = 10 * 2**30
"""Bytes that must be free: the doomed worker is no danger to the machine."""
CONFIG = """
name: hungry
data: {source: digits, data_id: digits, private: 600, pool: 300, evaluation: 200, hospitals: 2}
partition: {teachers: 6, by: site}
privacy: {epsilon: 500, delta: 1e-5, accountant: gaussian}
teachers:
  model: {kind: mlp}
  training: {steps: 4000}
  bundle_size: 2
  strategy: sequential
labelling: {max_asked: 40, mechanism: {kind: gnmax, sigma: 4}}
student:
  learner: supervised
  spec: {model: {kind: logistic}, train: {steps: 20}}
sites: {folder: FOLDER, nodes: [ward]}
"""


@dataclass
class Ward:
    """A cluster with one node that has a site's label, and little memory left."""

    folder: Path
    cluster: Cluster

    def config(self, name: str, more: str = "") -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(CONFIG.replace("FOLDER", str(self.folder / name)) + more)
        return path

    def written(self, name: str) -> dict[str, int]:
        """When each finished bundle was written at its site."""
        hashes = (self.folder / name).rglob("*.sha256")
        return {path.name: path.with_suffix(".safetensors").stat().st_mtime_ns for path in hashes}


@pytest.fixture
def ward() -> Iterator[Ward]:
    total, used = get_system_memory(), get_used_memory()
    if total - used < FREE:
        pytest.skip(f"needs {FREE / 2**30:.0f} GiB of free memory")
    folder = Path(tempfile.mkdtemp(prefix="pate-m-", dir="/tmp"))  # socket paths are short
    settings = {"memory_usage_threshold": (used + ROOM) / total, "memory_monitor_refresh_ms": 100}
    small = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    head = {"num_cpus": 0, "temp_dir": str(folder / "r"), "_system_config": settings, **small}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1, labels={"site": "ward"}, **small)
    yield Ward(folder=folder, cluster=cluster)
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def hungry(shell: Any, ward: Ward, config: Path, times: int, trace: Path) -> subprocess.CompletedProcess[str]:
    """A run whose second bundle takes all memory the first few times that it is trained."""
    words = [sys.executable, str(Path(__file__).with_name("hungry_driver.py")), str(config), str(times), str(trace)]
    environment = shell.environment(RAY_ADDRESS=ward.cluster.address)
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=400, check=False)


def private(shell: Any) -> Path:
    (folder,) = (shell.home / "runs").glob("hungry-*")
    return folder / "private"


def outcomes(shell: Any) -> dict[str, list[str]]:
    """How each try to train a bundle ended."""
    found: dict[str, list[str]] = {}
    for line in (private(shell) / "teachers" / "tasks.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["task"].startswith("train"):
            found.setdefault(row["task"].split()[0], []).append(row["outcome"])
    return found


def test_a_worker_killed_for_its_memory_is_tried_again_within_the_limit_and_no_vote_differs(
    ward: Ward, shell: Any, make_shell: Any, tmp_path: Path
) -> None:
    calm = make_shell("calm")
    undisturbed = calm.run("run", str(ward.config("calm")), "--quiet", RAY_ADDRESS=ward.cluster.address)
    assert undisturbed.returncode == 0, undisturbed.stderr
    config, trace = ward.config("hungry", "faults: {retries: 2}\n"), tmp_path / "trace"

    stopped = hungry(shell, ward, config, 99, trace)
    assert stopped.returncode == 3, stopped.stderr
    assert "Expected 6 of 6 teachers to have trained (faults.quorum_teachers), got 4" in stopped.stderr
    assert set(trace.read_text().split()) == {"began"}, "killed in mid-training"
    assert not (private(shell) / "votes").exists(), "nobody was asked"
    tries = outcomes(shell)["train-0001"]
    assert tries == [*["OutOfMemoryError"] * 3, "given up"], "two tries after the first, and no more"
    early = ward.written("hungry")
    assert len(early) == 2

    began = trace.read_text().count("began")
    resumed = hungry(shell, ward, config, began + 1, trace)
    assert resumed.returncode == 0, resumed.stderr
    assert trace.read_text().split() == ["began"] * (began + 2) + ["ended"], "killed once more, then trained"
    for bundle, found in outcomes(shell).items():
        assert found.count("done") == 1, f"{bundle} was trained once: {found}"
        assert set(found) <= {"done", "OutOfMemoryError", *(["given up"] if bundle == "train-0001" else [])}
    assert early.items() <= ward.written("hungry").items()
    mine, theirs = (np.load(private(s) / "votes" / "votes.npy") for s in (shell, calm))
    assert np.array_equal(mine, theirs)

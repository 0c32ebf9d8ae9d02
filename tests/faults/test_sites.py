"""Three hospitals on a Ray cluster of five nodes: records stay on their nodes, machines die, nothing else changes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipelines.cluster.environment  # noqa: F401 - before Ray

# isort: split
from ray.cluster_utils import Cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    pytest.mark.timeout(1500),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of nodes that are killed on purpose
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CANARY = (0.73198246, 0.48713902)
"""Two neighbouring values of every private record."""
SIZES = {"a": 2700, "b": 1800, "c": 900}
FEATURES = 30
NODES = ("a", "a", "b", "c")
"""The sites of the nodes besides the head."""
CONFIG = """
name: hospitals
data:
  source: table
  data_id: hospitals
  task: ill
  private_files: [{path: a.csv, site: a}, {path: b.csv, site: b}, {path: c.csv, site: c}]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 60
  evaluation: 40
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  features: {numeric: [{columns: [COLUMNS], scale: none}]}
partition: {teachers: 12, by: site}
privacy: {epsilon: 500, delta: 1e-5, accountant: gaussian}
teachers:
  model: {kind: mlp}
  training: {steps: 1000}
  bundle_size: 2
  strategy: sequential
labelling: {max_asked: 40, mechanism: {kind: gnmax, sigma: 4}}
student:
  learner: supervised
  spec: {model: {kind: logistic}, train: {steps: 20}}
"""


@dataclass
class Hospitals:
    """The cluster, its nodes by site, and the files."""

    folder: Path
    cluster: Cluster
    nodes: dict[str, list[Any]] = field(default_factory=dict)
    ids: dict[str, set[str]] = field(default_factory=dict)

    def add(self, site: str) -> None:
        node = self.cluster.add_node(
            num_cpus=1, labels={"site": site}, object_store_memory=80 * 2**20, include_dashboard=False
        )
        self.nodes.setdefault(site, []).append(node)
        self.ids.setdefault(site, set()).add(node.node_id)

    def kill(self, site: str) -> None:
        """The last node of a site, as when its plug is pulled."""
        self.cluster.remove_node(self.nodes[site].pop(), allow_graceful=False)

    def config(self, more: str, name: str = "sites") -> Path:
        path = self.folder / f"{name}.yaml"
        columns = ", ".join(f"f{number}" for number in range(FEATURES))
        path.write_text(CONFIG.replace("COLUMNS", columns) + more)
        return path

    @property
    def sites(self) -> str:
        return f"sites: {{folder: {self.folder}/teachers}}\n"


@pytest.fixture(scope="module")
def hospitals() -> Iterator[Hospitals]:
    folder = Path(tempfile.mkdtemp(prefix="pate-s-", dir="/tmp"))  # socket paths are short
    for seed, (name, size) in enumerate([*SIZES.items(), ("pool", 60), ("evaluation", 40)]):
        write(folder / f"{name}.csv", name, size, seed)
    head = {"num_cpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False, "temp_dir": str(folder / "r")}
    found = Hospitals(folder=folder, cluster=Cluster(initialize_head=True, head_node_args=head))
    for site in NODES:
        found.add(site)
    yield found
    found.cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def write(path: Path, name: str, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(size, FEATURES))
    ill = values[:, 2] + values[:, 3] > 0
    if name in SIZES:
        values[:, :2] = CANARY
    lines = [",".join(["patient", *(f"f{number}" for number in range(FEATURES)), "ill"])]
    for number, (row, label) in enumerate(zip(values, ill, strict=True)):
        lines.append(
            f"{name}{number}," + ",".join(f"{value:.8f}" for value in row) + ("," + ("yes" if label else "no"))
        )
    path.write_text("\n".join(lines) + "\n")


def start(shell: Any, hospitals: Hospitals, config: Path) -> subprocess.Popen[str]:
    return shell.start("run", str(config), "--quiet", RAY_ADDRESS=hospitals.cluster.address)


def finish(shell: Any, hospitals: Hospitals, config: Path) -> subprocess.CompletedProcess[str]:
    process = start(shell, hospitals, config)
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run_folder(shell: Any) -> Path | None:
    return next((shell.home / "runs").glob("hospitals-*"), None)


def journal(shell: Any, stage: str = "teachers") -> list[dict[str, Any]]:
    folder = run_folder(shell)
    path = folder / "private" / stage / "tasks.jsonl" if folder else None
    return [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []


def done(shell: Any, what: str) -> list[str]:
    return [row["task"] for row in journal(shell) if row["outcome"] == "done" and row["task"].startswith(what)]


def votes(shell: Any) -> np.ndarray:
    return np.load(run_folder(shell) / "private" / "votes" / "votes.npy")


def answers(shell: Any) -> dict[bytes, int]:
    db = sqlite3.connect(f"file:{shell.home}/ledger/ledger.sqlite3?mode=ro", uri=True)
    found = dict(db.execute("SELECT query, answer FROM queries WHERE answer IS NOT NULL").fetchall())
    db.close()
    return found


def stage_is_finished(shell: Any, stage: str) -> bool:
    folder = run_folder(shell)
    return folder is not None and (folder / "private" / "stages" / f"{stage}.json").exists()


def wait_for(process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not ready():
        assert process.poll() is None, f"the run ended too early: {process.communicate()[1]}"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill_driver(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def kill_a_worker(hospitals: Hospitals, site: str) -> bool:
    """As the kernel does when memory runs out; False if none is training there."""
    raylets = {node.all_processes["raylet"][0].process.pid for node in hospitals.nodes[site]}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            title, parent = (path / "cmdline").read_bytes(), (path / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if title.startswith(b"ray::train") and int(parent) in raylets:
            os.kill(int(path.name), signal.SIGKILL)
            return True
    return False


def object_store(node: Any) -> bytes:
    """The memory that a node's object store maps."""
    pid = node.all_processes["raylet"][0].process.pid
    found = b""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "/plasma" in line or "/dev/shm" in line:
                first, last = (int(part, 16) for part in line.split()[0].split("-"))
                memory.seek(first)
                found += memory.read(last - first)
    return found


def written(hospitals: Hospitals) -> dict[Path, int]:
    """When each finished bundle was written at its site."""
    hashes = (hospitals.folder / "teachers").rglob("*.sha256")
    return {path: path.with_suffix(".safetensors").stat().st_mtime_ns for path in hashes}


def canaries(hospitals: Hospitals) -> list[str]:
    """Where private records lie: object stores of all nodes, and all files of the cluster's session."""
    pattern = struct.pack("<2f", *CANARY)
    wide = struct.pack("<2d", *CANARY)
    nodes = [hospitals.cluster.head_node, *(node for nodes in hospitals.nodes.values() for node in nodes)]
    found = [f"store of {node.node_id}" for node in nodes if pattern in object_store(node)]
    texts = [f"{CANARY[0]:.8f}".encode(), pattern, wide]
    for path in (hospitals.folder / "r").rglob("*"):
        if path.is_file() and not path.is_symlink() and any(text in path.read_bytes() for text in texts):
            found.append(f"file {path.name}")
    return found


@pytest.fixture(scope="module")
def undisturbed(hospitals: Hospitals, make_shell: Callable[[str], Any]) -> Any:
    shell = make_shell("undisturbed")
    ended = finish(shell, hospitals, hospitals.config(hospitals.sites))
    assert ended.returncode == 0, ended.stderr
    return shell


def test_records_are_touched_on_nodes_of_their_own_site_alone(undisturbed: Any, hospitals: Hospitals) -> None:
    rows = [*journal(undisturbed, "partition"), *journal(undisturbed)]
    assert {row["outcome"] for row in rows} == {"done"}
    assert len(rows) == 3 + 6 + 6, "three surveys, six bundles trained, six asked"
    assert all(row["node"] in hospitals.ids[row["place"]] for row in rows)
    assert {row["task"].rpartition(" ")[2] for row in rows} == {"a", "b", "c"}, "names say where"


def test_no_record_is_in_any_object_store_nor_in_a_file_of_the_session(undisturbed: Any, hospitals: Hospitals) -> None:
    assert canaries(hospitals) == []


def test_teachers_stay_at_their_sites(undisturbed: Any, hospitals: Hospitals) -> None:
    assert not list(undisturbed.home.rglob("bundle-*.safetensors"))
    (kept,) = (hospitals.folder / "teachers").glob("*-*")
    assert kept.stat().st_mode & 0o077 == 0
    assert len(list(kept.glob("*.safetensors"))) == 6


def test_a_run_whose_machines_die_completes_and_changes_nothing(
    undisturbed: Any, hospitals: Hospitals, shell: Any
) -> None:
    config = hospitals.config(hospitals.sites + "faults: {patience_seconds: 4}\n")
    first = start(shell, hospitals, config)
    wait_for(first, lambda: len(done(shell, "train")) >= 1)
    hospitals.kill("a")  # a node in mid-training; its hospital has another
    wait_for(first, lambda: kill_a_worker(hospitals, "b") or len(done(shell, "train")) >= 4)
    wait_for(first, lambda: len(done(shell, "train")) >= 4)
    kill_driver(first)
    early = written(hospitals)

    second = start(shell, hospitals, config)
    wait_for(second, lambda: stage_is_finished(shell, "teachers"))
    kill_driver(second)
    hospitals.kill("c")  # the only one of its hospital, in mid-voting
    assert answers(shell) == {}
    third = finish(shell, hospitals, config)
    assert third.returncode == 3, third.stderr
    assert "Expected 3 of 3 sites to have voted (faults.quorum_sites), got 2" in third.stderr
    assert answers(shell) == {}, "nothing was released"

    hospitals.add("c")
    fourth = finish(shell, hospitals, config)
    assert fourth.returncode == 0, fourth.stderr
    assert np.array_equal(votes(shell), votes(undisturbed)), "no teacher was lost, so no vote differs"
    trained = done(shell, "train")
    assert sorted(trained) == sorted(set(trained)), "no finished bundle was trained again"
    assert early.items() <= written(hospitals).items()
    tries = [row["outcome"] for row in journal(shell)]
    print(f"tries: { {outcome: tries.count(outcome) for outcome in sorted(set(tries))} }")
    assert {"WorkerCrashedError", "NodeDiedError"} & set(tries), "the machines did die"
    assert len(answers(shell)) == 40
    before = answers(shell)
    assert finish(shell, hospitals, config).returncode == 0
    assert answers(shell) == before
    hospitals.add("a")


def test_a_site_that_is_gone_abstains_within_the_declared_quorum(
    undisturbed: Any, hospitals: Hospitals, shell: Any
) -> None:
    config = hospitals.config(hospitals.sites + "faults: {patience_seconds: 3, quorum_sites: 2}\n")
    process = start(shell, hospitals, config)
    wait_for(process, lambda: stage_is_finished(shell, "teachers"))
    kill_driver(process)
    hospitals.kill("c")
    ended = finish(shell, hospitals, config)
    assert ended.returncode == 0, ended.stderr
    mine, theirs = votes(shell), votes(undisturbed)
    plan = json.loads((run_folder(shell) / "private" / "teachers" / "plan.json").read_text())
    away = [t for bundle, place in zip(plan["bundles"], plan["places"], strict=True) if place == "c" for t in bundle]
    rest = np.setdiff1d(np.arange(len(mine)), away)
    assert np.array_equal(mine[rest], theirs[rest])
    assert (mine[away] == -1).all(), "it could no longer be asked"
    summary, whole = (json.loads((run_folder(s) / "public" / "summary.json").read_text()) for s in (shell, undisturbed))
    assert summary["epsilon"] == whole["epsilon"]
    hospitals.add("c")


def test_a_site_that_is_lost_before_the_roster_is_frozen_is_in_the_report(hospitals: Hospitals, shell: Any) -> None:
    config = hospitals.config(hospitals.sites + "faults: {patience_seconds: 2, quorum_sites: 2}\n")
    process = start(shell, hospitals, config)
    wait_for(process, lambda: stage_is_finished(shell, "partition"))
    hospitals.kill("c")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    report = json.loads((run_folder(shell) / "public" / "report.json").read_text())
    assert (report["teachers_enrolled"], report["teachers_lost"]) == (12, 4), "three sites share twelve alike"
    assert (votes(shell)[8:] == -1).all()
    hospitals.add("c")


def test_a_site_that_is_missing_at_enrolment_stops_the_run(hospitals: Hospitals, shell: Any) -> None:
    hospitals.kill("c")
    ended = finish(shell, hospitals, hospitals.config(hospitals.sites + "faults: {patience_seconds: 2}\n"))
    assert ended.returncode == 3, ended.stderr
    assert "Expected to reach all 3 sites" in ended.stderr
    assert "got 1 lost to infrastructure: c;" in ended.stderr
    hospitals.add("c")


def test_records_that_are_sent_give_the_same_votes_and_are_found_in_object_stores(
    undisturbed: Any, hospitals: Hospitals, shell: Any
) -> None:
    """The search above can find what it looks for; so this comes last."""
    ended = finish(shell, hospitals, hospitals.config("", "sent"))
    assert ended.returncode == 0, ended.stderr
    assert np.array_equal(votes(shell), votes(undisturbed))
    assert any(place.startswith("store of") for place in canaries(hospitals))

"""The commands of docs/how_to/consortium.md, run as shown: a cluster is started and a job is submitted to it.

Only what names another machine differs: ports, folders, the head's address; that the head is a hospital too; and
`--block`, so that the test can end what it started.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray"), pytest.mark.timeout(1500)]


def commands(beginning: str) -> list[list[str]]:
    """The words of each command in the guide that begins so."""
    text = (ROOT / "docs" / "how_to" / "consortium.md").read_text()
    blocks = "".join(text.split("```")[1::2]).replace("\\\n", " ")
    found = [shlex.split(line, comments=True) for line in blocks.splitlines() if line.startswith(beginning)]
    assert found, beginning
    return found


def answers(port: int) -> bool:
    with socket.socket() as asked:
        asked.settimeout(1)
        return asked.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 400) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.5)


@dataclass
class Machines:
    """An operator's home and the nodes of a cluster, each a process of ours."""

    folder: Path
    free_port: Callable[[], int]
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = field(init=False)
    dashboard: int = field(init=False)

    def __post_init__(self) -> None:
        self.port, self.dashboard = self.free_port(), self.free_port()

    @property
    def environment(self) -> dict[str, str]:
        """As in a shell in which the virtual environment is active, with what the guide exports."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PATE_HOME"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        text = (ROOT / "docs" / "how_to" / "consortium.md").read_text()
        (said,) = re.findall(r"On every machine, before starting Ray: `export (.*?)`", text)
        return {**kept, **dict(word.split("=") for word in said.split()), "PATH": path, "HOME": str(self.folder)}

    def run(self, words: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=400, check=False
        )

    def start(self, words: list[str]) -> None:
        """Start a node; Ray gives one 30 s for that, of which a busy machine may need several."""
        assert any(self._runs(words) for _ in range(4)), (self.folder / f"node{len(self.nodes) - 1}.log").read_text()

    def _runs(self, words: list[str]) -> bool:
        """Whether a node in the foreground came up."""
        more = [f"--dashboard-agent-listen-port={self.free_port()}", f"--object-store-memory={10**8}", "--block"]
        log = self.folder / f"node{len(self.nodes)}.log"
        with log.open("wb") as file:
            node = subprocess.Popen([*words, *more], env=self.environment, stdout=file, stderr=file)
        self.nodes.append(node)
        wait_for("a node", lambda: node.poll() is not None or b"Ray runtime started" in log.read_bytes())
        return node.poll() is None

    def left(self) -> list[int]:
        """Processes of this cluster that still run."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [int(path.parent.name)] if bytes(self.folder / "r") in path.read_bytes() else []
            except OSError:
                continue
        return found

    def end(self) -> None:
        for node in reversed(self.nodes):
            node.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 60
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.5)
        for process in self.left():
            os.kill(process, signal.SIGKILL)
        for node in self.nodes:
            node.wait(timeout=60)


@pytest.fixture
def machines(free_port: Callable[[], int]) -> Iterator[Machines]:
    folder = Path(tempfile.mkdtemp(prefix="pate-g-", dir="/tmp"))  # socket paths are short
    found = Machines(folder=folder, free_port=free_port)
    yield found
    found.end()
    shutil.rmtree(found.folder, ignore_errors=True)


def checkout(folder: Path, teachers: Path) -> Path:
    """What travels to the nodes: pate itself, and a study whose records stay at a site."""
    for package in ("pate", "pipelines"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    study = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())
    study["sites"] = {"folder": str(teachers), "nodes": ["hospital_01"]}
    (folder / "consortium.yaml").write_text(yaml.safe_dump(study))
    return folder


def test_a_job_submitted_as_the_guide_says_ends_with_a_report(machines: Machines) -> None:
    home, work = machines.folder / "home", checkout(machines.folder / "work", machines.folder / "teachers")
    (token,), (chmod,) = commands("ray get-auth-token"), commands("chmod")
    assert machines.run(token[: token.index(">")]).returncode == 0
    assert machines.run([word.replace("~", str(machines.folder)) for word in chmod]).returncode == 0
    head, hospital = commands("ray start")
    ports = [f"--port={machines.port}", f"--dashboard-port={machines.dashboard}"]
    # One node is head and hospital: two on one machine share the folder of a job's files, and the second empties it.
    head = [word for word in head if not word.startswith(("--port=", "--num-cpus="))]
    label = [word for word in hospital if word.startswith("--labels")]
    assert len(label) == 1
    machines.start([*head, *ports, *label, "--num-cpus=2", f"--temp-dir={machines.folder / 'r'}"])
    wait_for("the dashboard", lambda: answers(machines.dashboard))

    (submit,) = commands("ray job submit")
    address = f"http://127.0.0.1:{machines.dashboard}"
    words = [word.replace("/pate/home", str(home)).replace("http://127.0.0.1:8265", address) for word in submit]
    submitted = machines.run(words, cwd=work)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    (job,) = set(re.findall(r"raysubmit_\w+", submitted.stdout))

    def about(what: str) -> str:
        told = machines.run(["ray", "job", what, "--address", address, job])
        return told.stdout + told.stderr

    def ended() -> bool:
        time.sleep(3)
        return re.search(r"succeeded|failed|stopped", about("status").lower()) is not None

    wait_for("the job", ended)
    assert "succeeded" in about("status").lower(), about("logs")
    (public,) = (home / "runs").glob("smoke-*/public")
    report = json.loads((public / "report.json").read_text())
    assert report["teachers_enrolled"] == 20
    assert (public / "report.html").exists()
    assert list((machines.folder / "teachers").rglob("*.safetensors")), "teachers were trained at the site"
    assert not list(home.rglob("*.safetensors")), "and stay there"

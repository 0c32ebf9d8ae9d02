"""Private tables full of canaries and the configuration of a study of them; MLflow stores and servers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from pate.errors import Unavailable
from pipelines.tracking.destination import destination, preflight

LAB, AGE = 7319.8246, 4871.3902

CONFIG = """
name: NAME
data:
  source: table
  data_id: NAME
  task: ill
  private_files: [../CANARY-PATH/FILE]
  pool_files: [../pool.csv]
  evaluation_files: [../evaluation.csv]
  pool: 60
  evaluation: 40
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  features:
    numeric: [{columns: [lab, age], scale: none}]
    categorical: [{columns: [ward], unknown: ignore}]
partition: {teachers: 6, by: unit}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers:
  model: {kind: logistic}
  training: {steps: 20, learning_rate: 0.05}
  bundle_size: 3
labelling:
  max_asked: 30
  mechanism: {kind: gnmax, sigma: 2}
student:
  learner: supervised
  spec: {model: {kind: logistic}, train: {steps: 20, learning_rate: 0.05}}
"""


class Tables:
    """What the tests need to write a study."""

    CONFIG = CONFIG

    def rows(self, rows: int, private: bool, seed: int) -> list[list[str]]:
        rng = np.random.default_rng(seed)
        lines = [["patient", "lab", "age", "ward", "ill"]]
        for i in range(rows):
            lab, age = (
                (f"{LAB}", f"{AGE}") if private and i % 5 == 0 else (f"{rng.normal():.4f}", f"{rng.normal():.4f}")
            )
            ward = "CANARY-WARD" if private and i % 3 == 0 else "abc"[i % 3]
            lines.append([f"CANARY-PATIENT-{i}" if private else f"p{i}", lab, age, ward, "yes" if i % 2 else "no"])
        return lines

    def write(self, path: Path, lines: list[list[str]]) -> None:
        path.write_text("".join(",".join(line) + "\n" for line in lines))


@pytest.fixture(scope="session")
def tables() -> Tables:
    return Tables()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite store, set up once; tests take copies of the file."""
    from pipelines.tracking.mlflow.sink import MlflowSink

    home = tmp_path_factory.mktemp("empty")
    MlflowSink(destination(None, home=home)).open()
    return home / "mlflow" / "mlflow.db"


class MlflowServer:
    """A real MLflow server in its own process group, which can be killed and started again."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.where = destination(f"http://127.0.0.1:{self.port}", home=folder)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        stores = [
            *("--backend-store-uri", f"sqlite:///{self._folder}/server.db"),
            *("--artifacts-destination", str(self._folder / "artifacts"), "--serve-artifacts"),
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *place, *stores],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 120
        while True:
            try:
                preflight(self.where, timeout_s=1)
                return
            except Unavailable:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def mlflow_server(tmp_path: Path, empty_store: Path, free_port: Callable[[], int]) -> Iterator[MlflowServer]:
    """A server with an empty store, not started yet."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "server.db")
    server = MlflowServer(folder, free_port())
    yield server
    server.kill()

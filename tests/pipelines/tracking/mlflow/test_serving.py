"""The guide to serving, as shown, on a finished run: MLflow serves the student, without a network."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from pate.student.export import load_exported

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("finished")]
GUIDE = Path(__file__).parents[4] / "docs" / "how_to" / "serving.md"


def blocks(language: str) -> list[str]:
    """The examples of the guide."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A folder as the guide's reader has it, with this run in place of the demo's."""

    folder: Path
    run_id: str
    port: int

    def words(self, text: str) -> str:
        text = text.replace("digits-1a2b3c4d", self.run_id).replace("pate-digits", "pate-smoke")
        return text.replace("127.0.0.1:5001", f"127.0.0.1:{self.port}").replace("--port 5001", f"--port {self.port}")

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in {"MLFLOW_TRACKING_URI", "PATE_HOME"}}
        nowhere = "http://127.0.0.1:9"  # whatever asks for another machine fails
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        kept |= {"http_proxy": nowhere, "https_proxy": nowhere, "no_proxy": "127.0.0.1"}
        return {
            **kept,
            "PATH": path,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        }

    def start(self, script: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-euc", self.words(script)], cwd=self.folder, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory: pytest.TempPathFactory, free_port) -> Iterator[Place]:
    shell, summary = finished
    place = Place(folder=tmp_path_factory.mktemp("reader"), run_id=summary["run_id"], port=free_port())
    (place.folder / ".pate").symlink_to(shell.home)
    first, *_ = blocks("bash")
    assert "pate register" in first
    assert "mlflow models serve" in first
    server = place.start(first)
    end = time.monotonic() + 240
    while True:
        assert server.poll() is None, server.communicate()
        assert time.monotonic() < end
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{place.port}/ping", timeout=1).close()
            break
        except OSError:
            time.sleep(0.3)
    yield place
    os.killpg(server.pid, signal.SIGTERM)
    server.communicate(timeout=30)


def in_process(finished, rows: np.ndarray) -> np.ndarray:
    shell, summary = finished
    network = load_exported(shell.home / "runs" / summary["run_id"] / "public" / "student")
    with torch.inference_mode():
        return network(torch.from_numpy(rows.astype(np.float32))).numpy()


def test_a_request_from_the_command_line_and_one_from_python_get_the_students_predictions(
    finished, served: Place
) -> None:
    asked = served.start(blocks("bash")[1])
    out, err = asked.communicate(timeout=120)
    assert asked.returncode == 0, err
    sent = json.loads((served.folder / "serving_input_example.json").read_text())
    expected = in_process(finished, np.array(sent["inputs"]))
    found = np.array(json.loads(out[out.index('{"predictions"') :])["predictions"])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", served.words(code)], cwd=served.folder, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert json.loads(done.stdout) == expected.argmax(axis=1).tolist()


def test_any_number_of_records_is_answered_as_in_process(finished, served: Place) -> None:
    for count in (1, 7):
        rows = np.random.default_rng(count).random((count, 1, 8, 8)).astype(np.float32)
        body = json.dumps({"inputs": rows.tolist()}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{served.port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = np.array(json.load(answer)["predictions"])
        np.testing.assert_allclose(found, in_process(finished, rows), rtol=1e-5, atol=1e-6)


def test_the_guide_needs_nothing_but_what_is_installed() -> None:
    words = set(re.findall(r"^(\w+) ", "\n".join(blocks("bash")), flags=re.MULTILINE))
    assert words == {"pate", "export", "mlflow", "curl"}

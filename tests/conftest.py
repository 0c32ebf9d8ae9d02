"""Fixtures that several folders of tests share."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from pate.errors import RecordsRefused

CONFIGS = Path(__file__).parents[1] / "configs"


Path("/tmp/ray").mkdir(exist_ok=True)  # where Ray's test clusters write their address, without making the folder


@dataclass(frozen=True)
class Shell:
    """``pate`` in a fresh PATE_HOME, as a process of its own."""

    home: Path

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in {"RAY_ADDRESS", "MLFLOW_TRACKING_URI"}}
        return {**kept, "PATE_HOME": str(self.home), "COLUMNS": "200", **changes}

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines", *arguments],
            env=self.environment(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home.parent,
        )

    def run(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **changes)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "home")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port of this machine that nobody listened on a moment ago."""

    def found() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return found


@pytest.fixture(scope="session")
def shells() -> type[Shell]:
    """For fixtures that keep a PATE_HOME for several tests."""
    return Shell


@pytest.fixture(scope="session")
def make_shell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Shell]:
    """A shell for tests that share one or need several."""
    return lambda name: Shell(tmp_path_factory.mktemp(name) / "home")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, dict[str, Any]]:
    """The smoke configuration, run once for all tests that look at a finished run."""
    shell = Shell(tmp_path_factory.mktemp("finished") / "home")
    return shell, shell.json("run", str(CONFIGS / "smoke.yaml"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium of the system's; skipped where there is none, unless PATE_NEEDS_BROWSER is set."""
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := which(name))), None)
    if found is None and not os.environ.get("PATE_NEEDS_BROWSER"):
        pytest.skip("no chromium on the path: `apt-get install chromium` brings it")
    assert found is not None, "PATE_NEEDS_BROWSER is set, and there is no chromium on the path"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def golden_dir() -> Path:
    """Small tables of reference values that travel with the tests."""
    return Path(__file__).parent / "golden"


@pytest.fixture
def data_dir() -> Path:
    """The folder of real public data; tests that need it are skipped where it is absent."""
    folder = os.environ.get("PATE_DATA_DIR")
    if folder is None or not Path(folder).is_dir():
        pytest.skip("PATE_DATA_DIR names no folder: this test needs the public data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def records_refused() -> Callable[[str], AbstractContextManager[pytest.ExceptionInfo[RecordsRefused]]]:
    """Private records are refused in the one public sentence; the reason, in private, matches a pattern."""

    @contextmanager
    def check(reason: str) -> Iterator[pytest.ExceptionInfo[RecordsRefused]]:
        with pytest.raises(RecordsRefused) as caught:
            yield caught
        assert str(caught.value) == RecordsRefused.SENTENCE
        assert re.search(reason, caught.value.private_detail or ""), caught.value.private_detail

    return check

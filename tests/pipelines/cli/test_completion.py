"""Shell completion of commands, options, shipped configurations and runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.config.shipped import shipped

BASH = {"_PATE_COMPLETE": "complete_bash"}


def completed(words: str, home: Path, **environment: str) -> list[str]:
    """What bash would offer for the last word of a command line."""
    position = len(words.split(" ")) - 1
    done = subprocess.run(
        [sys.executable, "-m", "pipelines"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PATE_HOME": str(home), "COMP_WORDS": words, "COMP_CWORD": str(position), **BASH,
             **environment},
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_are_completed_but_not_hidden_ones(tmp_path: Path) -> None:
    assert completed("pate re", tmp_path) == ["report", "results", "register"]
    assert completed("pate a", tmp_path) == ["audit"]
    assert completed("pate ledger v", tmp_path) == ["verify"]


def test_options_are_completed(tmp_path: Path) -> None:
    assert completed("pate run --fr", tmp_path) == ["--fresh"]


@pytest.mark.parametrize("command", ["run", "validate", "doctor", "audit", "sweep"])
def test_shipped_configurations_are_completed(command: str, tmp_path: Path) -> None:
    assert completed(f"pate {command} mni", tmp_path) == [name for name in shipped() if name.startswith("mni")]


@pytest.mark.parametrize("command", ["report", "purge", "sync", "register", "results", "cost --run"])
def test_runs_are_completed(command: str, tmp_path: Path) -> None:
    for name in ("digits-1a2b3c4d", "mnist-00000000"):
        (tmp_path / "runs" / name / "private").mkdir(parents=True)
    assert completed(f"pate {command} dig", tmp_path) == ["digits-1a2b3c4d"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PATE_HOME": str(tmp_path), "_PATE_COMPLETE": f"source_{shell}"},
    )  # fmt: skip
    assert "_PATE_COMPLETE=complete_" in done.stdout
    assert "pate" in done.stdout

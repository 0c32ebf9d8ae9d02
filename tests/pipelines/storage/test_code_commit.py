from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipelines.storage.code_commit import CHANGED, code_commit


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("one = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_checkout_gives_its_commit_and_says_if_it_was_changed(checkout: Path) -> None:
    file = checkout / "code.py"
    commit = git(checkout, "rev-parse", "HEAD")
    assert code_commit(file) == commit
    file.write_text("one = 2\n")
    code_commit.cache_clear()
    assert code_commit(file) == commit + CHANGED


def test_an_installed_copy_inside_somebody_elses_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / "site-packages" / "code.py"
    installed.parent.mkdir()
    installed.write_text("one = 1\n")
    assert code_commit(installed) is None


def test_without_git_there_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert code_commit(checkout / "code.py") is None

"""The commit of the code that runs."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).resolve()
CHANGED = " with local changes"


@lru_cache(maxsize=8)
def code_commit(file: Path = HERE) -> str | None:
    """Git commit of the checkout that the code runs from; ``None`` if it was installed, or git is missing.

    Args:
        file: a tracked file of the code. A checkout around an installed copy does not track it.

    Returns:
        The full hash, followed by `` with local changes`` where tracked files differ from it.
    """
    if _git(file, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit, changed = _git(file, "rev-parse", "HEAD"), _git(file, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None else commit + (CHANGED if changed else "")


def _git(file: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "--no-optional-locks", "-C", str(file.parent), *words],  # noqa: S607 - fixed words
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

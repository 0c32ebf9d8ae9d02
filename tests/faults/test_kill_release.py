"""``kill -9`` of the release process before every step and at random moments, 300 times.

The process imports neither torch, Ray nor MLflow. Charged is never below released, an answer once seen never
changes, and a restart ends within the same charge.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
KILLS = 300
SCRIPT = Path(__file__).parent / "release_process.py"


@pytest.fixture(scope="module")
def lives() -> list[dict[str, Any]]:
    """One line for each life of the process; in memory where that is possible, since a kill is no power cut."""
    place = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), place, str(KILLS), "11"],
        capture_output=True,
        text=True,
        env=quiet,
        timeout=550,
        check=False,
    )
    shutil.rmtree(place)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def observed(lives: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lives if "charged" in line]


def test_the_process_is_small(lives) -> None:
    assert lives[0] == {"loaded": []}


def test_it_was_killed_300_times_before_every_kind_of_step(lives) -> None:
    kills = [line for line in observed(lives) if line["killed"]]
    died = Counter(line["died"] for line in kills if line["died"])
    print(f"{len(kills)} kills, {sum(died.values())} of them before a chosen step: {dict(died)}")
    assert len(kills) >= KILLS
    (steps,) = [line["steps"] for line in lives if "steps" in line]
    assert died == Counter(steps), "before every step once"
    for kind in (
        "sql: BEGIN IMMEDIATE", "sql: COMMIT", "sql: INSERT INTO intents", "sql: INSERT INTO entries",
        "sql: UPDATE queries SET", "sql: SELECT query FROM", "sql: UPDATE intents SET", "draw: before", "draw: after",
        "open: anchor", "open: key", "sql: CREATE TABLE entries",
        "os.rename: anchor", "shown",
    ):  # fmt: skip
        assert died[kind] >= 1, kind


def test_charged_is_never_below_released(lives) -> None:
    for line in observed(lives):
        assert line["charged"] >= line["released"]
        if any(answer is not None for answer in line["stored"]) or line["figures"]:
            assert line["charged"] > 0


def test_an_answer_once_visible_never_changes_and_what_is_shown_is_stored(lives) -> None:
    seen: dict[tuple[str, int], int] = {}
    for line in observed(lives):
        for position, answer in enumerate(line["stored"]):
            known = seen.get((line["ledger"], position))
            assert known is None or known == answer
            if answer is not None:
                seen[line["ledger"], position] = answer
        if line["shown"] is not None:
            assert line["shown"][0] == [-2 if answer is None else answer for answer in line["stored"]]
    assert len(seen) > KILLS


def test_a_campaign_shows_one_figure_which_never_changes_once_it_is_written(lives) -> None:
    seen: dict[str, list[int]] = {}
    for line in observed(lives):
        if line["ledger"] in seen:
            assert line["figures"] == [seen[line["ledger"]]]
        assert len(line["figures"]) <= 1
        for figure in line["figures"]:
            seen[line["ledger"]] = figure
        if line["shown"] is not None:
            assert line["shown"][1] == seen[line["ledger"]]
    drawn = {tuple(figure) for figure in seen.values()}
    assert len(drawn) == len(seen), "anew for each; 200 ledgers collide by chance with probability below 1e-6"


def test_a_restart_ends_within_the_same_charge(lives) -> None:
    charges: dict[str, set[float]] = {}
    ended: set[str] = set()
    for line in observed(lives):
        if line["charged"] > 0:
            charges.setdefault(line["ledger"], set()).add(line["charged"])
        if line["shown"] is not None:
            ended.add(line["ledger"])
            asked = [answer for answer in line["stored"] if answer is not None]
            full = sum(answer >= 0 for answer in asked) == len(line["stored"]) // 2
            assert full or len(asked) == len(line["stored"]), "it answered all that it could"
    assert all(len(of_one) == 1 for of_one in charges.values())
    assert ended == set(charges)
    assert len({frozenset(of_one) for name, of_one in charges.items() if name.startswith("sweep")}) == 1

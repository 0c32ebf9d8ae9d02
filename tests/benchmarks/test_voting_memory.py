"""The votes of 5,000 teachers on 10,000 inputs pass through a driver of less than one gigabyte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.xdist_group("ray")]
TEACHERS, QUERIES = 5_000, 10_000


def test_a_driver_below_one_gigabyte(tmp_path: Path, record: Callable[..., None]) -> None:
    script = Path(__file__).with_name("voting_memory.py")
    words = [sys.executable, str(script), str(tmp_path), str(TEACHERS), str(QUERIES)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["votes"] == TEACHERS * QUERIES
    assert found["bytes"] < 1.01 * TEACHERS * QUERIES, "one byte a vote"
    assert found["peak_gib"] < 1e9 / 2**30
    record("driver's peak memory, 5,000 teachers on 10,000 queries", found["peak_gib"], "GiB")
    record("votes of 5,000 teachers on 10,000 queries, collected and counted", found["seconds"], "s")

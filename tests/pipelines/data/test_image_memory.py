"""Memory does not grow with the pixels of private images."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "image_memory.py"
MOST_BYTES_EACH = 4_000
"""Memory for each further image: its names, digests and position; its pixels have 50,000 bytes."""


def peak(folder: Path, count: int) -> dict[str, Any]:
    folder.mkdir()
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), str(count)], capture_output=True, text=True, timeout=500, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.slow
def test_four_times_the_images_take_the_same_memory(tmp_path: Path) -> None:
    few, many = peak(tmp_path / "few", 800), peak(tmp_path / "many", 3200)
    assert few["hundredths"] == many["hundredths"] == 100
    assert many["of_teacher_0"] > 0
    grown = (many["peak_mib"] - few["peak_mib"]) * 2**20
    assert grown < MOST_BYTES_EACH * 2400 + 20 * 2**20, f"{few} {many}"

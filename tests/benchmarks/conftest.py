"""Timings as ratios measured in one run, collected into ``benchmarks.json``. They never pass or fail."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_ROWS: list[dict[str, Any]] = []


def machine() -> str:
    """Processor, cores and memory of this machine."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model or platform.processor() or platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB"


@pytest.fixture
def record() -> Callable[..., None]:
    """Keep one figure: ``record(name, value, unit, reference=None)``; the ratio is reference / value."""

    def keep(name: str, value: float, unit: str, reference: float | None = None) -> None:
        ratio = None if reference is None else reference / value
        _ROWS.append(
            {"name": name, "value": value, "unit": unit, "reference": reference, "ratio": ratio, "machine": machine()}
        )

    return keep


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _ROWS:
        Path(session.config.rootpath, "benchmarks.json").write_text(json.dumps(_ROWS, indent=1) + "\n")

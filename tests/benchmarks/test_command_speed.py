"""Time of commands that need no training, beside an earlier checkout that ``PATE_BASELINE`` names.

    PATE_BASELINE=/path/to/earlier/checkout python -m pytest tests/benchmarks/test_command_speed.py -m benchmark -s

Processes of both alternate, so that a busy machine slows both. Processor time hardly depends on other processes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark
ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("PATE_ROUNDS", "5"))
COMMANDS = {
    "pate --help": ["--help"],
    "pate run --help": ["run", "--help"],
    "pate validate": ["validate", "CONFIG"],
    "pate plan": ["plan", "--epsilon", "1", "--labels", "100", "--teachers", "250", "--classes", "10"],
}


def seconds(checkout: Path, words: list[str], home: Path) -> tuple[float, float]:
    """Wall and processor time of a command out of a checkout."""
    config = str(checkout / "configs" / "digits.yaml")
    command = [sys.executable, "-m", "pipelines", *(config if word == "CONFIG" else word for word in words)]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PATE_HOME": str(home)}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.stderr is not None
    with process.stderr as stream:
        assert process.returncode == 0, stream.read().decode()
    return wall, usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_answer_at_once(name: str, record: Callable[..., None], tmp_path: Path) -> None:
    named = os.environ.get("PATE_BASELINE")
    checkouts = {"now": ROOT} | ({"before": Path(named)} if named else {})
    for checkout in checkouts.values():
        seconds(checkout, COMMANDS[name], tmp_path)  # compiles modules
    taken: dict[str, list[tuple[float, float]]] = {which: [] for which in checkouts}
    for _ in range(ROUNDS):
        for which, checkout in checkouts.items():
            taken[which].append(seconds(checkout, COMMANDS[name], tmp_path))
    wall = {which: statistics.median(row[0] for row in rows) for which, rows in taken.items()}
    processor = {which: statistics.median(row[1] for row in rows) for which, rows in taken.items()}
    record(f"{name}, wall", wall["now"], "s", wall.get("before"))
    record(f"{name}, processor", processor["now"], "s", processor.get("before"))
    line = f"{name}: {wall['now']:.2f} s wall, {processor['now']:.2f} s processor"
    if named:
        line += f"; before {wall['before']:.2f} s, {processor['before']:.2f} s"
        line += f"; ratio {wall['before'] / wall['now']:.1f}, {processor['before'] / processor['now']:.1f}"
    print(f"\n{line}; median of {ROUNDS}")

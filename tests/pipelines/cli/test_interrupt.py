"""An interrupted command ends, even where a library keeps the interrupt to itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.cluster.abandoned import PREFIX

STUCK = """
import subprocess, sys, time
from pipelines.cli import runs
from pipelines.cluster.abandoned import session_folder

runs.STOPPING_SECONDS = float(sys.argv[1])
with runs.resumable(["run", "smoke"]):
    folder = session_folder()
    other = [sys.executable, "-c", "import time; time.sleep(600)", str(folder)]
    left = subprocess.Popen(other, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    said, ended = False, time.monotonic() + float(sys.argv[2])
    while time.monotonic() < ended:
        try:
            if not said:
                said = True
                print(left.pid, flush=True)
            time.sleep(0.1)
        except KeyboardInterrupt:
            pass
    left.kill()
    left.wait()
    folder.rmdir()
"""


def stuck(stopping: float, lasting: float) -> tuple[subprocess.Popen[str], int, Path]:
    """A command that ignores an interrupt, already sent; the process that it started, and its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(stopping), str(lasting)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    started = int(process.stdout.readline())
    (folder,) = Path("/tmp").glob(f"{PREFIX}{process.pid}-*")
    process.send_signal(signal.SIGINT)
    return process, started, folder


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_command_that_ignores_the_interrupt_is_ended_with_what_it_started() -> None:
    process, started, folder = stuck(stopping=1.0, lasting=300.0)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("pate: `pate run smoke` resumes")
    end = time.monotonic() + 10
    while alive(started) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(started)
    assert not folder.exists()


def test_a_command_that_ends_in_time_is_left_alone() -> None:
    process, started, _ = stuck(stopping=60.0, lasting=2.0)
    process.communicate(timeout=120)
    assert process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)

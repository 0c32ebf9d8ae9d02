"""The command line in a real terminal: widths, grouped help, and Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

from pate.ledger import Account, PrivacyLedger
from pipelines.cli.app import root
from pipelines.cli.commands import loaded
from pipelines.config.shipped import shipped

SECTIONS = ["Run", "Plan and check", "Configurations and data", "Privacy accounts", "Tracking and registry"]
LONG = "heart_four_hospitals-1a2b3c4d"


def terminal(*words: str, home: Path, width: int, until: str | None = None) -> tuple[str, int]:
    """What ``pate`` shows in a terminal, and its exit code; Ctrl-C is pressed once a text is shown."""
    process, screen = pty.fork()
    if process == 0:
        os.environ.update(PATE_HOME=str(home), TERM="xterm")
        os.environ.pop("COLUMNS", None)
        os.execv(sys.executable, [sys.executable, "-m", "pipelines", *words])
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    shown, pressed, end = b"", False, time.monotonic() + 300
    while time.monotonic() < end:
        if not select.select([screen], [], [], 1.0)[0]:
            continue
        try:
            part = os.read(screen, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
        if until is not None and not pressed and until.encode() in shown:
            pressed = True
            os.write(screen, b"\x03")
    else:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(screen)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode(errors="replace"))
    return plain.replace("\r\n", "\n"), os.waitstatus_to_exitcode(status)


def begun(home: Path, run_id: str) -> None:
    for side in ("private", "public"):
        (home / "runs" / run_id / side).mkdir(parents=True)


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_is_grouped_and_fits(width: int, tmp_path: Path) -> None:
    shown, code = terminal("--help", home=tmp_path, width=width)
    assert code == 0
    assert max(map(len, shown.splitlines())) <= width
    assert re.findall(r"^(\w[\w ]+):$", shown, flags=re.MULTILINE)[1:] == SECTIONS
    rows = re.findall(r"^  (\w+) ", shown.partition("\nRun:")[2], flags=re.MULTILINE)
    assert sorted(rows) == sorted({name.split()[1] for name, _ in loaded(root())}), "each command in one section"


@pytest.mark.parametrize("width", [80, 120])
def test_ids_and_accounts_are_on_one_line(width: int, tmp_path: Path) -> None:
    begun(tmp_path, LONG)
    with PrivacyLedger(tmp_path / "ledger") as ledger:
        ledger.register(Account(name=f"digits@{LONG}", epsilon=5, delta=1e-5, accountant="gaussian", unit="patient"))
    shown, _ = terminal("runs", home=tmp_path, width=width)
    assert f"{LONG} " in shown
    assert max(map(len, shown.splitlines())) <= width
    shown, _ = terminal("ledger", "show", home=tmp_path, width=width)
    assert f"digits@{LONG}" in shown
    assert "accountant" in shown, "nor is a word broken"
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("until", ["reading the configuration", "starting Ray", "teachers trained"])
def test_an_interrupt_says_how_to_resume(until: str, tmp_path: Path) -> None:
    """In a terminal every process of the run receives the interrupt."""
    words = ("run", str(shipped()["smoke"]), "--set", "teachers.bundle_size=4")
    shown, code = terminal(*words, home=tmp_path, width=80, until=until)
    assert code == 130, shown
    assert "reading the configuration smoke" in shown.splitlines()[0]
    assert "`pate run smoke --set teachers.bundle_size=4` resumes" in shown
    assert "Traceback" not in shown
    assert "pate: error" not in shown

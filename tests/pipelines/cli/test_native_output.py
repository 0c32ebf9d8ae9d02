"""What libraries print by themselves does not reach the terminal: native code on its descriptors, and warnings.

Each command is a process of its own, as the console script starts it.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import stat
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from pandas.errors import ParserWarning
from PIL import Image

from pate.data.files.images import Pixels, read_images
from pate.data.files.table_file import FileFormat, read_rows
from pate.errors import InputError
from pipelines.storage.home import NATIVE_LOG
from pipelines.storage.native_output import MOST_LOG_BYTES, kept_private

IMAGES = """
name: scans
data:
  source: images
  data_id: scans
  task: ill
  private_files: [private]
  pool_files: [pool]
  evaluation_files: [evaluation]
  pool: 6
  evaluation: 4
  classes: ["no", "yes"]
  pixels: {height: 8, width: 8, channels: 1}
"""
TABLE = """
name: ward
data:
  source: table
  data_id: ward
  task: ill
  private_files: [{path: private.csv}]
  pool_files: [pool.csv]
  evaluation_files: [evaluation.csv]
  pool: 6
  evaluation: 4
  label: {column: ill, classes: ["no", "yes"], missing: drop}
  unit: patient
  features:
    numeric: [{columns: [lab], scale: public}]
"""
REST = """
partition: {teachers: 3, label_skew: 1.0}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers: {model: {kind: logistic}, training: {steps: 5}}
labelling: {max_asked: 4, mechanism: {kind: gnmax, sigma: 4}}
student: {learner: supervised, spec: {model: {kind: logistic}, train: {steps: 5}}}
"""
"""Refused for its public ``label_skew`` once the private records are read."""
REFUSED = "pate: error: Expected no partition.label_skew on data that are not a public benchmark"
PRIVATE = """
import faulthandler, os, shutil, subprocess, sys, warnings
from pathlib import Path
from pipelines.cli.app import keep_private
from pipelines.storage.native_output import give_terminal_back

def folder():
    path = Path(os.environ["PATE_HOME"], "private")
    path.mkdir(exist_ok=True)
    return path

keep_private(folder)
"""
"""Start of a process that keeps private what it did not choose to say."""
NATIVE = r"os.write(1, b'native out\n'); os.write(2, b'native err\n');"


def python(*words: str, home: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True, env={**os.environ, "PATE_HOME": str(home), **environment}, timeout=300, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip


def run(config: Path, home: Path, **environment: str) -> tuple[int, bytes, bytes]:
    """What ``pate run`` says in a process of its own, and how it ends."""
    done = python("-m", "pipelines", "run", str(config), home=home, **environment)
    return done.returncode, done.stdout, re.sub(rb"incident [0-9a-f]+", b"incident ID", done.stderr)


def log(home: Path) -> bytes:
    return (home / "private" / NATIVE_LOG).read_bytes()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A study of TIFF images in the compression of fax machines; returns its configuration."""
    rng = np.random.default_rng(0)
    for part, count in (("private", 12), ("pool", 6), ("evaluation", 4)):
        for i in range(count):
            folder = tmp_path / part / ("yes" if i % 2 else "no")
            folder.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(rng.integers(0, 255, (64, 64), dtype=np.uint8)).convert("1")
            image.save(folder / f"{i}.tif", compression="group4")
    config = tmp_path / "scans.yaml"
    config.write_text(IMAGES + REST)
    return config


def alter(image: Path) -> None:
    """Bytes that the decoder complains of and gets over."""
    content = bytearray(image.read_bytes())
    content[60:66] = b"\xff\x00\xff\x13\x00\xff"
    image.write_bytes(content)


@pytest.mark.slow
def test_an_altered_private_image_is_not_seen_on_the_terminal(
    scans: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = run(scans, home)
    assert log(home) == b""
    image = scans.parent / "private" / "yes" / "3.tif"
    alter(image)
    assert run(scans, home) == before
    assert before[:2] == (2, b"")
    assert before[2].decode().startswith(REFUSED)
    assert b"Fax4Decode" in log(home)
    read_images([str(image)], Pixels(height=8, width=8, channels=1), key="data")
    assert "Fax4Decode" in capfd.readouterr().err


@pytest.mark.slow
def test_a_warning_about_a_private_file_is_not_seen_whatever_the_operator_asked_of_warnings(
    tmp_path: Path, home: Path
) -> None:
    for part in ("private", "pool", "evaluation"):
        records = "".join(f"{part}{i},{i}.5,{'yes' if i % 2 else 'no'}\n" for i in range(12))
        longer = records.replace("\n", ",more\n", 1) if part == "private" else records
        (tmp_path / f"{part}.csv").write_text(f"patient,lab,ill\n{longer}")
    with pytest.warns(ParserWarning), suppress(InputError):
        read_rows(tmp_path / "private.csv", FileFormat(), key="data")
    config = tmp_path / "ward.yaml"
    config.write_text(TABLE + REST)
    before = run(config, home, PYTHONWARNINGS="")
    assert before[0] == 2
    for wanted in ("always", "error"):
        assert run(config, home, PYTHONWARNINGS=wanted) == before


@pytest.mark.parametrize("option", ["-Walways", "-Werror", "-Wdefault::UserWarning"])
def test_a_warning_says_nothing(home: Path, option: str) -> None:
    done = python(option, "-c", PRIVATE + "warnings.warn('CANARY'); print('end')", home=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"end\n", b"")


def test_native_output_and_that_of_started_programs_goes_to_a_private_log(home: Path) -> None:
    script = NATIVE + "print('out'); print('err', file=sys.stderr); subprocess.run('echo started >&2', shell=True)"
    done = python("-c", PRIVATE + script, home=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")
    assert log(home) == b"native out\nnative err\nstarted\n"
    assert stat.S_IMODE((home / "private" / NATIVE_LOG).stat().st_mode) == 0o600


def test_without_a_pate_home_native_output_goes_nowhere_and_none_is_made(tmp_path: Path) -> None:
    done = python("-c", PRIVATE + NATIVE + "print('out')", home=tmp_path / "home")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"")
    assert list(tmp_path.iterdir()) == []


def test_a_long_log_begins_anew(home: Path) -> None:
    (home / "private").mkdir()
    (home / "private" / NATIVE_LOG).write_bytes(b"x" * (MOST_LOG_BYTES + 1))
    python("-c", PRIVATE + NATIVE, home=home)
    assert log(home) == b"native out\nnative err\n"


def test_where_a_process_crashed_is_in_the_log(home: Path) -> None:
    done = python("-c", PRIVATE + "faulthandler._sigsegv()", home=home)
    assert done.returncode < 0
    assert (done.stdout, done.stderr) == (b"", b"")
    assert b"Segmentation fault" in log(home)


def test_streams_that_are_closed_stay_silent(home: Path) -> None:
    script = PRIVATE + NATIVE + "print('out'); assert os.fstat(2).st_size; sys.exit(7)"
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 1>&- 2>&-', "sh", sys.executable, "-c", script],
        env={**os.environ, "PATE_HOME": str(home)}, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 7
    assert log(home) == b"native out\nnative err\n"


def test_a_terminal_is_as_wide_as_it_was(home: Path) -> None:
    """Where standard input is no terminal, only the moved descriptors know the width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 133, 0, 0))
    script = """
from rich.console import Console
seen = Console(stderr=True)
print(sys.stderr.isatty(), sys.stdout.isatty(), seen.is_terminal, seen.width, shutil.get_terminal_size().columns)
"""
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "TERM"}}
    done = subprocess.run(
        [sys.executable, "-c", "from rich.console import Console" + PRIVATE + script],
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, check=False, cwd=Path(__file__).parents[3],
        env={**kept, "PATE_HOME": str(home), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    assert done.returncode == 0
    assert os.read(ours, 4096).split() == [b"True", b"True", b"True", b"133", b"133"]
    os.close(ours)


def test_a_program_that_takes_over_gets_the_terminal_back(home: Path) -> None:
    script = "give_terminal_back(); os.execv('/bin/sh', ['sh', '-c', 'echo out; echo err >&2'])"
    done = python("-c", PRIVATE + NATIVE + script, home=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")


def test_the_server_of_the_runs_is_such_a_program(home: Path) -> None:
    script = """
from pipelines.cli import app, mlflow

def take_over(*_):
    os.write(1, b"out")
    os.write(2, b"err")

mlflow.os.execve = take_over
sys.exit(app.run(["ui"]))
"""
    (home / "mlflow").mkdir()
    (home / "mlflow" / "mlflow.db").touch()
    done = python("-c", PRIVATE + script, home=home)
    assert (done.returncode, done.stdout) == (0, b"out"), done.stderr
    assert done.stderr.endswith(b"(end with Ctrl-C)\nerr")


def test_a_host_whose_streams_are_in_memory_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under pytest's own capture, whose streams have no descriptors."""
    shown = io.TextIOWrapper(io.BytesIO(), write_through=True)
    monkeypatch.setattr("sys.stdout", shown)
    with kept_private(tmp_path, lambda: tmp_path):
        print("of the host")
        os.write(1, b"native\n")
    assert sys.stdout is shown
    assert shown.buffer.getvalue() == b"of the host\n"  # type: ignore[attr-defined]
    assert (tmp_path / NATIVE_LOG).read_bytes() == b"native\n"

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pate.errors import InputError
from pipelines.tracking.outbox import OUTBOX_FILE, Outbox, read_events


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    outbox = Outbox(tmp_path)
    for number in range(3):
        outbox.append("tags", "campaign", {"n": number})
    outbox.close()
    return tmp_path


def test_what_was_appended_is_read_in_order_after_any_event(folder: Path) -> None:
    assert [(e.sequence, e.body["n"]) for e in read_events(folder)] == [(1, 0), (2, 1), (3, 2)]
    assert [e.sequence for e in read_events(folder, after=2)] == [3]
    assert read_events(folder / "elsewhere") == []


@pytest.mark.parametrize("torn", [b'{"sequence":4,"ki', b'{"sequence":4}\n', b"\x00\x00\x00\n", b"\xff"])
def test_a_torn_last_line_is_ignored_by_readers_and_cut_off_by_the_next_writer(folder: Path, torn: bytes) -> None:
    path = folder / OUTBOX_FILE
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert len(read_events(folder)) == 3
    outbox = Outbox(folder)
    assert path.read_bytes() == whole
    assert outbox.append("tags", "campaign", {}).sequence == 4
    outbox.close()
    assert len(read_events(folder)) == 4


def test_every_cut_of_the_file_leaves_the_whole_lines_before_it(folder: Path) -> None:
    path = folder / OUTBOX_FILE
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        assert len(read_events(folder)) == whole[:length].count(b"\n")


def test_damage_before_the_last_line_is_an_error(folder: Path) -> None:
    path = folder / OUTBOX_FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"nonsense\n" + lines[2])
    with pytest.raises(InputError, match="line=2"):
        Outbox(folder)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(InputError, match="without gaps"):
        read_events(folder)


def test_a_second_writer_is_refused_and_a_dead_one_lets_go(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pipelines.tracking.outbox import Outbox\n"
        "box = Outbox(Path(sys.argv[1]))\n"
        "while True: print(box.append('tags', 'campaign', {}).sequence, flush=True); time.sleep(0.001)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        shown = 0
        while shown < 20:
            shown = int(writer.stdout.readline())
        with pytest.raises(InputError, match="one process"):
            Outbox(tmp_path)
        os.kill(writer.pid, signal.SIGKILL)
        shown = max([shown, *(int(line) for line in writer.stdout if line.endswith(b"\n"))])
    outbox = Outbox(tmp_path)
    assert len(outbox.events) >= shown
    outbox.close()

"""A full disk is one clear error, and nothing is released that was not written down."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pate.accounting import ComposedEvent, ConfidentGNMaxEvent, data_independent_epsilon
from pate.accounting.events import SanitisedReleaseEvent
from pate.ledger import PrivacyLedger

pytestmark = pytest.mark.slow
QUERIES = 40
FIGURE = SanitisedReleaseEvent(order=3.0, beta=0.1, sigma_ss=5.0, tau_s=30.0)  # what the campaign buys besides
RELEASE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from release_process import campaign
from pate.errors import PateError
try:
    print(json.dumps({"labels": campaign(Path(sys.argv[2]), 40, 10)}))
except PateError as error:
    print(json.dumps({"error": str(error), "kind": type(error).__name__}))
"""


def attempt(folder: Path, limit: Callable[[], None] | None = None) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", RELEASE, str(Path(__file__).parent), str(folder)],
        capture_output=True, text=True, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content: dict[str, object] = json.loads(done.stdout)
    return content


def require_clear_error(outcome: dict[str, object], folder: Path) -> None:
    assert outcome["kind"] == "LedgerError", outcome
    text = str(outcome["error"])
    assert "nothing was released; check the disk" in text
    assert str(folder) not in text
    assert "\n" not in text


def require_whole(folder: Path) -> None:
    """With room again the campaign ends under its one charge."""
    assert "labels" in attempt(folder)
    ledger = PrivacyLedger(folder)
    ledger.verify()
    answers = ConfidentGNMaxEvent(
        threshold=25, sigma_threshold=3.0, sigma=8.0, max_asked=QUERIES, max_answered=QUERIES // 2
    )
    event = ComposedEvent(events=(answers, FIGURE))
    assert ledger.spent("ward").epsilon == data_independent_epsilon(event, 1e-5, "gaussian").epsilon
    ledger.close()


def test_a_limit_on_file_size_stops_the_charge_or_the_answers_and_never_releases(folder: Path) -> None:
    """Wherever the limit hits: opening, charging or answering."""
    assert "labels" in attempt(folder.with_name("whole"))
    size = (folder.with_name("whole") / "ledger.sqlite3").stat().st_size
    errors = 0
    for limit in range(0, size, 8192):

        def lower(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        here = folder.with_name(f"limit-{limit}")
        outcome = attempt(here, lower)
        if "error" in outcome:
            errors += 1
            require_clear_error(outcome, here)
    assert errors > 2
    require_whole(here)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=0700", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user may not mount a small disk: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full_is_a_clear_error_and_room_again_ends_the_campaign(small_disk: Path) -> None:
    filler = small_disk / "filler"
    folder = small_disk / "ledger"
    assert "labels" in attempt(small_disk / "whole")
    needed = sum(file.stat().st_size for file in (small_disk / "whole").iterdir())
    errors = 0
    for room in range(8192, needed, 16384):
        _fill(filler, small_disk, room)
        outcome = attempt(folder)
        if "labels" in outcome:
            break
        errors += 1
        require_clear_error(outcome, folder)
    assert errors > 2
    filler.unlink()
    require_whole(folder)


def _fill(filler: Path, disk: Path, room: int) -> None:
    """Leave about so many bytes free."""
    filler.unlink(missing_ok=True)
    free = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(b"x" * max(0, free.f_bavail * free.f_frsize - room))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledger"

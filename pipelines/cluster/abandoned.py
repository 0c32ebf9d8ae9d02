"""What a local Ray leaves behind: folders of killed runs, and the processes of a run that does not end.

Does not import Ray.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "pate-ray-"


def session_folder() -> Path:
    """A new private folder for the session of a Ray that this process starts; it names the process."""
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir="/tmp"))


def remove_abandoned() -> None:
    """Remove session folders that killed processes of this user left behind."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):  # noqa: S108
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if folder.stat().st_uid == os.getuid() and owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def end_by_force() -> None:
    """Kill the processes of the local Ray that this process started, and remove its folder."""
    own = f"{PREFIX}{os.getpid()}-"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.name != str(os.getpid()) and own.encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
    for folder in Path("/tmp").glob(f"{own}*"):  # noqa: S108
        shutil.rmtree(folder, ignore_errors=True)

"""Private by default: warnings, logs, errors outside the main thread and native output.

A library's warning may quote the row that caused it, an error in a thread or in a destructor prints its text on
standard error by itself, and a decoder written in C reports faults of an image on file descriptor 2. Here they go to
an incident, a private log, or nowhere.
"""

from __future__ import annotations

import faulthandler
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from pipelines.storage.failures import install_hooks
from pipelines.storage.home import NATIVE_LOG, home

MOST_LOG_BYTES = 2**20
"""A longer log is emptied by the next process."""
_terminal: dict[int, int] = {}
"""Redirected standard descriptors, each with a duplicate of the original."""


def keep_private(folder: Callable[[], Path]) -> None:
    """Keep output that this process did not print on purpose off its terminal and out of its logs.

    Args:
        folder: makes and returns the private folder for incidents.
    """
    install_hooks(folder)
    _keep_descriptors_private(_native_log(folder))


def give_terminal_back() -> None:
    """Restore the terminal for a program that this process starts or becomes.

    For commands that read no private records.
    """
    for descriptor, before in _terminal.items():
        os.dup2(before, descriptor)


def _native_log(folder: Callable[[], Path]) -> int:
    """Descriptor of the log, or of the null device where ``PATE_HOME`` is absent or cannot be written."""
    try:
        if home().is_dir():
            log = os.open(folder() / NATIVE_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            if os.fstat(log).st_size > MOST_LOG_BYTES:
                os.ftruncate(log, 0)
            return log
    except OSError:
        pass
    return os.open(os.devnull, os.O_WRONLY)


def _keep_descriptors_private(log: int) -> None:
    """Leave the terminal to ``sys.stdout`` and ``sys.stderr``; descriptors 1 and 2 write to the log."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            moved = _duplicate(stream, descriptor)
            for every in (name, f"__{name}__"):  # the second is asked for the terminal's width
                setattr(sys, every, moved)
            _terminal[descriptor] = moved.fileno()
        os.dup2(log, descriptor)
    if "rich.console" in sys.modules:  # loaded later, rich finds the streams itself
        vars(sys.modules["rich.console"])["_STD_STREAMS"] = (0, _terminal.get(1, 1), _terminal.get(2, 2))
    faulthandler.enable(2)  # before Ray does, on the terminal


def _duplicate(stream: TextIO, descriptor: int) -> TextIO:
    """A stream to the same file by a descriptor of its own, which started programs do not inherit."""
    stream.flush()
    return open(
        os.dup(descriptor),
        "w",
        buffering=1 if stream.line_buffering or getattr(stream, "write_through", False) else -1,
        encoding=stream.encoding,
        errors=stream.errors,
        closefd=False,  # as Python opens its own, so that no warning about open files is printed at exit
    )

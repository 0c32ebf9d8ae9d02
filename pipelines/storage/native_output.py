"""Output of native code on descriptors 1 and 2, kept in a private log.

A decoder written in C reports faults of an image there, and may quote the row or the file that caused them.
"""

from __future__ import annotations

import faulthandler
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipelines.storage.home import NATIVE_LOG

MOST_LOG_BYTES = 2**20
"""A longer log is emptied by the next process."""
_STREAMS = (("stdout", 1), ("stderr", 2))
_terminal: dict[int, int] = {}
"""Redirected standard descriptors, each with a duplicate of the original."""


def keep_private(base: Path, folder: Callable[[], Path]) -> None:
    """Leave the terminal to ``sys.stdout`` and ``sys.stderr``; descriptors 1 and 2 write to the log.

    Args:
        base: ``PATE_HOME``; while it is absent, or cannot be written, there is no log.
        folder: makes and returns its private folder.
    """
    log = _log(base, folder)
    for name, descriptor in _STREAMS:
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            moved = _duplicate(stream, os.dup(descriptor))
            for every in (name, f"__{name}__"):  # the second is asked for the terminal's width
                setattr(sys, every, moved)
            _terminal[descriptor] = moved.fileno()
        os.dup2(log, descriptor)
    if "rich.console" in sys.modules:  # loaded later, rich finds the streams itself
        vars(sys.modules["rich.console"])["_STD_STREAMS"] = (0, _terminal.get(1, 1), _terminal.get(2, 2))
    faulthandler.enable(2)  # before Ray does, on the terminal


@contextmanager
def kept_private(base: Path, folder: Callable[[], Path]) -> Iterator[None]:
    """``keep_private`` for a block in a host process, such as a notebook; all is restored afterwards."""
    log = _log(base, folder)
    before = {descriptor: os.dup(descriptor) for _, descriptor in _STREAMS}
    streams = {name: getattr(sys, name) for name, _ in _STREAMS}
    for name, descriptor in _STREAMS:
        stream = streams[name]
        if isinstance(stream, io.TextIOWrapper) and _is_at(stream, descriptor):
            setattr(sys, name, _duplicate(stream, before[descriptor]))
        os.dup2(log, descriptor)
    try:
        yield
    finally:
        for name, descriptor in _STREAMS:
            getattr(sys, name).flush()
            setattr(sys, name, streams[name])
            os.dup2(before[descriptor], descriptor)
        for opened in (*before.values(), log):
            os.close(opened)


def _is_at(stream: TextIO, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor
    except OSError:  # a stream in memory
        return False


def give_terminal_back() -> None:
    """Restore the terminal for a program that this process starts or becomes.

    For commands that read no private records.
    """
    for descriptor, before in _terminal.items():
        os.dup2(before, descriptor)


def _log(base: Path, folder: Callable[[], Path]) -> int:
    """Descriptor of the log, or of the null device where ``PATE_HOME`` is absent or cannot be written."""
    try:
        if base.is_dir():
            log = os.open(folder() / NATIVE_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            if os.fstat(log).st_size > MOST_LOG_BYTES:
                os.ftruncate(log, 0)
            return log
    except OSError:
        pass
    return os.open(os.devnull, os.O_WRONLY)


def _duplicate(stream: TextIO, descriptor: int) -> TextIO:
    """A stream to the same file by a descriptor of its own, which started programs do not inherit."""
    stream.flush()
    return open(
        descriptor,
        "w",
        buffering=1 if stream.line_buffering or getattr(stream, "write_through", False) else -1,
        encoding=stream.encoding,
        errors=stream.errors,
        closefd=False,  # as Python opens its own, so that no warning about open files is printed at exit
    )

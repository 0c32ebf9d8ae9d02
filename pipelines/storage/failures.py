"""Public form of errors: one line each, and an incident with the private details."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from pate.errors import ConfigurationFaults, InputError, InternalError, PateError
from pate.plain_text import printable
from pipelines.storage.incidents import write_incident


def as_public(error: Exception, folder: Callable[[], Path]) -> PateError:
    """An error whose text is one public line, without the cause, context and traceback of the original.

    An error that pate raised on purpose keeps its type and its text. Of any other only the name of its type is shown.

    Args:
        error: the original; its private side goes to an incident.
        folder: makes and returns the private folder for incidents.
    """
    if not isinstance(error, PateError):
        return _internal(error, folder)
    lines = str(error).splitlines() if isinstance(error, ConfigurationFaults) else [str(error)]
    text = "\n".join(printable(_one_line(line)) for line in lines)
    if error.private_detail is not None:
        text += f" ({_kept(error.private_detail, folder)})"
    public = type(error).__new__(type(error))
    PateError.__init__(public, text)
    return public


def _one_line(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip(" "))]
    return indent + " ".join(text.split())


def _internal(error: Exception, folder: Callable[[], Path]) -> PateError:
    kind = type(error).__name__
    try:
        incident = write_incident(folder(), "".join(traceback.format_exception(error)))
    except OSError as failure:
        return InputError(
            f"Expected PATE_HOME to be a writable folder, got {failure.strerror} after an internal error ({kind}); "
            "grant write access, or set PATE_HOME"
        )
    return InternalError(f"internal error ({kind}); see `pate incident {incident}`")


def _kept(detail: str, folder: Callable[[], Path]) -> str:
    try:
        return f"details: `pate incident {write_incident(folder(), detail)}`"
    except OSError as failure:
        return f"details could not be kept: PATE_HOME cannot be written, {failure.strerror}"


def install_hooks(folder: Callable[[], Path]) -> None:
    """Send errors outside the main thread to incidents, and warnings and unhandled log lines nowhere.

    Args:
        folder: makes and returns the private folder for incidents.
    """

    def incident(
        kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, where: str
    ) -> None:
        if kind is None or issubclass(kind, SystemExit):
            return
        identifier = write_incident(folder(), "".join(traceback.format_exception(kind, error, trace)))
        sys.stderr.write(
            f"pate: error: internal error ({kind.__name__}) in {where}; see `pate incident {identifier}`\n"
        )

    threading.excepthook = lambda seen: incident(seen.exc_type, seen.exc_value, seen.exc_traceback, "a thread")
    sys.unraisablehook = lambda seen: incident(seen.exc_type, seen.exc_value, seen.exc_traceback, "a clean-up")
    sys.excepthook = lambda kind, error, trace: incident(kind, error, trace, "the command")
    logging.lastResort = None
    logging.raiseExceptions = False
    os.environ.pop("PYTHONWARNINGS", None)  # in a task of a Ray started here, it could turn a warning into an error
    warnings.simplefilter("ignore")
    warnings.showwarning = lambda *_, **__: None


@contextmanager
def hooks(folder: Callable[[], Path]) -> Iterator[None]:
    """``install_hooks`` for a block in a host process, such as a notebook; all is restored afterwards."""
    owners = ((threading, "excepthook"), (sys, "unraisablehook"), (sys, "excepthook"))
    switches = ((logging, "lastResort"), (logging, "raiseExceptions"))
    before = [(owner, name, getattr(owner, name)) for owner, name in (*owners, *switches)]
    setting = os.environ.get("PYTHONWARNINGS")
    with warnings.catch_warnings():
        install_hooks(folder)
        try:
            yield
        finally:
            for owner, name, value in before:
                setattr(owner, name, value)
            if setting is not None:
                os.environ["PYTHONWARNINGS"] = setting

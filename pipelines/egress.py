"""What nobody raised on purpose stays private too: warnings, logs and errors outside the main thread.

A library's warning may quote the row it stumbled over, and an error in a thread or in a destructor prints its text
on standard error by itself. Here they go to an incident, or nowhere.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from pipelines.store import write_incident


def keep_private(folder: Callable[[], Path]) -> None:
    """Let nothing that this process did not choose to say reach its terminal or its logs.

    Args:
        folder: makes and returns the private folder that incidents go to.
    """

    def incident(
        kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, where: str
    ) -> None:
        if kind is None or issubclass(kind, SystemExit):
            return
        identifier = write_incident(folder(), "".join(traceback.format_exception(kind, error, trace)))
        print(  # noqa: T201 - the one line that takes the place of a traceback
            f"pate: error: unforeseen {kind.__name__} in {where}; see `pate incident {identifier}`", file=sys.stderr
        )

    threading.excepthook = lambda seen: incident(seen.exc_type, seen.exc_value, seen.exc_traceback, "a thread")
    sys.unraisablehook = lambda seen: incident(seen.exc_type, seen.exc_value, seen.exc_traceback, "a clean-up")
    sys.excepthook = lambda kind, error, trace: incident(kind, error, trace, "the command")
    logging.lastResort = None
    logging.raiseExceptions = False
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.showwarning = lambda *_, **__: None

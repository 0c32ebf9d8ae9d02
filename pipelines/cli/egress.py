"""Private by default: warnings, logs, errors outside the main thread and native output.

A library's warning may quote the row that caused it, and an error in a thread or in a destructor prints its text on
standard error by itself. Here they go to an incident, a private log, or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.storage import native_output
from pipelines.storage.failures import install_hooks
from pipelines.storage.home import home


def keep_private(folder: Callable[[], Path]) -> None:
    """Keep output that this process did not print on purpose off its terminal and out of its logs.

    Args:
        folder: makes and returns the private folder for incidents.
    """
    install_hooks(folder)
    native_output.keep_private(home(), folder)

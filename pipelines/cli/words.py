"""How every command is described: what it does, and an example, in the list and in its own help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer


def add_command(app: typer.Typer, function: Callable[..., Any], text: str, example: str) -> None:
    """Add a command with its example."""
    app.command(short_help=f"{text} Example: {example}", help=f"{text}\n\nExample: {example}")(function)

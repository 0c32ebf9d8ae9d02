"""What all commands share: how they are described, ``--json``, tables, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pate.plain_text import printable

EXIT_CODES = {
    0: "done",
    1: "an error inside pate; `pate incident ID` shows it to whoever may read the private folder",
    2: "refused, because of input, budget, ledger or a server, or `pate doctor` found something; the one line on "
    "standard error says what to do, and nothing was released beyond what the ledger holds",
    3: "machines that failed left fewer sites or teachers than declared (`faults.quorum_sites`, "
    "`faults.quorum_teachers`); nothing was released by this call, `pate run` goes on when they are back",
    130: "interrupted; `pate run` on the same configuration goes on",
}
"""What a script may rely on. ``docs/reference/commands.md`` shows it."""

JsonOption = Annotated[bool, typer.Option("--json", help="print JSON on standard output, and nothing else there")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="run id, its folder, or the MLflow run id")]


def add_command(app: typer.Typer, function: Callable[..., Any], text: str, example: str) -> None:
    """Add a command with its example."""
    app.command(short_help=f"{text} Example: {example}", help=f"{text}\n\nExample: {example}")(function)


def print_json(content: Any) -> None:
    """The result for a program, in one line."""
    print(json.dumps(content))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: int = 0) -> None:
    """The result for a person.

    Args:
        columns: their names.
        rows: as many cells each.
        whole: the first so many columns are never broken over lines.
    """
    table = Table(*columns)
    for column in table.columns:
        column.overflow = "fold"  # a name that is cut off cannot be used
    for column in table.columns[:whole]:
        column.no_wrap = True
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False).print(table)

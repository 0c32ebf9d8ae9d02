"""Output of commands: tables, ``--json``, exit codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pate.plain_text import printable

EXIT_CODES = {
    0: "done",
    1: "internal error; `pate incident ID` shows it to those who may read the private folder",
    2: "refused because of input, budget, ledger or a server, or `pate doctor` found something; one line on standard "
    "error says what to do, and nothing was released beyond what the ledger holds",
    3: "failed machines left fewer sites or teachers than declared (`faults.quorum_sites`, `faults.quorum_teachers`); "
    "this call released nothing, and `pate run` resumes once they are back",
    130: "interrupted; `pate run` with the same configuration resumes",
}
"""Exit codes, stable for scripts; the reference page of commands lists them."""


def print_json(content: Any) -> None:
    """Print a result for programs, on one line."""
    print(json.dumps(content))


def print_text(text: str, *, wrap: bool = True) -> None:
    """Print a paragraph, wrapped to the width of the terminal if wanted."""
    from rich.console import Console

    Console(highlight=False, markup=False).print(text, soft_wrap=not wrap)


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair per line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(printable(value)))
    Console(highlight=False).print(table)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: int = 0) -> None:
    """Print a table.

    Args:
        columns: their names.
        rows: as many cells each.
        whole: number of leading columns that are never broken over lines.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for column in table.columns:
        column.overflow = "fold"  # a truncated name cannot be used
    for column in table.columns[:whole]:
        column.no_wrap = True
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False).print(table)

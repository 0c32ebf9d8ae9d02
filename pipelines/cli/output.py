"""Output of commands: tables, ``--json``, exit codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pate.plain_text import printable

if TYPE_CHECKING:
    from rich.console import Console

_UNWRAPPED = 100_000
"""Width of output that is not a terminal: lines are not wrapped."""

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
    _console().print(text, soft_wrap=not wrap, markup=False)


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair per line; values are wrapped between words, those with paths not at all."""
    from textwrap import wrap

    from rich.text import Text

    console = _console()
    column = max((len(name) for name, _ in facts), default=0) + 2
    for name, value in facts:
        text = printable(value)
        width = max(console.width - column, 20) if "/" not in text else _UNWRAPPED  # the terminal wraps paths, to copy
        lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines or [""]):
            first = f"{name:<{column}}" if number == 0 else " " * column
            console.print(Text.assemble((first, "bold"), line), soft_wrap=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, whole: int = 1) -> None:
    """Print a table; its cells are wrapped between words, so that a name or a path can be copied.

    On a terminal that is too narrow for that, each row is printed as names and values.

    Args:
        columns: their names.
        rows: as many cells each.
        whole: number of leading columns that are never wrapped.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(cell) for cell in row] for row in rows]
    console = _console()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    needed = 2 * len(columns) - 2
    for number, name in enumerate(columns):
        texts = [name, *(row[number] for row in cells)]
        words = texts if number < whole else [word for text in texts for word in text.split()]
        least = max((len(word) for word in words), default=0)
        table.add_column(name, no_wrap=number < whole, min_width=least)
        needed += least
    for row in cells:
        table.add_row(*map(Text, row))
    if needed <= console.width:
        console.print(table)
        return
    for number, row in enumerate(cells):
        if number:
            console.print()
        print_facts(list(zip(columns, row, strict=True)))


def _console() -> Console:
    """Standard output, without wrapping where it is not a terminal."""
    import sys

    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _UNWRAPPED)

"""``pate data list | fetch``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(help="The public data sets that the shipped configurations use.", no_args_is_help=True)


@app.command("list", help="List the sets, their licences and where they are.\n\nExample: pate data list")
def list_sets(as_json: Annotated[bool, typer.Option("--json", help="print JSON on standard output")] = False) -> None:
    """List the shipped public sets."""
    from pipelines.shipped_sets import SETS, find  # noqa: PLC0415 - keeps `pate --help` quick

    rows = []
    for name, found in SETS.items():
        where = find(name)
        rows.append(
            {
                "name": name,
                "title": found.title,
                "licence": found.licence,
                "folder": None if where is None else str(where),
                "fetch": found.by_hand is None,
            }
        )
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("name", "what", "licence", "where")
    for row in rows:
        missing = "by hand" if not row["fetch"] else "not here"
        table.add_row(str(row["name"]), str(row["title"]), str(row["licence"]), str(row["folder"] or missing))
    Console().print(table)


@app.command(help="Download a set into PATE_HOME/data and check it.\n\nExample: pate data fetch mnist")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="see `pate data list`")],
    mirror: Annotated[str | None, typer.Option(help="base URL that holds FOLDER/FILE as published")] = None,
) -> None:
    """Download a set and check it."""
    from pipelines.fetch import fetch as fetch_set  # noqa: PLC0415
    from pipelines.shipped_sets import shipped_set  # noqa: PLC0415

    wanted = shipped_set(name)
    folder = fetch_set(
        name, mirror=mirror, on_file=lambda file, size: print(f"  {file}  {size:,} bytes, checked", file=sys.stderr)
    )
    print(f"{name}: {folder} (licence: {wanted.licence})")

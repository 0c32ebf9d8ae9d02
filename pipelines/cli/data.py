"""``pate data list | fetch``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.cli.output import JsonOption, print_json, print_table

app = typer.Typer(help="The public data sets that the shipped configurations use.", no_args_is_help=True)


@app.command("list", help="List the sets, their licences and where they are.\n\nExample: pate data list")
def list_sets(as_json: JsonOption = False) -> None:
    """List the shipped public sets."""
    from pipelines.data.shipped_sets import SETS, find  # noqa: PLC0415 - keeps `pate --help` quick

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
        print_json(rows)
        return
    cells = [
        [*(str(row[key]) for key in ("name", "title", "licence")), str(row["folder"] or _missing(row["fetch"]))]
        for row in rows
    ]
    print_table(("name", "what", "licence", "where"), cells)


def _missing(can_be_fetched: object) -> str:
    return "not here" if can_be_fetched else "by hand"


@app.command(help="Download a set into PATE_HOME/data and check it.\n\nExample: pate data fetch mnist")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="see `pate data list`")],
    mirror: Annotated[str | None, typer.Option(help="base URL that holds FOLDER/FILE as published")] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a set and check it."""
    from pipelines.data.fetch import fetch as fetch_set  # noqa: PLC0415
    from pipelines.data.shipped_sets import shipped_set  # noqa: PLC0415

    wanted = shipped_set(name)
    folder = fetch_set(
        name, mirror=mirror, on_file=lambda file, size: print(f"  {file}  {size:,} bytes, checked", file=sys.stderr)
    )
    if as_json:
        print_json({"name": name, "folder": str(folder), "licence": wanted.licence})
        return
    print(f"{name}: {folder} (licence: {wanted.licence})")

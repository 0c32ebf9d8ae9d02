"""``pate data list | fetch``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pipelines.cli.arguments import JsonOption
from pipelines.cli.output import print_json, print_table


def list_sets(as_json: JsonOption = False) -> None:
    """List the shipped public sets, their licences and folders."""
    from pipelines.data.shipped_sets import SETS, find

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
    print_table(("name", "title", "licence", "folder"), cells)


def _missing(can_be_fetched: object) -> str:
    return "not downloaded" if can_be_fetched else "manual download"


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name of a set, see `pate data list`")],
    mirror: Annotated[str | None, typer.Option(help="base URL with the published FOLDER/FILE")] = None,
    as_json: JsonOption = False,
) -> None:
    """Download a set into PATE_HOME/data and check it."""
    from pipelines.data.fetch import fetch as fetch_set
    from pipelines.data.shipped_sets import shipped_set

    wanted = shipped_set(name)
    folder = fetch_set(
        name, mirror=mirror, on_file=lambda file, size: print(f"  {file}  {size:,} bytes, checked", file=sys.stderr)
    )
    if as_json:
        print_json({"name": name, "folder": str(folder), "licence": wanted.licence})
        return
    print(f"{name}: {folder} (licence: {wanted.licence})")

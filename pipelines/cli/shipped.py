"""``pate configs list | copy`` and ``pate data list | fetch``: what comes with pate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pate.errors import InputError, expected
from pipelines.cli.arguments import JsonOption, complete_config
from pipelines.cli.output import print_json, print_table


def list_configs(as_json: JsonOption = False) -> None:
    """List the shipped configurations; every command takes their names as CONFIG."""
    from pipelines.config.shipped import shipped
    from pipelines.config.yaml_file import read

    rows = [
        {"name": name, "description": str(read(path).get("description", "")), "file": str(path)}
        for name, path in shipped().items()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(("name", "description"), [(row["name"], row["description"]) for row in rows])


def copy_config(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="name of a shipped configuration", autocompletion=complete_config)
    ],
    to: Annotated[Path | None, typer.Option(help="file to write; default: NAME.yaml in the working folder")] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a shipped configuration to a file of your own."""
    from pipelines.config.shipped import named

    source = named(name)
    target = to or Path(f"{name}.yaml")
    try:
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError as error:
        raise expected(
            "a file that does not exist yet", "give another name by --to, or remove it", file=str(target)
        ) from error
    except OSError as error:
        raise InputError(
            f"Expected a file that can be written, got {error.strerror} for {target}; give --to"
        ) from error
    if as_json:
        print_json({"name": name, "file": str(target)})
        return
    print(f"{target}: a copy of {name}; run it with `pate run {target}`")


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

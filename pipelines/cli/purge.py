"""``pate purge RUN``: remove private artifacts past their retention."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.output import JsonOption, RunArgument, add_command, print_json
from pipelines.storage.home import Home, home


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    add_command(app, purge, "Remove private artifacts past their retention.", "pate purge digits-1a2b3c4d --days 30")


def purge(
    run: RunArgument,
    days: Annotated[int | None, typer.Option(min=0, help="default: privacy.retention_days of the run")] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove votes, weights, manifests and incidents older than so many days, and say so in the ledger."""
    from pipelines.operations import purge as removal  # noqa: PLC0415

    folder = Home(home()).find(run)
    removed = removal.purge(folder, home(), days=days)
    if as_json:
        print_json({"run_id": folder.run_id, "removed": removed})
        return
    print(f"{folder.run_id}: {', '.join(removed) + ' removed' if removed else 'nothing is past its retention'}")

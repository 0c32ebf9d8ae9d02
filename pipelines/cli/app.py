"""The root command, and how errors become one line and an exit code (``words.EXIT_CODES``)."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from pate.errors import PateError, QuorumLost
from pate.plain_text import printable
from pipelines.cli import account, audit, data, doctor, ledger, mlflow, new, plan, purge, runs, simulate, sweep
from pipelines.cli.egress import give_terminal_back, keep_private
from pipelines.storage.home import home
from pipelines.storage.incidents import write_incident

STARTS_OTHERS = ("report", "ui")
"""Commands that start a browser or become a server, and read no private records."""

app = typer.Typer(
    help="Private labelling: teachers on private records vote, a noisy majority labels public data, a student is "
    "published.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pate {version('pate')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""
    if context.invoked_subcommand in STARTS_OTHERS:
        give_terminal_back()


runs.add_to(app)
mlflow.add_to(app)
new.add_to(app)
account.add_to(app)
plan.add_to(app)
audit.add_to(app)
doctor.add_to(app)
purge.add_to(app)
simulate.add_to(app)
sweep.add_to(app)
app.add_typer(data.app, name="data", short_help="The public data sets. Example: pate data fetch mnist")
app.add_typer(ledger.app, name="ledger", short_help="Accounts, budgets, spend. Example: pate ledger show")


def main() -> None:
    """Entry point of the console script."""
    keep_private(_private)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line; returns its exit code."""
    try:
        outcome = app(arguments or ["--help"], standalone_mode=False)
    except PateError as error:
        return _refuse(str(error), error.private_detail, 3 if isinstance(error, QuorumLost) else 2)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        usage = getattr(error, "format_message", None)  # how Click, of whatever make, says that words are wrong
        if usage is not None:
            return _refuse(f"{usage()} See `pate --help`.", None)

        try:
            incident = write_incident(_private(), traceback.format_exc())
        except OSError as failure:
            return _refuse(
                f"Expected PATE_HOME to be a folder that can be written, got {failure.strerror} after "
                f"{type(error).__name__}; give write access, or set PATE_HOME",
                None,
            )
        print(f"pate: error: unforeseen {type(error).__name__}; see `pate incident {incident}`", file=sys.stderr)
        return 1
    return outcome if isinstance(outcome, int) else 0


def _refuse(message: str, private_detail: str | None, code: int = 2) -> int:
    if private_detail is not None:
        message += f" (details: `pate incident {write_incident(_private(), private_detail)}`)"
    print(f"pate: error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


def _private() -> Path:
    folder = home() / "private"
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o700)
    return folder

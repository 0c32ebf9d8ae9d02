"""The root command, and how errors become one line and an exit code (``output.EXIT_CODES``)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from pate.defaults import VERSION
from pate.errors import InputError, InternalError, PateError, QuorumLost
from pipelines.cli.commands import WIDEST, Commands, add_commands
from pipelines.storage.failures import as_public, install_hooks
from pipelines.storage.home import Home, home
from pipelines.storage.native_output import give_terminal_back
from pipelines.storage.native_output import keep_private as keep_native_output_private

STARTS_OTHERS = ("report", "ui")
"""Commands that start a browser or become a server, and read no private records."""

app = typer.Typer(
    cls=Commands,
    context_settings={"max_content_width": WIDEST},
    help="Private labelling: teachers on private records vote, a noisy majority labels public data, a student is "
    "published.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pate {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Hold the options that precede a command."""
    if context.invoked_subcommand in STARTS_OTHERS:
        give_terminal_back()


def root() -> Any:
    """The command ``pate`` with all others below it."""
    group: Any = typer.main.get_command(app)
    add_commands(group)
    return group


def main() -> None:
    """Entry point of the console script."""
    keep_private(_private)
    sys.exit(run(sys.argv[1:]))


def keep_private(folder: Callable[[], Path]) -> None:
    """Keep output that this process did not print on purpose off its terminal and out of its logs.

    A library's warning may quote the row that caused it, and an error in a thread or in a destructor prints its text on
    standard error by itself. Here they go to an incident, a private log, or nowhere.

    Args:
        folder: makes and returns the private folder for incidents.
    """
    install_hooks(folder)
    keep_native_output_private(home(), folder)


def run(arguments: list[str]) -> int:
    """Run a command line; returns its exit code."""
    try:
        outcome = root()(arguments or ["--help"], prog_name="pate", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        usage = getattr(error, "format_message", None)  # of Click's usage errors, whichever Click typer uses
        if usage is not None:
            path = getattr(getattr(error, "ctx", None), "command_path", "pate")
            error = InputError(f"{usage()} See `{path} --help`.")
        public = as_public(error, _private)
        print(f"pate: error: {public}", file=sys.stderr)
        return _code(public)
    return outcome if isinstance(outcome, int) else 0


def _code(error: PateError) -> int:
    """Exit code of an error."""
    return 1 if isinstance(error, InternalError) else 3 if isinstance(error, QuorumLost) else 2


def _private() -> Path:
    return Home(home()).private_folder()

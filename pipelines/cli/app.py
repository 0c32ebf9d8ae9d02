"""The root command, and how errors become one line and an exit code (``output.EXIT_CODES``)."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from pate.errors import PateError, QuorumLost
from pate.plain_text import printable
from pipelines.cli.commands import Commands, add_commands
from pipelines.cli.egress import give_terminal_back, keep_private
from pipelines.storage.home import Home, home
from pipelines.storage.incidents import write_incident

STARTS_OTHERS = ("report", "ui")
"""Commands that start a browser or become a server, and read no private records."""

app = typer.Typer(
    cls=Commands,
    help="Private labelling: teachers on private records vote, a noisy majority labels public data, a student is "
    "published.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"pate {version('pate')}")
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


def run(arguments: list[str]) -> int:
    """Run a command line; returns its exit code."""
    try:
        outcome = root()(arguments or ["--help"], prog_name="pate", standalone_mode=False)
    except PateError as error:
        return _refuse(str(error), error.private_detail, 3 if isinstance(error, QuorumLost) else 2)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        usage = getattr(error, "format_message", None)  # of Click's usage errors, whichever Click typer uses
        if usage is not None:
            path = getattr(getattr(error, "ctx", None), "command_path", "pate")
            return _refuse(f"{usage()} See `{path} --help`.", None)

        try:
            incident = write_incident(_private(), traceback.format_exc())
        except OSError as failure:
            return _refuse(
                f"Expected PATE_HOME to be a writable folder, got {failure.strerror} after an internal error "
                f"({type(error).__name__}); grant write access, or set PATE_HOME",
                None,
            )
        print(f"pate: error: internal error ({type(error).__name__}); see `pate incident {incident}`", file=sys.stderr)
        return 1
    return outcome if isinstance(outcome, int) else 0


def _refuse(message: str, private_detail: str | None, code: int = 2) -> int:
    if private_detail is not None:
        message += f" (details: `pate incident {write_incident(_private(), private_detail)}`)"
    print(f"pate: error: {printable(' '.join(message.split()))}", file=sys.stderr)
    return code


def _private() -> Path:
    return Home(home()).private_folder()

"""The page of commands, written from the commands themselves.

python -m pipelines.cli.reference > docs/reference/commands.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from pipelines.cli.app import app
from pipelines.cli.output import EXIT_CODES

HEAD = """# Commands

Made by `python -m pipelines.cli.reference`; a test compares. Results stand on standard output, everything else on
standard error. With `--json`, standard output holds one JSON document and nothing else. An error is one line that says
what was expected, what was found and what to do.

## Exit codes

| code | meaning |
|---|---|
"""


def page() -> str:
    """The page, in Markdown."""
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    commands = "\n".join(_section(name, command) for name, command in _commands(typer.main.get_command(app)))
    return f"{HEAD}{codes}\n\n{commands}"


def _commands(group: Any, prefix: str = "pate") -> Iterator[tuple[str, Any]]:
    """Every command that can be called, by its whole name, in alphabetical order."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _section(name: str, command: Any) -> str:
    text, _, example = command.help.partition("\n\nExample: ")
    words = [f"## `{name}`", text, f"```\n{example}\n```"]
    rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        words.append("\n".join(["| word | meaning | default |", "|---|---|---|", *rows]))
    return "\n\n".join(words) + "\n"


def _row(parameter: Any) -> str:
    """One argument or option."""
    is_option = parameter.param_type_name == "option"
    word = ", ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.metavar or parameter.name
    empty = parameter.default is None or parameter.default is False or parameter.default == ()
    default = (
        "required"
        if parameter.required
        else ""
        if empty
        else f"`{getattr(parameter.default, 'value', parameter.default)}`"
    )
    return f"| `{word}` | {(parameter.help or '').replace('|', '/')} | {default} |"


if __name__ == "__main__":
    print(page(), end="")

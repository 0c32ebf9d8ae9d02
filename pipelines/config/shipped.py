"""Shipped configurations by name: files that travel with the package."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from pate.errors import expected

FOLDER = Path(__file__).parents[1] / "configs"
"""In a checkout, a link to the top-level ``configs/``."""


def shipped() -> dict[str, Path]:
    """Every shipped configuration by its name, in alphabetical order."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def find_config(config: str | os.PathLike[str]) -> Path:
    """The file of a configuration, named by its path or, if it is shipped, by its name.

    A file at that path has precedence.

    Raises:
        InputError: neither a file nor a shipped configuration has this name.
    """
    path = Path(config)
    if path.is_file():
        return path
    if path.name != str(config) or path.suffix:
        return path
    return named(path.name, "the path of a YAML file or ")


def named(name: str, other: str = "") -> Path:
    """The file of a shipped configuration.

    Args:
        name: of the configuration.
        other: further things that are accepted, for the error.

    Raises:
        InputError: none has this name.
    """
    known = shipped()
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    raise expected(
        f"{other}the name of a shipped configuration",
        f"{f'did you mean {close[0]}? ' if close else ''}shipped: {', '.join(known)}",
        CONFIG=name,
    )


def shown(path: Path) -> str:
    """A shipped configuration by its name, any other by its path."""
    return path.stem if path.parent == FOLDER else str(path)

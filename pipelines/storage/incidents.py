"""Incidents: the private side of errors, for the operator alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path


def write_incident(folder: Path, text: str) -> str:
    """Keep the private side of an error; returns the incident's id.

    Args:
        folder: a private folder; incidents are in ``incidents`` below it.
        text: the error, with all private details.
    """
    incident = secrets.token_hex(4)
    _write(folder, incident, text, os.O_EXCL)
    return incident


def write_shared_units(folder: Path, run_id: str, ids: Sequence[str]) -> None:
    """Tell the operator, and nobody else, which private units stand in the public files, if any.

    Args:
        folder: a private folder; ``pate incident`` shows the file by its name.
        run_id: of the run, whose last 8 digits end the file's name.
        ids: of the units whose records are not used.
    """
    text = f"{len(ids)} privacy units of data.private_files stand in the public files; their records are not used\n"
    _write(folder, f"sharedunits{run_id[-8:]}", text + "".join(f"{unit}\n" for unit in ids), os.O_TRUNC)


def write_unknown_values(folder: Path, run_id: str, lines: Sequence[str]) -> None:
    """Tell the operator, and nobody else, which private categories the public encoder does not know, if any.

    Args:
        folder: a private folder; ``pate incident`` shows the file by its name.
        run_id: of the run, whose last 8 digits end the file's name.
        lines: one for each site and column.
    """
    text = f"{len(lines)} columns of data.private_files have categories that the public pool and the configuration lack"
    remedy = (
        "; they set no feature: correct them, or declare data.format.replace or data.features.categorical.categories"
    )
    _write(folder, f"unknownvalues{run_id[-8:]}", "\n".join([text + remedy, *lines, ""]), os.O_TRUNC)


def _write(folder: Path, name: str, text: str, how: int) -> None:
    incidents = folder / "incidents"
    incidents.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(incidents / name, os.O_WRONLY | os.O_CREAT | how, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)

"""Incidents: the private side of errors, for the operator alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_incident(folder: Path, text: str) -> str:
    """Keep the private side of an error; returns the incident's id.

    Args:
        folder: a private folder; incidents are in ``incidents`` below it.
        text: the error, with all private details.
    """
    incidents = folder / "incidents"
    incidents.mkdir(parents=True, exist_ok=True, mode=0o700)
    incident = secrets.token_hex(4)
    descriptor = os.open(incidents / incident, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return incident

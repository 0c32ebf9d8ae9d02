"""``pate doctor``: what is unsafe, and the command that mends it."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.output import JsonOption, add_command, print_json
from pipelines.storage.home import home


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    add_command(app, doctor, "Find what is unsafe, and the command that mends it.", "pate doctor configs/digits.yaml")


def doctor(
    config: Annotated[Path | None, typer.Argument(metavar="[CONFIG]", help="the experiment to be run")] = None,
    as_json: JsonOption = False,
) -> int:
    """Look at modes of folders, the ledger, Ray's authentication, the tracking server and unsafe settings."""
    from pipelines.config.experiment import load  # noqa: PLC0415
    from pipelines.operations import doctor as examination  # noqa: PLC0415 - loads torch

    findings = examination.examine(home(), None if config is None else load(config), os.environ)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.about}: {finding.text}\n  mend it: {finding.fix}")
        if not findings:
            looked = "modes, ledger, Ray" + ("" if config is None else ", tracking, settings")
            print(f"nothing unsafe found ({looked})")
    return 2 if findings else 0

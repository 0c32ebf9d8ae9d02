"""``pate register | sync | ui``: what has to do with MLflow after a run."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from pate.errors import InputError, Unavailable
from pipelines.cli.output import JsonOption, RunArgument, add_command, print_json
from pipelines.storage.home import Home, home
from pipelines.storage.run_folder import RunFolder


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the root."""
    for function, text, example in (
        (register, "Name a run's student as the one in use.", "register digits-1a2b3c4d --alias champion"),
        (sync, "Deliver what a tracking server missed.", "sync digits-1a2b3c4d"),
        (ui, "Open the MLflow UI on the runs.", "ui --port 5000"),
    ):
        add_command(app, function, text, f"pate {example}")


def sync(run: RunArgument, as_json: JsonOption = False) -> None:
    """Deliver what a tracking server missed, once."""
    folder = Home(home()).find(run)
    where, outcome = _deliver(folder)
    _require_delivered(outcome)
    if as_json:
        print_json({"run_id": folder.run_id, "delivered": outcome.delivered, "tracking": where.shown})
        return
    print(f"{folder.run_id}: {outcome.delivered} events delivered to {where.shown}, none pending")


def register(
    run: RunArgument,
    alias: Annotated[str, typer.Option(help="what to call this version of the model")] = "champion",
    as_json: JsonOption = False,
) -> None:
    """Name a run's student as the one in use; refused without report, secure noise, budget or an unbroken ledger."""
    from pipelines.operations.registration import check, check_alias  # noqa: PLC0415

    check_alias(alias)
    folder = Home(home()).find(run)
    student = check(folder, home())
    from pipelines.tracking.mlflow.registry import (  # noqa: PLC0415 - takes seconds; refusals need not wait for it
        set_alias,
    )

    where, outcome = _deliver(folder)
    _require_delivered(outcome)
    done = set_alias(where, student, alias)
    if as_json:
        figures = {name: student.card[name] for name in ("epsilon", "delta", "accountant", "privacy_unit")}
        print_json({"run_id": student.run_id, **asdict(done), **figures, "tracking": where.shown})
        return
    state = "is now" if done.changed else "was before"
    print(f"{student.run_id}: version {done.version} of {done.name} {state} {alias!r} at {where.shown}")


def _deliver(folder: RunFolder) -> tuple[Any, Any]:
    """Deliver a run's events to the destination that its configuration names."""
    from pipelines.config.experiment import TrackingConfig  # noqa: PLC0415
    from pipelines.tracking.destination import destination, preflight  # noqa: PLC0415
    from pipelines.tracking.mlflow.sink import MlflowSink  # noqa: PLC0415

    settings = TrackingConfig.model_validate_json(folder.tracking_settings_file.read_text())
    where = destination(settings.uri, home=home(), experiment=settings.experiment)
    preflight(where)
    outcome = MlflowSink(where).deliver(folder.public)
    if outcome.note is not None:
        print(f"pate: warning: {outcome.note}", file=sys.stderr)
    return where, outcome


def _require_delivered(outcome: Any) -> None:
    if outcome.pending:
        raise Unavailable(
            f"Expected all events to be delivered, got {outcome.delivered} delivered and {outcome.pending} pending "
            f"({outcome.reason}); retry"
        )


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1")] = 5000) -> None:
    """Serve the MLflow UI of PATE_HOME on this machine until interrupted."""
    from pipelines.tracking.delivery import runs_page  # noqa: PLC0415
    from pipelines.tracking.destination import UI_ENVIRONMENT, destination, ui_arguments  # noqa: PLC0415

    where = destination(None, home=home())
    if not where.database.exists():
        raise InputError("Expected runs in PATE_HOME, got none; run an experiment first or set PATE_HOME")
    command = [sys.executable, "-m", "mlflow", *ui_arguments(where, port=port)]
    print(f"MLflow at http://127.0.0.1:{port}{runs_page(home(), where)} (end with Ctrl-C)", file=sys.stderr)
    os.execve(sys.executable, command, {**os.environ, **UI_ENVIRONMENT})  # noqa: S606 - fixed words

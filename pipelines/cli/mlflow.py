"""``pate register | sync | ui``: MLflow after a run."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from pate.errors import InputError, Unavailable
from pipelines.cli.arguments import JsonOption, RunArgument
from pipelines.cli.output import print_json
from pipelines.storage.home import Home, home
from pipelines.storage.run_folder import RunFolder


def sync(run: RunArgument, as_json: JsonOption = False) -> None:
    """Deliver pending tracking events, each once."""
    folder = Home(home()).find(run)
    where, outcome = _deliver(folder)
    _require_delivered(outcome)
    if as_json:
        print_json({"run_id": folder.run_id, "delivered": outcome.delivered, "tracking": where.shown})
        return
    print(f"{folder.run_id}: {outcome.delivered} events delivered to {where.shown}, none pending")


def register(
    run: RunArgument,
    alias: Annotated[str, typer.Option(help="registry alias to point at this version of the model")] = "champion",
    despite_alarms: Annotated[
        bool, typer.Option("--despite-alarms", help="accept a student that does not know one of the classes")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Point a registry alias at a run's student, if report, noise source, budget, ledger and student all check out."""
    from dataclasses import asdict

    from pipelines.operations.registration import check, check_alias

    check_alias(alias)
    folder = Home(home()).find(run)
    student = check(folder, folder.base, despite_alarms=despite_alarms)
    from pipelines.tracking.mlflow.registry import set_alias  # takes seconds; refusals need not wait for it

    where, outcome = _deliver(folder)
    _require_delivered(outcome)
    done = set_alias(where, student, alias)
    if as_json:
        cost = {name: student.card[name] for name in ("epsilon", "delta", "accountant", "privacy_unit")}
        print_json({"run_id": student.run_id, **asdict(done), **cost, "tracking": where.shown})
        return
    state = "now has" if done.changed else "already had"
    print(f"{student.run_id}: version {done.version} of {done.name} {state} alias {alias!r} at {where.shown}")


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1")] = 5000) -> None:
    """Serve the MLflow UI of PATE_HOME on this machine until interrupted."""
    from pipelines.tracking.delivery import runs_page
    from pipelines.tracking.destination import UI_ENVIRONMENT, destination, ui_arguments
    from pipelines.tracking.relocation import follow

    where = destination(None, home=home())
    if not where.database.exists():
        raise InputError("Expected runs in PATE_HOME, got none; run an experiment first or set PATE_HOME")
    follow(where)
    command = [sys.executable, "-m", "mlflow", *ui_arguments(where, port=port)]
    print(f"MLflow at http://127.0.0.1:{port}{runs_page(home(), where)} (end with Ctrl-C)", file=sys.stderr)
    os.execve(sys.executable, command, {**os.environ, **UI_ENVIRONMENT})  # noqa: S606 - fixed words


def _deliver(folder: RunFolder) -> tuple[Any, Any]:
    """Deliver a run's events to the destination that its configuration names."""
    from pipelines.config.infrastructure import TrackingConfig
    from pipelines.tracking.destination import destination, preflight
    from pipelines.tracking.mlflow.sink import MlflowSink

    settings = TrackingConfig.model_validate_json(folder.tracking_settings_file.read_text())
    where = destination(settings.uri, home=folder.base, experiment=settings.experiment)
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

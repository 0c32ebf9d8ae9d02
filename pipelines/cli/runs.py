"""``pate run | validate | report | sync | register | schema | incident``."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pate.errors import InputError, Unavailable, expected
from pipelines.cli.words import add_command
from pipelines.store import RunStore, find_run, home

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of an experiment")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="run id, its folder, or the MLflow run id")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON on standard output")]


def add_to(app: typer.Typer) -> None:
    """Add this group's commands to the root."""
    for function, text, example in (
        (run, "Run an experiment, or go on with it.", "run configs/digits.yaml"),
        (validate, "Check a configuration.", "validate configs/digits.yaml"),
        (report, "Show a run's result and report.", "report digits-1a2b3c4d"),
        (
            results,
            "Write the results table of runs on public benchmarks.",
            "results digits-1a2b3c4d",
        ),
        (sync, "Deliver what a tracking server missed.", "sync digits-1a2b3c4d"),
        (register, "Name a run's student as the one in use.", "register digits-1a2b3c4d --alias champion"),
        (ui, "Open the MLflow UI on the runs.", "ui --port 5000"),
        (schema, "Print the JSON schema of configurations.", "schema > schema.json"),
        (incident, "Show the private side of an error.", "incident 9f3a12cd"),
    ):
        add_command(app, function, text, f"pate {example}")


def run(
    config: ConfigArgument,
    seed: Annotated[int | None, typer.Option(min=0, help="instead of the file's seed")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="take the next seed that has no run yet")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the result only")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment, or go on with it."""
    from pipelines.label_and_train import label_and_train  # noqa: PLC0415 - loads torch and Ray
    from pipelines.progress import Quiet, Terminal  # noqa: PLC0415

    chosen = _load(config, seed)
    while fresh and RunStore(home(), chosen.run_id).exists():
        chosen = _load(config, chosen.seed + 1)
    summary = label_and_train(chosen, base=home(), progress=Quiet() if quiet or as_json else Terminal())
    _show(summary, as_json)


def validate(config: ConfigArgument, as_json: JsonOption = False) -> None:
    """Check a configuration and print what it would cost at most."""
    chosen = _load(config, None)
    bound = chosen.campaign_epsilon()
    facts = {
        "run_id": chosen.run_id,
        "epsilon": bound.epsilon,
        "delta": bound.delta,
        "accountant": bound.accountant,
        "budget": chosen.privacy.epsilon,
    }
    if as_json:
        print(json.dumps(facts))
        return
    print(
        f"{config}: valid. Run {chosen.run_id} costs epsilon {bound.epsilon:.3f} at delta {bound.delta:g} at most "
        f"({bound.accountant}, budget {chosen.privacy.epsilon:g})."
    )


def report(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run's result and where its privacy report lies."""
    from pipelines import summary  # noqa: PLC0415

    store = find_run(home(), run)
    found = summary.load(store)
    if found is None:
        raise expected("a finished run", "go on with it by `pate run` on its configuration", run=store.run_id)
    _show(found, as_json)


def results(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="runs, as `pate report` takes them")],
    readme: Annotated[Path | None, typer.Option(help="write the table between its markers in this file")] = None,
) -> None:
    """Write the results table of runs on public benchmarks."""
    from pipelines.results import table, write  # noqa: PLC0415

    text = table([find_run(home(), run) for run in runs])
    if readme is None:
        print(text)
    else:
        write(readme, text)


def sync(run: RunArgument) -> None:
    """Deliver what a tracking server missed, once."""
    store = find_run(home(), run)
    where, outcome = _deliver(store)
    print(f"{store.run_id}: {outcome.delivered} events delivered to {where.shown}, {outcome.pending} pending")
    _require_delivered(outcome)


def register(
    run: RunArgument,
    alias: Annotated[str, typer.Option(help="what to call this version of the model")] = "champion",
    as_json: JsonOption = False,
) -> None:
    """Name a run's student as the one in use; refused without report, secure noise, budget or an unbroken ledger."""
    from pipelines.mlflow_registry import set_alias  # noqa: PLC0415
    from pipelines.registering import check, check_alias  # noqa: PLC0415

    check_alias(alias)
    store = find_run(home(), run)
    student = check(store, home())
    where, outcome = _deliver(store)
    _require_delivered(outcome)
    done = set_alias(where, student, alias)
    if as_json:
        figures = {name: student.card[name] for name in ("epsilon", "delta", "accountant", "privacy_unit")}
        print(json.dumps({"run_id": student.run_id, **asdict(done), **figures, "tracking": where.shown}))
        return
    state = "is now" if done.changed else "was before"
    print(f"{student.run_id}: version {done.version} of {done.name} {state} {alias!r} at {where.shown}")


def _deliver(store: RunStore) -> tuple[Any, Any]:
    """Deliver a run's events to the destination that its configuration names."""
    from pipelines.config import TrackingConfig  # noqa: PLC0415
    from pipelines.destination import destination, preflight  # noqa: PLC0415
    from pipelines.mlflow_tracking import MlflowSink  # noqa: PLC0415

    settings = TrackingConfig.model_validate_json((store.private / "tracking.json").read_text())
    where = destination(settings.uri, home=home(), experiment=settings.experiment)
    preflight(where)
    return where, MlflowSink(where).deliver(store.public)


def _require_delivered(outcome: Any) -> None:
    if outcome.pending:
        raise Unavailable(
            f"Expected all events to be delivered, got {outcome.pending} pending ({outcome.reason}); retry"
        )


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1")] = 5000) -> None:
    """Serve the MLflow UI of PATE_HOME on this machine until interrupted."""
    from pipelines.destination import UI_ENVIRONMENT, destination, ui_arguments  # noqa: PLC0415

    where = destination(None, home=home())
    if not where.database.exists():
        raise InputError("Expected runs in PATE_HOME, got none; run an experiment first or set PATE_HOME")
    command = [sys.executable, "-m", "mlflow", *ui_arguments(where, port=port)]
    print(f"MLflow at http://127.0.0.1:{port} (end with Ctrl-C)", file=sys.stderr)
    os.execve(sys.executable, command, {**os.environ, **UI_ENVIRONMENT})  # noqa: S606 - fixed words


def schema() -> None:
    """Print the JSON schema of configurations."""
    from pipelines.config import json_schema  # noqa: PLC0415

    print(json.dumps(json_schema(), indent=2))


def incident(identifier: Annotated[str, typer.Argument(metavar="ID", help="from the error's line")]) -> None:
    """Show the private side of an error to whoever may read the private folder."""
    found = [path for path in home().glob(f"**/incidents/{identifier}") if identifier.isalnum()]
    if not found:
        raise expected("the id of an incident", "copy it from the error's line", id=identifier)
    print(found[0].read_text())


def _load(path: Path, seed: int | None) -> Any:
    from pipelines.config import load  # noqa: PLC0415 - loads torch

    return load(path, {} if seed is None else {"seed": seed})


def _show(summary: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary.to_dict()))
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in summary.lines():
        table.add_row(name, value)
    Console(highlight=False).print(table)

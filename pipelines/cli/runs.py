"""``pate run | validate | report | results | schema | incident``."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pate.accounting.rounding import up
from pate.errors import Unavailable, expected
from pate.plain_text import printable
from pipelines.cli.output import JsonOption, RunArgument, add_command, print_json
from pipelines.storage.home import Home, home
from pipelines.storage.run_folder import RunFolder

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of an experiment")]


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
    from pipelines.progress import Quiet, Terminal  # noqa: PLC0415
    from pipelines.run.label_and_train import label_and_train  # noqa: PLC0415 - loads torch and Ray

    chosen = _load(config, seed)
    while fresh and RunFolder(home(), chosen.run_id).exists():
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
        print_json(facts)
        return
    print(
        f"{config}: valid. Run {chosen.run_id} costs epsilon {up(bound.epsilon)} at delta {bound.delta:g} at most "
        f"({bound.accountant}, budget {chosen.privacy.epsilon:g})."
    )


def report(
    run: RunArgument,
    as_json: JsonOption = False,
    show: Annotated[bool, typer.Option("--open", help="open the privacy report in the browser")] = False,
) -> None:
    """Show a run's result and where its privacy report lies."""
    from pipelines.outcome import summary  # noqa: PLC0415

    folder = Home(home()).find(run)
    found = summary.load(folder)
    if found is None:
        raise expected("a finished run", "go on with it by `pate run` on its configuration", run=folder.run_id)
    _show(found, as_json)
    if show and not webbrowser.open(folder.report_html.as_uri()):
        raise Unavailable("Expected a browser to show the report in, got none; open the file that `report` names")


def results(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="runs, as `pate report` takes them")],
    readme: Annotated[Path | None, typer.Option(help="write the table between its markers in this file")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the results table of runs on public benchmarks."""
    from pipelines.outcome import summary  # noqa: PLC0415
    from pipelines.results.table import table, write  # noqa: PLC0415

    stores = [Home(home()).find(run) for run in runs]
    text = table(stores)
    if readme is not None:
        write(readme, text)
    elif not as_json:
        print(text)
    if as_json:
        print_json([found.to_dict() for folder in stores if (found := summary.load(folder)) is not None])


def schema(
    of_report: Annotated[bool, typer.Option("--report", help="of report.json instead of configurations")] = False,
) -> None:
    """Print the JSON schema of configurations, or of privacy reports."""
    if of_report:
        from pate.report import json_schema as report_schema  # noqa: PLC0415

        print(json.dumps(report_schema(), indent=2))
        return
    from pipelines.config.experiment import json_schema  # noqa: PLC0415

    print(json.dumps(json_schema(), indent=2))


def incident(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="from the error's line")], as_json: JsonOption = False
) -> None:
    """Show the private side of an error to whoever may read the private folder."""
    found = [path for path in home().glob(f"**/incidents/{identifier}") if identifier.isalnum()]
    if not found:
        raise expected("the id of an incident", "copy it from the error's line", id=identifier)
    text = found[0].read_text()
    if as_json:
        print_json({"id": identifier, "text": text})
    else:
        print(text)


def _load(path: Path, seed: int | None) -> Any:
    from pipelines.config.experiment import load  # noqa: PLC0415 - loads torch

    return load(path, {} if seed is None else {"seed": seed})


def _show(summary: Any, as_json: bool) -> None:
    if as_json:
        print_json(summary.to_dict())
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in summary.lines():
        table.add_row(name, Text(printable(value)))
    Console(highlight=False).print(table)

"""``pate run | label | validate | report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pate.errors import Unavailable, expected
from pipelines.cli.arguments import ConfigArgument, JsonOption, RunArgument
from pipelines.cli.output import print_facts, print_json
from pipelines.storage.home import Home, home
from pipelines.storage.run_folder import RunFolder


def run(
    config: ConfigArgument,
    seed: Annotated[int | None, typer.Option(min=0, help="replaces the seed of the configuration")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="use the next seed without a run")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the result only")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment, or resume an interrupted one."""
    from pipelines.config.experiment import load
    from pipelines.progress import Quiet, Terminal
    from pipelines.run.label_and_train import label_and_train

    chosen = load(config, {} if seed is None else {"seed": seed})
    while fresh and RunFolder(home(), chosen.run_id).exists():
        chosen = load(config, {"seed": chosen.seed + 1})
    _show(label_and_train(chosen, base=home(), progress=Quiet() if quiet or as_json else Terminal()), as_json)


def label(
    votes: Annotated[
        Path, typer.Argument(metavar="VOTES", help="votes [teachers, inputs of the pool], .npy, .csv or .parquet")
    ],
    config: ConfigArgument,
    seed: Annotated[int | None, typer.Option(min=0, help="replaces the seed of the configuration")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print the result only")] = False,
    as_json: JsonOption = False,
) -> None:
    """Release labels from votes that were made elsewhere, train a student and write the report."""
    from pipelines.config.experiment import load
    from pipelines.progress import Quiet, Terminal
    from pipelines.results.vote_files import read_numbers
    from pipelines.run.label_and_train import label_and_train

    chosen = load(config, {} if seed is None else {"seed": seed})
    progress = Quiet() if quiet or as_json else Terminal()
    _show(label_and_train(chosen, base=home(), progress=progress, votes_TM=read_numbers(votes, "VOTES")), as_json)


def report(
    run: RunArgument,
    as_json: JsonOption = False,
    in_browser: Annotated[bool, typer.Option("--open", help="open the privacy report in the browser")] = False,
) -> None:
    """Show a run's result and the path of its privacy report."""
    import webbrowser

    from pipelines.outcome import summary

    folder = Home(home()).find(run)
    found = summary.load(folder)
    if found is None:
        raise expected("a finished run", "resume it: `pate run` with its configuration", run=folder.run_id)
    _show(found, as_json)
    if in_browser and not webbrowser.open(folder.report_html.as_uri()):
        raise Unavailable("Expected a browser for the report, got none; open the file that `pate report` prints")


def _show(summary: Any, as_json: bool) -> None:
    if as_json:
        print_json(summary.to_dict())
    else:
        print_facts(summary.lines())

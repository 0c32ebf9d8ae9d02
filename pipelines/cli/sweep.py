"""``pate sweep``: configurations over several seeds and splits, and the results that are published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pate.accounting.rounding import up
from pate.errors import expected
from pipelines.cli.output import JsonOption, add_command, print_json, print_table
from pipelines.storage.home import home
from pipelines.storage.run_folder import RunFolder


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    example = "pate sweep configs/digits.yaml --seeds 5"
    add_command(app, sweep, "Run configurations over several seeds, for the table of results.", example)


def sweep(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files of experiments")],
    seeds: Annotated[int, typer.Option(min=1, help="seeds 0 to N-1; rotations too where the set has them")] = 5,
    results: Annotated[Path | None, typer.Option(help="merge the rows into this JSON list")] = None,
    readme: Annotated[Path | None, typer.Option(help="with --results: write their table between its markers")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="with --results: likewise, shaped as a table of published systems")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="with --results: folder for the plots")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="runs at a time; they share the cores")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Run configurations over several seeds, for the table of results."""
    if results is None and any(where is not None for where in (readme, compare, plots)):
        raise expected("--results with --readme, --compare and --plots", "name the file that keeps the rows")
    from pipelines.progress import Quiet, Terminal  # noqa: PLC0415
    from pipelines.results import sweep as sweeps  # noqa: PLC0415 - loads torch and Ray
    from pipelines.results.sweep_table import comparison, plot, table  # noqa: PLC0415
    from pipelines.results.sweep_tracking import track_sweep  # noqa: PLC0415
    from pipelines.results.table import OURS_END, OURS_START, SWEEP_END, SWEEP_START, write  # noqa: PLC0415
    from pipelines.tracking.destination import destination  # noqa: PLC0415
    from pipelines.tracking.mlflow.sweep import deliver_sweep  # noqa: PLC0415

    swept = [(path, sweeps.members(path, seeds)) for path in configs]
    progress: Any = Quiet() if as_json else Terminal()
    rows: list[dict[str, Any]] = []
    for path, own in swept:
        command = f"pate sweep {path} --seeds {seeds}" + (f" --parallel {parallel}" if parallel > 1 else "")
        tracking = own[0].tracking
        where = destination(tracking.uri, home=home(), experiment=tracking.experiment)
        latest = None
        for latest, members in sweeps.sweep(own, home(), command, parallel=parallel):
            shown = latest.released.value
            progress.line("sweep", f"{shown.config}: {len(shown.seeds)} of {seeds} runs, {shown.accuracy_mean:.1%}")
            folders = [RunFolder(home(), member.facts.value["run_id"]).public for member in members]
            deliver_sweep(where, track_sweep(home(), own, latest.released), folders)
            if results is None:
                continue
            kept = sweeps.merge(results, latest)
            if readme is not None:
                write(readme, table(kept), SWEEP_START, SWEEP_END)
            if compare is not None:
                write(compare, comparison(kept), OURS_START, OURS_END)
            if plots is not None:
                plot(kept, plots / "accuracy_epsilon.svg")
                plot(kept, plots / "accuracy_labels.svg", x="labels")
        if latest is not None:
            rows.append(latest.to_dict())
    if as_json:
        print_json(rows)
        return
    columns = ("configuration", "runs", "epsilon", "student", "standard deviation", "labels right")
    print_table(
        columns,
        [
            (
                row["config"], str(len(row["seeds"])), up(row["epsilon_data_independent"]),
                f"{row['accuracy_mean']:.1%}", f"{row['accuracy_std']:.1%}", f"{row['label_accuracy']:.1%}",
            )
            for row in rows
        ],
        whole=1,
    )  # fmt: skip

"""``pate sweep | results``: several seeds and splits, and the published tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pate.errors import expected
from pipelines.cli.arguments import ConfigsArgument, JsonOption, RunsArgument
from pipelines.cli.output import print_json, print_table
from pipelines.cli.runs import resumable
from pipelines.config.shipped import find_config, shown
from pipelines.storage.home import Home, home
from pipelines.storage.run_folder import RunFolder


def sweep(
    configs: ConfigsArgument,
    seeds: Annotated[
        int, typer.Option(min=1, help="seeds 0 to N-1, with as many rotations where the set has them")
    ] = 5,
    results: Annotated[Path | None, typer.Option(help="file of a JSON list to merge the rows into")] = None,
    readme: Annotated[
        Path | None, typer.Option(help="with --results: write the table between markers in this file")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(help="with --results: likewise, in the layout of a table of published systems")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="with --results: folder for the plots")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="concurrent runs; they share the cores")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Run configurations over several seeds and splits."""
    if results is None and any(where is not None for where in (readme, compare, plots)):
        raise expected("--results with --readme, --compare and --plots", "name the file of the rows")
    from pate.accounting.rounding import up
    from pipelines.progress import Quiet, Terminal
    from pipelines.results import sweep as sweeps
    from pipelines.results.sweep_table import comparison, plot, table
    from pipelines.results.sweep_tracking import track_sweep
    from pipelines.results.table import OURS_END, OURS_START, SWEEP_END, SWEEP_START, write
    from pipelines.tracking.destination import destination
    from pipelines.tracking.mlflow.sweep import deliver_sweep

    paths = [find_config(config) for config in configs]
    swept = [(path, sweeps.members(path, seeds)) for path in paths]
    progress: Any = Quiet() if as_json else Terminal()
    rows: list[dict[str, Any]] = []
    files = {"results": results, "readme": readme, "compare": compare, "plots": plots}
    words = [word for name, file in files.items() if file is not None for word in (f"--{name}", str(file))]
    with resumable(["sweep", *configs, "--seeds", str(seeds), "--parallel", str(parallel), *words]):
        for path, own in swept:
            command = f"pate sweep {shown(path)} --seeds {seeds}" + (f" --parallel {parallel}" if parallel > 1 else "")
            tracking = own[0].tracking
            where = destination(tracking.uri, home=home(), experiment=tracking.experiment)
            latest = None
            for latest, members in sweeps.sweep(own, home(), command, parallel=parallel):
                row = latest.released.value
                progress.line("sweep", f"{row.config}: {len(row.seeds)} of {seeds} runs, {row.accuracy_mean:.1%}")
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
    columns = ("configuration", "runs", "epsilon", "student", "standard deviation", "label accuracy")
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


def results(
    runs: RunsArgument,
    readme: Annotated[Path | None, typer.Option(help="write the table between markers in this file")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the results table of runs on public benchmarks."""
    from pipelines.outcome import summary
    from pipelines.results.table import table, write

    folders = [Home(home()).find(run) for run in runs]
    text = table(folders)
    if readme is not None:
        write(readme, text)
    elif not as_json:
        print(text)
    if as_json:
        print_json([found.to_dict() for folder in folders if (found := summary.load(folder)) is not None])

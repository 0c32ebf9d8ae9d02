"""``pate simulate``: a synthetic consortium, for a rehearsal without data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from pate.errors import expected
from pipelines.cli.output import JsonOption, add_command, print_json

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,52}")


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    example = "pate simulate rehearsal --sites 20 --patients 2000"
    add_command(app, simulate, "Make a synthetic consortium, for a rehearsal without data.", example)


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where to write; its name is the study's")],
    sites: Annotated[int, typer.Option(help="hospitals")] = 20,
    patients: Annotated[int, typer.Option(help="different patients, with one to three records at a hospital")] = 2000,
    skew: Annotated[
        float, typer.Option(help="0: hospitals alike; 1: very unequal in size, classes, instruments")
    ] = 0.5,
    one_class: Annotated[int, typer.Option(help="hospitals that see one class only")] = 0,
    overlap: Annotated[int, typer.Option(help="patients known to two hospitals")] = 0,
    group_size: Annotated[int, typer.Option(min=1, help="hospitals per patient that the configuration pays for")] = 1,
    drop_outs: Annotated[float, typer.Option(help="part of the hospitals that are to fail in the rehearsal")] = 0.0,
    pool: Annotated[int, typer.Option(help="public inputs")] = 500,
    evaluation: Annotated[int, typer.Option(help="labelled public records")] = 300,
    kind: Annotated[Literal["csv", "parquet"], typer.Option("--format", help="of the files")] = "csv",
    seed: Annotated[int, typer.Option(min=0, help="of everything")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a synthetic consortium and print the steps of the rehearsal."""
    from pate.data.simulated import ConsortiumSpec, simulate_consortium  # noqa: PLC0415
    from pipelines.authoring.simulation import write_consortium  # noqa: PLC0415
    from pipelines.config.experiment import load  # noqa: PLC0415 - loads torch

    if not NAME.fullmatch(folder.name):
        raise expected(
            "a folder named by small letters, digits, '-' and '_'", "choose another name", FOLDER=folder.name
        )
    if folder.exists():
        raise expected("a folder that is not there yet", "choose another name or remove it", FOLDER=str(folder))
    spec = ConsortiumSpec(
        sites=sites, patients=patients, skew=skew, one_class=one_class, overlap=overlap, drop_outs=drop_outs,
        pool=pool, evaluation=evaluation, seed=seed,
    )  # fmt: skip
    path = write_consortium(folder, spec, simulate_consortium(spec), kind, group_size)
    run_id = load(path).run_id
    if as_json:
        print_json({"config": str(path), "run_id": run_id, "sites": sites, "patients": patients, "to_fail": spec.lost})
        return
    print(f"Wrote {sites} synthetic hospitals with {patients} patients to {folder}. Next:\n\n{_steps(path, run_id)}")
    if overlap and group_size == 1:
        print(f"{overlap} patients are known to two hospitals: the run will be refused, until")
        print(f"{path} declares partition.group_size: 2 (--group-size 2), which costs more.")
    if spec.lost:
        listed = folder / "drop_outs.txt"
        print(f"{spec.lost} hospitals are to fail: end their nodes once training has begun, see {listed}.")


def _steps(path: Path, run_id: str) -> str:
    """What to do next; lines that begin with pate are commands."""
    return "\n".join(
        [
            "1. See what it would cost; nothing is released:",
            f"   pate validate {path}",
            "2. Train the teachers, ask them, train the student and register it:",
            f"   pate run {path}",
            "3. Look at the result and the privacy report:",
            f"   pate report {run_id}",
            "4. The same on a Ray cluster with a node per hospital, see docs/how_to/consortium.md:",
            f"   {path.with_name('cluster.yaml')}",
            "",
        ]
    )

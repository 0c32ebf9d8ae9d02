"""``pate predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pate.errors import Unavailable, expected
from pipelines.cli.arguments import JsonOption, RunArgument
from pipelines.cli.output import print_json
from pipelines.storage.home import Home, home


def predict(
    run: RunArgument,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="table in the study's format, folder or list of images, or array")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", help="CSV file to write; must not exist. Default: standard output")
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="column of the table to keep beside each score, such as the patient's id")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a file with the student of a run: the predicted class and the probability of each, per record."""
    if output is not None and as_json:
        raise expected("--output or --json", "choose one", output=output.name)
    if output is not None and output.exists():
        raise expected("a new file for --output", "choose another name, or remove it first", output=output.name)
    if output is not None and not output.parent.is_dir():
        raise expected("--output in a folder that exists", "make the folder", folder=str(output.parent))
    folder = Home(home()).find(run)
    from pate.files import write_atomically
    from pipelines.operations import predict as operation

    found = operation.predict(folder, file, id_column=id_column)
    if as_json:
        records = found.astype(object).where(found.notna(), None).to_dict(orient="records")
        print_json({"run_id": folder.run_id, "records": records})
        return
    text = found.to_csv(index=False, lineterminator="\n")
    if output is None:
        sys.stdout.write(text)
        return
    try:
        write_atomically(output, text)
    except OSError as error:
        raise Unavailable(
            f"Expected --output in a folder that can be written, got {error.strerror}; choose another"
        ) from error
    print(f"{len(found)} records scored by the student of {folder.run_id}: {output}", file=sys.stderr)

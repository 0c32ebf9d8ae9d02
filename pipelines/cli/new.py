"""``pate new``: from a table to a first configuration."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from pate.errors import expected
from pate.plain_text import printable
from pipelines.cli.output import JsonOption, add_command, print_json

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    example = "pate new heart --from patients.csv --public public.csv --label ill --positive yes"
    add_command(app, new, "Write a first configuration for tables of one's own.", example)


def new(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="name of the study and of its folder")],
    private: Annotated[
        list[Path], typer.Option("--from", help="file of private records; may be repeated, one per site")
    ],
    label: Annotated[str, typer.Option(help="column of the label")],
    positive: Annotated[list[str] | None, typer.Option(help="value of the second of two classes; repeatable")] = None,
    above: Annotated[float | None, typer.Option(help="numbers above this are the second of two classes")] = None,
    classes: Annotated[str | None, typer.Option(help="all values of the label, separated by commas")] = None,
    names: Annotated[str, typer.Option(help="names of two classes")] = "negative,positive",
    public: Annotated[list[Path] | None, typer.Option(help="file of public records, the pool; repeatable")] = None,
    evaluation: Annotated[list[Path] | None, typer.Option(help="file of labelled public records; repeatable")] = None,
    numeric: Annotated[
        list[str] | None, typer.Option(help="column of numbers; repeatable; instead of a look at public files")
    ] = None,
    categorical: Annotated[list[str] | None, typer.Option(help="column of categories; repeatable; likewise")] = None,
    unit: Annotated[str | None, typer.Option(help="column of the patient's id")] = None,
    site: Annotated[str | None, typer.Option(help="column of the hospital")] = None,
    columns: Annotated[str | None, typer.Option(help="columns of files without a header, separated by commas")] = None,
    missing: Annotated[list[str] | None, typer.Option(help="text that means a missing value; repeatable")] = None,
    separator: Annotated[str, typer.Option(help="between the values of a line")] = ",",
    as_json: JsonOption = False,
) -> None:
    """Write a folder with a commented configuration, print the steps to a student."""
    from pate.files import write_atomically  # noqa: PLC0415
    from pipelines.authoring.new_study import Wish, plan  # noqa: PLC0415
    from pipelines.authoring.new_study_file import to_yaml  # noqa: PLC0415
    from pipelines.config.experiment import load  # noqa: PLC0415 - loads torch

    folder = Path(study)
    if not NAME.fullmatch(study):
        raise expected("a study named by small letters, digits, '-' and '_'", "choose another name", STUDY=study)
    if folder.exists():
        raise expected("a folder that is not there yet", "choose another name or remove it", STUDY=study)
    pair = _split(names)
    if len(pair) != 2:
        raise expected("two --names separated by a comma", "such as healthy,diseased", names=names)
    found = plan(
        Wish(
            name=study, private=tuple(private), public=tuple(public or ()), evaluation=tuple(evaluation or ()),
            label=label, positive=tuple(positive or ()), above=above, classes=_split(classes), names=(pair[0], pair[1]),
            numeric=tuple(numeric or ()), categorical=tuple(categorical or ()), unit=unit, site=site,
            columns=_split(columns), missing=tuple(missing or ()), separator=separator,
        )
    )  # fmt: skip
    folder.mkdir()
    path = folder / f"{study}.yaml"
    write_atomically(path, to_yaml(found))
    run_id = load(path).run_id
    for one in () if as_json else found.looks:
        print(f"  {printable(one.name)}: {one.words()} -> {one.role}", file=sys.stderr)
    ready = found.benchmark is not None or bool(found.wish.public)
    steps = _steps(path, run_id, ready=ready)
    write_atomically(folder / "STEPS.md", f"# Steps to a student\n\n{steps}")
    if as_json:
        columns_found = [{"name": one.name, "looks": one.words(), "role": one.role} for one in found.looks]
        print_json({"config": str(path), "run_id": run_id, "ready": ready, "columns": columns_found})
        return
    print(f"Wrote {path} from the columns of {len(found.wish.private)} file(s). Next:\n\n{steps}", end="")


def _steps(path: Path, run_id: str, *, ready: bool) -> str:
    """What to do next; lines that begin with pate are commands."""
    where = os.path.join(path.parent, "public.csv")
    first = f"Read {path} and correct what is wrong about the columns."
    if not ready:
        first += f" Put public records with the same columns (labels too) at {where}."
    return "\n".join(
        [
            f"1. {first}",
            "2. See what it would cost; nothing is released:",
            f"   pate validate {path}",
            "3. Train the teachers, ask them, train the student and register it:",
            f"   pate run {path}",
            "4. Look at the result and the privacy report (a changed file has another run id, which step 3 prints):",
            f"   pate report {run_id}",
            "5. See the registered student in the browser: pate ui",
            "",
        ]
    )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()

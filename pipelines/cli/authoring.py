"""``pate new | simulate | schema``: configurations, written and described."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pate.errors import expected
from pate.plain_text import printable
from pipelines.cli.arguments import JsonOption
from pipelines.cli.output import print_json

if TYPE_CHECKING:
    from pipelines.authoring.columns_seen import Look
    from pipelines.authoring.new_images import ImageStudyRequest

STUDY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
CONSORTIUM = re.compile(r"[a-z0-9][a-z0-9_-]{0,52}")


def new(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="name of the study and of its folder")],
    private: Annotated[
        list[Path],
        typer.Option("--from", help="file of private records, or folder of images; repeatable, one per site"),
    ],
    label: Annotated[
        str | None, typer.Option(help="column of the label; of images: default label, or the names of folders")
    ] = None,
    image: Annotated[
        str | None, typer.Option("--path", metavar="COLUMN", help="column of the image's path: files list images")
    ] = None,
    positive: Annotated[list[str] | None, typer.Option(help="value of the positive class; repeatable")] = None,
    contains: Annotated[
        str | None, typer.Option(help="finding; labels that list it, such as 'A|B', are the positive class")
    ] = None,
    above: Annotated[float | None, typer.Option(help="values above this are the positive class")] = None,
    classes: Annotated[str | None, typer.Option(help="all values of the label, separated by commas")] = None,
    names: Annotated[str, typer.Option(help="names of two classes")] = "negative,positive",
    public: Annotated[
        list[Path] | None,
        typer.Option(help="file of public records, the pool; repeatable; without --evaluation it needs labels too"),
    ] = None,
    evaluation: Annotated[list[Path] | None, typer.Option(help="file of labelled public records; repeatable")] = None,
    numeric: Annotated[
        list[str] | None, typer.Option(help="numeric column; repeatable; replaces the inspection of public files")
    ] = None,
    categorical: Annotated[list[str] | None, typer.Option(help="categorical column; repeatable; likewise")] = None,
    unit: Annotated[str | None, typer.Option(help="column of the patient's id")] = None,
    site: Annotated[str | None, typer.Option(help="column of the hospital")] = None,
    columns: Annotated[str | None, typer.Option(help="columns of files without a header, separated by commas")] = None,
    missing: Annotated[list[str] | None, typer.Option(help="text of a missing value; repeatable")] = None,
    separator: Annotated[
        str | None, typer.Option(help="separates the values of a line; default: recognised in public files")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="of text files, such as cp1252; default: likewise")] = None,
    decimal: Annotated[Literal[".", ","] | None, typer.Option(help="decimal sign; default: likewise")] = None,
    thousands: Annotated[str | None, typer.Option(help="sign between thousands; default: likewise")] = None,
    sheet: Annotated[str | None, typer.Option(help="sheet of Excel files; default: the first")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a folder with a commented configuration, and print the steps to a student."""
    from pate.files import write_atomically
    from pipelines.authoring.new_images import ImageStudyRequest, are_images, manifest_columns
    from pipelines.authoring.new_study import plan
    from pipelines.authoring.new_study_file import to_yaml
    from pipelines.authoring.recognised_format import asked_format
    from pipelines.authoring.study_request import StudyRequest
    from pipelines.config.experiment import load

    folder = Path(study)
    if not STUDY.fullmatch(study):
        raise expected("a study name of lower-case letters, digits, '-' and '_'", "choose another name", STUDY=study)
    if folder.exists():
        raise expected("a folder that does not exist yet", "choose another name or remove it", STUDY=study)
    pair = _split(names)
    if len(pair) != 2:
        raise expected("two --names separated by a comma", "for example healthy,diseased", names=names)
    if image is not None or are_images(private, [*(public or ()), *(evaluation or ())]):
        for option, given in (("--positive", positive), ("--above", above), ("--numeric", numeric),
                              ("--categorical", categorical), ("--columns", columns)):  # fmt: skip
            if given:
                raise expected(f"no {option} with images", "name classes by --classes, or a finding by --contains")
        request = ImageStudyRequest(
            name=study, private=tuple(private), public=tuple(public or ()), evaluation=tuple(evaluation or ()),
            columns=manifest_columns(path=image, label=label, unit=unit, site=site, contains=contains),
            classes=_split(classes), names=(pair[0], pair[1]),
        )  # fmt: skip
        _write_images(folder, request, as_json=as_json)
        return
    if label is None:
        raise expected("--label, the column of the label", "name it", label=label)
    found = plan(
        StudyRequest(
            name=study, private=tuple(private), public=tuple(public or ()), evaluation=tuple(evaluation or ()),
            label=label, positive=tuple(positive or ()), contains=contains, above=above, classes=_split(classes),
            names=(pair[0], pair[1]), numeric=tuple(numeric or ()), categorical=tuple(categorical or ()), unit=unit,
            site=site,
            asked=asked_format(
                label=label, columns=_split(columns), missing=tuple(missing or ()), separator=separator,
                encoding=encoding, decimal=decimal, thousands=thousands, sheet=sheet,
            ),
        )
    )  # fmt: skip
    folder.mkdir()
    path = folder / f"{study}.yaml"
    write_atomically(path, to_yaml(found))
    run_id = load(path).run_id
    recognised = [f"recognised in public files: {found.recognised}"] if found.recognised else []
    for note in () if as_json else (*recognised, *found.notes):
        print(printable(note), file=sys.stderr)
    for one in () if as_json else found.looks:
        print(f"  {printable(one.name)}: {printable(one.description())} -> {_role(one)}", file=sys.stderr)
    ready = found.benchmark is not None or bool(found.request.public)
    steps = _study_steps(path, run_id, ready=ready)
    write_atomically(folder / "STEPS.md", f"# Steps to a student\n\n{steps}")
    if as_json:
        columns_found = [{"name": one.name, "looks": one.description(), "role": _role(one)} for one in found.looks]
        notes = [*recognised, *found.notes]
        print_json({"config": str(path), "run_id": run_id, "ready": ready, "columns": columns_found, "notes": notes})
        return
    print(f"Wrote {path} from the columns of {len(found.request.private)} file(s). Next:\n\n{steps}", end="")


def _write_images(folder: Path, request: ImageStudyRequest, *, as_json: bool) -> None:
    """Write the folder of a study of images, and print its steps."""
    from pate.files import write_atomically
    from pipelines.authoring.new_images import images_yaml, plan_images
    from pipelines.config.experiment import load

    found = plan_images(request)
    folder.mkdir()
    path = folder / f"{request.name}.yaml"
    write_atomically(path, images_yaml(found))
    run_id = load(path).run_id
    steps = _study_steps(path, run_id, ready=True, about="size, colours and classes")
    write_atomically(folder / "STEPS.md", f"# Steps to a student\n\n{steps}")
    if as_json:
        form = found.seen.pixels
        pixels = {"height": form.height, "width": form.width, "channels": form.channels}
        words = {"pixels": pixels, "classes": list(found.classes)}
        print_json({"config": str(path), "run_id": run_id, "ready": True, **words})
        return
    print(printable(found.description()), file=sys.stderr)
    print(f"Wrote {path} from public images. Next:\n\n{steps}", end="")


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="folder to write; its name is the study's")],
    sites: Annotated[int, typer.Option(help="number of hospitals")] = 20,
    patients: Annotated[int, typer.Option(help="number of patients, with one to three records each")] = 2000,
    skew: Annotated[
        float, typer.Option(help="0: hospitals alike; 1: very unequal in size, classes, instruments")
    ] = 0.5,
    one_class: Annotated[int, typer.Option(help="number of hospitals with records of one class only")] = 0,
    overlap: Annotated[int, typer.Option(help="number of patients known to two hospitals")] = 0,
    group_size: Annotated[
        int, typer.Option(min=1, help="hospitals per patient that the configuration accounts for")
    ] = 1,
    drop_outs: Annotated[float, typer.Option(help="fraction of hospitals that should fail in the rehearsal")] = 0.0,
    pool: Annotated[int, typer.Option(help="number of public inputs")] = 500,
    evaluation: Annotated[int, typer.Option(help="number of labelled public records")] = 300,
    kind: Annotated[Literal["csv", "parquet"], typer.Option("--format", help="format of the files")] = "csv",
    seed: Annotated[int, typer.Option(min=0, help="seed of all random choices")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write a synthetic consortium and print the steps of the rehearsal."""
    from pate.data.simulated import ConsortiumSpec, simulate_consortium
    from pipelines.authoring.simulation import write_consortium
    from pipelines.config.experiment import load

    if not CONSORTIUM.fullmatch(folder.name):
        raise expected(
            "a folder name of lower-case letters, digits, '-' and '_'", "choose another name", FOLDER=folder.name
        )
    if folder.exists():
        raise expected("a folder that does not exist yet", "choose another name or remove it", FOLDER=str(folder))
    spec = ConsortiumSpec(
        sites=sites, patients=patients, skew=skew, one_class=one_class, overlap=overlap, drop_outs=drop_outs,
        pool=pool, evaluation=evaluation, seed=seed,
    )  # fmt: skip
    path = write_consortium(folder, spec, simulate_consortium(spec), kind, group_size)
    run_id = load(path).run_id
    if as_json:
        print_json({"config": str(path), "run_id": run_id, "sites": sites, "patients": patients, "to_fail": spec.lost})
        return
    print(
        f"Wrote {sites} synthetic hospitals with {patients} patients to {folder}. Next:\n\n"
        f"{_rehearsal_steps(path, run_id)}"
    )
    if overlap and group_size == 1:
        print(f"{overlap} patients are known to two hospitals: the run will be refused until")
        print(f"{path} declares partition.group_size: 2 (--group-size 2), which costs more.")
    if spec.lost:
        listed = folder / "drop_outs.txt"
        print(f"{spec.lost} hospitals should fail: stop their nodes once training has begun, see {listed}.")


def schema(
    of_report: Annotated[bool, typer.Option("--report", help="of report.json instead of configurations")] = False,
) -> None:
    """Print the JSON schema of configurations, or of privacy reports."""
    import json

    if of_report:
        from pate.report import json_schema as report_schema

        print(json.dumps(report_schema(), indent=2))
        return
    from pipelines.config.experiment import json_schema

    print(json.dumps(json_schema(), indent=2))


def _role(look: Look) -> str:
    """Return the role of a column for people, to whom codes are categories."""
    return "categorical" if look.role == "codes" else look.role


def _study_steps(path: Path, run_id: str, *, ready: bool, about: str = "the columns") -> str:
    """Steps from a configuration to a student; lines that begin with pate are commands."""
    where = os.path.join(path.parent, "public.csv")
    first = f"Read {path} and correct what is wrong about {about}."
    if not ready:
        first += f" Put public records with the same columns (labels too) at {where}."
    return "\n".join(
        [
            f"1. {first}",
            "2. See the cost; nothing is released:",
            f"   pate validate {path}",
            "3. Train the teachers, collect their votes, train the student and register it:",
            f"   pate run {path}",
            "4. Look at the result and the privacy report (a changed file gives another run id, which step 3 prints):",
            f"   pate report {run_id}",
            "5. See the registered student in the browser: pate ui",
            "",
        ]
    )


def _rehearsal_steps(path: Path, run_id: str) -> str:
    """Steps of a rehearsal; lines that begin with pate are commands."""
    return "\n".join(
        [
            "1. See the cost; nothing is released:",
            f"   pate validate {path}",
            "2. Train the teachers, collect their votes, train the student and register it:",
            f"   pate run {path}",
            "3. Look at the result and the privacy report:",
            f"   pate report {run_id}",
            "4. The same on a Ray cluster with one node per hospital, see docs/how_to/consortium.md:",
            f"   {path.with_name('cluster.yaml')}",
            "",
        ]
    )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",")) if text else ()

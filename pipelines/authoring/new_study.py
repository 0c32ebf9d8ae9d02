"""A first configuration for the user's own tables, from names of columns, public files and the command line.

The private files give names of columns and numbers of records, units and sites. Whether a column holds numbers
or categories comes from public files or the user: one private cell could decide it, and the file is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

from pate.data.columns import column
from pate.data.files.file_format import FileFormat
from pate.data.files.table_file import read_table
from pate.data.refusal import require_file
from pate.errors import expected
from pate.public_sets import recognise_files
from pipelines.authoring.columns_seen import Look
from pipelines.authoring.first_campaign import first_campaign, of_whole_units
from pipelines.authoring.recognised_format import private_format
from pipelines.authoring.study_request import StudyRequest
from pipelines.authoring.tables_seen import SeenTables, look_at_tables


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Formats:
    """The format of each file, and the one that is declared for all others."""

    usual: FileFormat
    private: tuple[FileFormat, ...]
    public: tuple[FileFormat, ...]
    held: tuple[FileFormat, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Content of the configuration to write.

    Attributes:
        request: the command line.
        looks: the columns, without label, unit and site.
        formats: of each file.
        recognised: the parts of the format that were recognised in public files, in words.
        notes: lines about public labels.
        labels_missing: ``True`` if evaluation records without a label are left out.
        balanced: ``True`` if classes get equal weights, since one is rare in the public labels.
        by_unit: ``True`` if the public files are divided by units, which have several records there.
        benchmark: name of the public set that the private files are, or ``None``.
        sites: number of sites, 0 where none is known.
        teachers: number of teachers.
        sigma: noise, votes.
        delta: failure probability.
        asked: queries within the budget.
        pool: public inputs.
        evaluation: evaluation records.
    """

    request: StudyRequest
    looks: tuple[Look, ...]
    formats: Formats
    recognised: str
    notes: tuple[str, ...]
    labels_missing: bool
    balanced: bool
    by_unit: bool
    benchmark: str | None
    sites: int
    teachers: int
    sigma: int
    delta: float
    asked: int
    pool: int
    evaluation: int


def plan(request: StudyRequest) -> Plan:
    """Inspect the columns and choose sizes.

    Raises:
        InputError: unreadable files, a missing column, no rule for the label, or public labels that it does not fit.
    """
    _check_rules(request)
    for number, path in enumerate(request.private):
        require_file(path, key=f"--from [{number}]")
    source = recognise_files(request.private)
    drawn = source is not None and not request.public
    shown = request.private if drawn else request.public
    seen = look_at_tables(request, shown, "--from" if drawn else "--public")
    private = _private_formats(request, seen, drawn=drawn)
    tables = [
        read_table(path, style, key=f"--from [{n}]")
        for n, (path, style) in enumerate(zip(request.private, private, strict=True))
    ]
    table = pd.concat(tables, ignore_index=True)
    for option, name in (("--label", request.label), ("--unit", request.unit), ("--site", request.site)):
        if name is not None:
            column(table, name, declared=option, key="--from")
    looks = _looks(request, [str(name) for name in table.columns], seen)
    groups = table[request.unit].nunique() if request.unit else len(table)
    if request.site is None:
        sites = len(tables) if len(tables) > 1 else 0
    else:  # hospitals that only a private column names are not counted: they would become public
        sites = table[request.site].nunique() if source is not None else 0
    pool, evaluation = _sizes(0 if drawn else seen.records, seen.held, len(table), drawn=drawn)
    by_unit = bool(request.public and not request.evaluation) and max(seen.of_a_unit, default=0) > 1
    if by_unit:  # a unit that is divided loses its other records
        pool = of_whole_units(pool, seen.of_a_unit)
    left = groups - (pool + evaluation if drawn else 0)
    first = first_campaign(units=int(groups), left=int(left), sites=int(sites), pool=pool)
    return Plan(
        request=request,
        looks=looks,
        formats=Formats(
            usual=seen.usual if seen.public or seen.evaluation else private[0],
            private=private,
            public=() if drawn else seen.public,
            held=seen.evaluation,
        ),
        recognised=seen.recognised,
        notes=seen.notes,
        labels_missing=seen.labels_missing,
        balanced=seen.unequal_classes,
        by_unit=by_unit,
        benchmark=None if source is None else source.name,
        sites=int(sites),
        teachers=first.teachers,
        sigma=first.sigma,
        delta=first.delta,
        asked=first.asked,
        pool=pool,
        evaluation=evaluation,
    )


def _private_formats(request: StudyRequest, seen: SeenTables, *, drawn: bool) -> tuple[FileFormat, ...]:
    """Return the format of each private file: the usual one, but for what its first line shows."""
    if drawn:
        return seen.public
    return tuple(private_format(path, seen.usual, request.asked) for path in request.private)


def _looks(request: StudyRequest, names: list[str], seen: SeenTables) -> tuple[Look, ...]:
    """Return the columns and their roles, as declared by the user or seen in public files.

    Raises:
        InputError: neither is there, or a named column is not.
    """
    features = [name for name in names if name not in {request.label, request.unit, request.site}]
    said: dict[str, Literal["numeric", "categorical"]] = {
        **dict.fromkeys(request.numeric, "numeric"),
        **dict.fromkeys(request.categorical, "categorical"),
    }
    for role, columns in (("numeric", request.numeric), ("categorical", request.categorical)):
        for name in columns:
            if name not in features or said[name] != role:
                raise expected(
                    f"--{role} to name columns that are neither label, unit nor site, each once",
                    "correct the name",
                    **{role: name},
                )
    if said:
        return tuple(Look(name=name, said=role) for name, role in said.items())
    if not seen.looks:
        raise expected(
            "public files, or the names of columns by --numeric and --categorical",
            "declare the columns: one private value could decide their kind, and the configuration is published",
        )
    found = tuple(seen.looks[name] for name in features if name in seen.looks)
    if all(one.role == "left out" for one in found):
        raise expected(
            "a column of numbers or categories in the public files, which the private ones have too",
            "name columns by --numeric and --categorical",
            left_out=[f"{one.name}: {one.description()}" for one in found],
        )
    return found


def _check_rules(request: StudyRequest) -> None:
    rules = [bool(request.positive), request.contains is not None, request.above is not None, bool(request.classes)]
    if sum(rules) > 1:
        raise expected(
            "one of --positive, --contains, --above and --classes",
            "choose one rule that maps values to classes",
            given=sum(rules),
        )
    if not any(rules) and not (request.public or request.evaluation):
        raise expected(
            "--positive, --contains, --above or --classes, or labelled public files",
            "declare the class of each value: names of classes are never taken from private files",
        )


def _sizes(public: int, held: int, records: int, *, drawn: bool) -> tuple[int, int]:
    """Inputs of the pool and evaluation records."""
    if drawn:
        return max(10, records // 50 * 10), max(10, records // 100 * 10)
    if not public:
        return 200, held or 100
    if held:
        return public, held
    evaluation = max(1, min(1000, public // 3))
    return public - evaluation, evaluation

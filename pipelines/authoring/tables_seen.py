"""What public files show: their format, the roles of their columns, and their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import pandas as pd

from pate.data.columns import canonical, plain
from pate.data.files.file_format import UTF_8, FileFormat
from pate.data.files.table_file import PARQUET, interpret, read_table
from pate.data.files.written_numbers import plain_numbers
from pate.data.refusal import require_file
from pate.errors import expected
from pipelines.authoring.columns_seen import WORDS, Look, look
from pipelines.authoring.labels_seen import are_unequal, look_at_labels
from pipelines.authoring.number_signs import NumberSigns, number_signs
from pipelines.authoring.recognised_format import public_format, strange_word
from pipelines.authoring.study_request import StudyRequest


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SeenTables:
    """Findings in public files.

    Attributes:
        usual: the format that is declared for all files.
        public: the format of each file of the pool.
        evaluation: the format of each evaluation file.
        looks: name of a column -> its description.
        records: number of records for the pool.
        held: number of labelled evaluation records.
        recognised: the parts of the format that were recognised, in words; empty: none.
        notes: lines about labels.
        labels_missing: ``True`` if evaluation records lack a label.
        unequal_classes: ``True`` if a class is rare among the labels.
        of_a_unit: different numbers of the pool's records with one unit; empty where its files carry no units.
    """

    usual: FileFormat
    public: tuple[FileFormat, ...] = ()
    evaluation: tuple[FileFormat, ...] = ()
    looks: Mapping[str, Look] = field(default_factory=dict)
    records: int = 0
    held: int = 0
    recognised: str = ""
    notes: tuple[str, ...] = ()
    labels_missing: bool = False
    unequal_classes: bool = False
    of_a_unit: tuple[int, ...] = ()


def look_at_tables(request: StudyRequest, shown: tuple[Path, ...], option: str) -> SeenTables:
    """Look at the public files.

    Args:
        request: the command line.
        shown: files of the pool; the private ones, where these are a public benchmark.
        option: that names them, for errors.

    Raises:
        InputError: unreadable files, numbers that can be read in two ways, or labels that the rule does not fit.
    """
    named = [(f"{option} [{n}]", path) for n, path in enumerate(shown)]
    named += [(f"--evaluation [{n}]", path) for n, path in enumerate(request.evaluation)]
    if not named:
        return SeenTables(usual=request.asked.format())
    for key, path in named:
        require_file(path, key=key)
    forms = [public_format(path, request.asked) for _, path in named]
    tables = [read_table(path, style, key=key, public=True) for (key, path), style in zip(named, forms, strict=True)]
    signs = _signs(request, [table for (_, path), table in zip(named, tables, strict=True) if _has_signs(path)])
    forms = [replace(form, decimal=signs.decimal, thousands=signs.thousands) for form in forms]
    pool, held = tables[: len(shown)], tables[len(shown) :]
    looks = _looks(request, pd.concat(pool or held, ignore_index=True), forms[0])
    labels = _labels(request, pool, held)
    classes = set(canonical(labels).dropna())
    looks = {name: _without(found, classes) for name, found in looks.items()}
    forms = [_completed(form, looks.values()) for form in forms]
    bare = replace(forms[0], replace={})
    found = interpret(labels.to_frame(), bare, key="the public labels")[request.label]
    values = found if request.above is None else plain_numbers(found, bare, key="the public labels")
    notes = look_at_labels(request.rule, values)
    missing = int(found.isna().sum())
    if missing and not held:
        raise expected(
            f"a label in every record of {option} where no --evaluation file is given",
            "name labelled public records by --evaluation",
            records_without_label=missing,
        )
    return SeenTables(
        usual=forms[0],
        public=tuple(forms[: len(shown)]),
        evaluation=tuple(forms[len(shown) :]),
        looks=looks,
        records=sum(map(len, pool)),
        held=sum(map(len, held)) - missing,
        recognised=_recognised(named[0][1], forms[0], request),
        notes=notes,
        labels_missing=missing > 0,
        unequal_classes=are_unequal(request.rule, values),
        of_a_unit=_of_a_unit(request, pool),
    )


def _of_a_unit(request: StudyRequest, pool: list[pd.DataFrame]) -> tuple[int, ...]:
    if not pool or request.unit is None or any(request.unit not in table.columns for table in pool):
        return ()
    counts = pd.concat([canonical(table[request.unit]) for table in pool]).value_counts()
    return tuple(sorted({int(count) for count in counts}))


def _has_signs(path: Path) -> bool:
    return path.suffix.lower() not in PARQUET


def _signs(request: StudyRequest, tables: list[pd.DataFrame]) -> NumberSigns:
    """The signs that the user names, or else those of the numbers in public text."""
    asked = request.asked
    if asked.decimal is not None or asked.thousands is not None:
        return NumberSigns(decimal=asked.decimal or ".", thousands=asked.thousands)
    if not tables:
        return NumberSigns()
    table = pd.concat(tables, ignore_index=True)
    roles = {request.unit, request.site, request.label if request.above is None else None}
    return number_signs(table, [str(name) for name in table.columns if name not in roles])


def _looks(request: StudyRequest, table: pd.DataFrame, form: FileFormat) -> dict[str, Look]:
    names = [str(name) for name in table.columns if name not in {request.label, request.unit, request.site}]
    return {name: look(table[name], form) for name in names}


def _labels(request: StudyRequest, pool: list[pd.DataFrame], held: list[pd.DataFrame]) -> pd.Series[str]:
    """Labels of the evaluation files, or else of the pool's.

    Raises:
        InputError: neither has the column.
    """
    tables = held or pool
    if any(request.label not in table.columns for table in tables):
        raise expected(
            f"column {request.label!r} in the public files: the student is evaluated on public labels",
            "add it, or name labelled public files by --evaluation; labels of the pool itself are not used",
            columns=sorted({str(name) for table in tables for name in table.columns}),
        )
    return pd.concat([table[request.label] for table in tables], ignore_index=True)


def _without(found: Look, classes: set[str]) -> Look:
    """The column as text, if a text that means missing in it is a class of the label."""
    if not classes.intersection(map(plain, found.missing)):
        return found
    return replace(found, kind="text", missing=(), replaced=(), words=float(WORDS))


def _completed(form: FileFormat, looks: Iterable[Look]) -> FileFormat:
    """The format with the texts that columns propose as missing or to be replaced."""
    used = [found for found in looks if found.role != "left out"]
    missing = dict.fromkeys([*form.missing, *(text for found in used for text in found.missing)])
    swaps = {found.name: dict(found.replaced) for found in used if found.replaced}
    return replace(form, missing=tuple(missing), replace=swaps)


def _recognised(path: Path, form: FileFormat, request: StudyRequest) -> str:
    """The parts of the format that were recognised and not asked for, in words."""
    said = []
    if form.encoding != UTF_8 and request.asked.encoding is None:
        word = strange_word(path, form.encoding)
        said.append(f"encoding {form.encoding}" + (f" (such as {word!r})" if word else ""))
    if form.separator != "," and request.asked.separator is None:
        said.append(f"separator {form.separator!r}")
    if form.decimal != "." and request.asked.decimal is None:
        said.append(f"decimal sign {form.decimal!r}")
    if form.thousands is not None and request.asked.thousands is None:
        said.append(f"sign between thousands {form.thousands!r}")
    return ", ".join(said)

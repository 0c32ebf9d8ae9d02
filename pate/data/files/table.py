"""A study from tables: declared columns, encoders fitted on the public pool."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
import pandas as pd

from pate.arrays import IdArray
from pate.data.body import UNLABELLED, Body, Split, divide, require_one_spelling, rows_refused
from pate.data.categories import CategoricalColumns
from pate.data.columns import LabelRule, ids
from pate.data.encoding import ColumnEncoder, NumericColumns, fit_encoder
from pate.data.files.file_format import FileFormat
from pate.data.files.table_file import Join, canonical_table, interpret, join_tables, read_rows, read_table, signs_of
from pate.data.files.unknown_values import unknown_values
from pate.data.ids import canonical_ids
from pate.data.origin import FILE_BITS, Origin, file_digest, joined, rows_digests
from pate.data.private_side import private_side
from pate.data.records import PrivateRecords, Study
from pate.data.refusal import refused, require_file
from pate.data.study import records_of, study_of
from pate.errors import expected
from pate.public_sets import recognise_files
from pate.values import Redacted


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """One file of records.

    Attributes:
        path: of the file.
        format: of its text.
        site: the site of all its records, unless a column gives it.
        join: other tables whose columns are added.
    """

    path: Path
    format: FileFormat = field(default_factory=FileFormat)
    site: str | None = None
    join: tuple[Join, ...] = ()

    def paths(self) -> tuple[Path, ...]:
        """Every file that is read."""
        return (self.path, *(join.path for join in self.join))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """The roles of columns.

    Attributes:
        label: the column of the label, and its classes.
        unit: column of the privacy unit's id; ``None``: every record is its own unit.
        site: column of the site.
        numeric: groups of columns of numbers.
        categorical: groups of columns of categories.
    """

    label: LabelRule
    unit: str | None = None
    site: str | None = None
    numeric: tuple[NumericColumns, ...] = ()
    categorical: tuple[CategoricalColumns, ...] = ()

    def numbers(self) -> frozenset[str]:
        """Columns whose values are numbers."""
        found = {name for group in self.numeric for name in group.columns}
        return frozenset(found if self.label.above is None else found | {self.label.column})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTables:
    """The public tables of a study before they are encoded, and their encoder."""

    pool: Body
    evaluation: Body
    encoder: ColumnEncoder


OnPublic: TypeAlias = Callable[[PublicTables], None]


def shares_a_join(private: tuple[TableFile, ...], public: tuple[TableFile, ...]) -> bool:
    """Return ``True`` if a joined table holds rows of private and of public records; errors in it are private then."""
    mine, others = ([join.path for file in files for join in file.join] for files in (private, public))
    return any(one.exists() and other.exists() and one.samefile(other) for one in mine for other in others)


def table_study(
    *,
    task: str,
    private: tuple[TableFile, ...],
    pool: tuple[TableFile, ...],
    evaluation: tuple[TableFile, ...],
    columns: TableColumns,
    split: Split,
    sizes: tuple[int, int],
    on_public: OnPublic | None = None,
) -> Study:
    """A study from files; see ``pate.data.body.divide`` for which files may be left out.

    Args:
        task: the labelling task.
        private: files of the records that teachers learn from; none where these stay at their sites (then see
            ``table_records``).
        pool: files of public inputs.
        evaluation: files of labelled public records.
        columns: the roles of columns.
        split: the rule that divides files.
        sizes: inputs of the pool and records of the evaluation set.
        on_public: receives the public tables.
    """
    if not private and not pool:
        raise expected("data.private_files", "name the files of the private records")
    if columns.label.classes == "public" and not (pool or evaluation):
        raise expected(
            "data.label.classes listed", "without public files there is no public label set", classes="public"
        )
    named = (("pool", pool), ("evaluation", evaluation))
    with private_side() if shares_a_join(private, (*pool, *evaluation)) else nullcontext():
        public = {name: _read(files, f"data.{name}_files", columns.numbers()) for name, files in named if files}
    labelled = next((public[name].table for name in ("evaluation", "pool") if name in public), None)
    classes = columns.label.names_of(pd.DataFrame() if labelled is None else labelled)
    columns.label.require_positive([found.table for found in public.values()])
    bodies = {name: _body(found, columns, classes, f"data.{name}_files", name) for name, found in public.items()}
    mine = _private(private, columns, classes) if private else None
    source = recognise_files([path for file in private for path in file.paths()]) if private else None
    parts = divide(
        mine,
        bodies.get("pool"),
        bodies.get("evaluation"),
        split=split,
        sizes=sizes,
        public=source is not None,
    )
    encoder = fit_encoder(parts.pool.table(), columns.numeric, columns.categorical)
    if on_public is not None:
        on_public(PublicTables(pool=parts.pool, evaluation=parts.evaluation, encoder=encoder))
    return study_of(
        parts if parts.private is None else replace(parts, private=_with_unknown(parts.private, encoder)),
        task=task,
        classes=classes,
        source=source,
        encode=lambda body, key: encoder.encode(body.table(), key=key),
        encoding=encoder.to_json(),
    )


def table_records(
    files: tuple[TableFile, ...], *, columns: TableColumns, classes: tuple[str, ...], encoder: ColumnEncoder
) -> PrivateRecords:
    """The private records of some files, encoded as in a study made elsewhere.

    Args:
        files: the files.
        columns: the roles of columns.
        classes: of the study.
        encoder: of the study, fitted on its public pool.
    """
    body = _with_unknown(_private(files, columns, classes), encoder)
    return records_of(body, lambda body, key: encoder.encode(body.table(), key=key))


def _with_unknown(body: Body, encoder: ColumnEncoder) -> Body:
    """Private records whose origin says which categories the encoder does not know."""
    if body.origin is None:
        return body
    with private_side():
        lines = unknown_values(body.table(), encoder.categorical, body.sites_N)
        return replace(body, origin=replace(body.origin, unknown=lines))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Read(Redacted):
    """Files as one table.

    Attributes:
        table: of text, in the order of the files.
        sites: the declared site of each record.
        sited: ``True`` if every file declares one.
        origin: of private records.
    """

    table: pd.DataFrame
    sites: list[str | None]
    sited: bool
    origin: Origin | None = None


def _private(files: tuple[TableFile, ...], columns: TableColumns, classes: tuple[str, ...]) -> Body:
    """Load private records; faults raise ``RecordsRefused``, a missing file names its key."""
    key = "data.private_files"
    for number, file in enumerate(files):
        for path in file.paths():
            require_file(path, key=f"{key}[{number}]")
    with private_side():
        body = _body(_read(files, key, columns.numbers(), columns.label.column), columns, classes, key, "private")
        return require_one_spelling(body, key)


def _read(files: tuple[TableFile, ...], key: str, numeric: frozenset[str], label: str | None = None) -> _Read:
    """All files as one table; with the name of the label's column, its origin too: private files."""
    tables: list[pd.DataFrame] = []
    origins: list[Origin] = []
    sites: list[str | None] = []
    for number, file in enumerate(files):
        place = f"{key}[{number}]"
        if label is None:
            table = read_table(file.path, file.format, key=place, numeric=numeric, public=True)
        else:
            rows = read_rows(file.path, file.format, key=place)
            text = canonical_table(rows)
            table = interpret(rows, signs_of(file.path, file.format), key=place, numeric=numeric, text=text)
        table = join_tables(table, file.join, key=place, numeric=numeric)
        if label is not None:
            origins.append(_origin(file, text if len(table) == len(text) else text.loc[table.index], label))
        if tables and set(table.columns) != set(tables[0].columns):
            raise refused(
                f"the same columns in all of {key}",
                f"prepare {place} like the first",
                detail=f"{place}: {sorted(table.columns)}",
            )
        tables.append(table)
        sites += [file.site] * len(table)
    origin = joined(origins, [file.site for file in files]) if origins else None
    sited = all(file.site is not None for file in files)
    positions = [table.index.to_numpy(dtype=np.int64) + (number << FILE_BITS) for number, table in enumerate(tables)]
    whole = pd.concat(tables, ignore_index=True)
    if label is None:  # a public record is found again by its place
        whole.index = pd.Index(np.concatenate(positions))
    return _Read(table=whole, sites=sites, sited=sited, origin=origin)


def _origin(file: TableFile, text: pd.DataFrame, label: str) -> Origin:
    """Return the origin of rows, in canonical form, in the order of their file."""
    return Origin(
        positions_N=text.index.to_numpy(dtype=np.int64),
        raw=rows_digests(text, label),
        files=tuple(file_digest(path) for path in file.paths()),
    )


def _body(read: _Read, columns: TableColumns, classes: tuple[str, ...], key: str, name: str) -> Body:
    """Return the table with labels, units and sites; the pool needs no labels."""
    rule, table = columns.label, read.table
    labelled = name != "pool" or rule.column in table.columns
    labels_N = rule.labels(table, classes, key=key) if labelled else np.full(len(table), UNLABELLED, dtype=np.int64)
    missing_N = labels_N == UNLABELLED
    drop = name != "pool" and missing_N.any()
    if drop and rule.missing == "refuse":
        raise rows_refused(
            f"a label in every record of column {rule.column!r}",
            "fill them in, or declare data.label.missing: drop",
            key=key,
            bad_N=missing_N,
        )
    private = name == "private"
    units_N = _ids(table, columns.unit, "data.unit", key, private)
    sites_N = _ids(table, columns.site, "data.site", key, private)
    if sites_N is None and read.sited:
        sites_N = canonical_ids(np.array(read.sites, dtype=np.str_), place="data.private_files, site")
    body = Body(rows=table, labels_N=labels_N, units_N=units_N, sites_N=sites_N, origin=read.origin)
    return body.take(np.flatnonzero(~missing_N)) if drop else body


def _ids(table: pd.DataFrame, name: str | None, declared: str, key: str, private: bool) -> IdArray | None:
    """Ids of units or sites; public files may lack the column."""
    if name is None or (not private and name not in table.columns):
        return None
    return ids(table, name, declared=declared, key=key)

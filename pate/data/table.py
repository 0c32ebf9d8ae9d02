"""A study from tables: declared columns, encoders fitted on the public pool."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import pandas as pd

from pate.data.body import UNLABELLED, Body, Split, divide, rows_refused
from pate.data.columns import LabelRule, ids
from pate.data.encoding import CategoricalColumns, Encoder, NumericColumns, fit_encoder
from pate.data.records import IdArray, PrivateRecords, Study
from pate.data.study import records_of, study_of
from pate.data.table_file import FileFormat, Join, join_tables, read_table
from pate.errors import expected
from pate.public_sets import recognise_files


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """One file of records.

    Attributes:
        path: where it is.
        format: how it is written.
        site: the site that all its records belong to, where no column says so.
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
    """What the columns mean.

    Attributes:
        label: which column is the label.
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


def table_study(
    *,
    task: str,
    private: tuple[TableFile, ...],
    pool: tuple[TableFile, ...],
    evaluation: tuple[TableFile, ...],
    columns: TableColumns,
    split: Split,
    sizes: tuple[int, int],
) -> Study:
    """A study from files; see ``pate.data.body.divide`` for which files may be left out.

    Args:
        task: what is being labelled.
        private: files of the records that teachers learn from; none where these stay at their sites (then see
            ``table_records``).
        pool: files of public inputs.
        evaluation: files of labelled public records.
        columns: what the columns mean.
        split: how files are divided.
        sizes: inputs of the pool and records of the evaluation set.
    """
    tables = {
        name: _read(files, f"data.{name}_files")
        for name, files in (("private", private), ("pool", pool), ("evaluation", evaluation))
        if files
    }
    if not private and not pool:
        raise expected("data.private_files", "name the files of the private records")
    if columns.label.classes == "public" and len(tables) == 1:
        raise expected(
            "data.label.classes listed", "without public files there is no public label set", classes="public"
        )
    labelled = next(tables[name] for name in ("evaluation", "pool", "private") if name in tables)
    classes = columns.label.names_of(labelled[0])
    bodies = {name: _body(*found, columns, classes, f"data.{name}_files", name) for name, found in tables.items()}
    source = recognise_files([path for file in private for path in file.paths()]) if private else None
    parts = divide(
        bodies.get("private"),
        bodies.get("pool"),
        bodies.get("evaluation"),
        split=split,
        sizes=sizes,
        public=source is not None,
    )
    encoder = fit_encoder(parts.pool.table(), columns.numeric, columns.categorical)
    return study_of(
        parts,
        task=task,
        classes=classes,
        source=source,
        encode=lambda body, key: encoder.encode(body.table(), key=key),
        encoding=encoder.to_json(),
    )


def table_records(
    files: tuple[TableFile, ...], *, columns: TableColumns, classes: tuple[str, ...], encoder: Encoder
) -> PrivateRecords:
    """The private records of some files, in the form that a study made elsewhere has fixed.

    Args:
        files: where they are.
        columns: what the columns mean.
        classes: of the study.
        encoder: of the study, fitted on its public pool.
    """
    key = "data.private_files"
    body = _body(*_read(files, key), columns, classes, key, "private")
    return records_of(body, lambda body, key: encoder.encode(body.table(), key=key))


def _read(files: tuple[TableFile, ...], key: str) -> tuple[pd.DataFrame, list[str | None]]:
    """All files as one table, and the declared site of each record."""
    tables: list[pd.DataFrame] = []
    sites: list[str | None] = []
    for number, file in enumerate(files):
        place = f"{key}[{number}]"
        table = join_tables(read_table(file.path, file.format, key=place), file.join, key=place)
        if tables and set(table.columns) != set(tables[0].columns):
            raise expected(
                f"the same columns in all of {key}", f"prepare {place} like the first", columns=len(table.columns)
            )
        tables.append(table)
        sites += [file.site] * len(table)
    return pd.concat(tables, ignore_index=True), sites


def _body(
    table: pd.DataFrame, sites: list[str | None], columns: TableColumns, classes: tuple[str, ...], key: str, name: str
) -> Body:
    """Labels, units and sites beside the table; the pool needs no labels."""
    rule = columns.label
    labelled = name != "pool" or rule.column in table.columns
    labels_N = rule.labels(table, classes, key=key) if labelled else pd.Series(UNLABELLED, index=table.index).to_numpy()
    kept_N = labels_N != UNLABELLED
    if name == "pool" or kept_N.all():
        kept_N[:] = True
    elif rule.missing == "refuse":
        raise rows_refused(
            f"a label in every record of column {rule.column!r}",
            "fill them in, or declare data.label.missing: drop",
            key=key,
            bad_N=~kept_N,
        )
    table = table[kept_N].reset_index(drop=True)
    declared = [site for site, kept in zip(sites, kept_N, strict=True) if kept]
    private = name == "private"
    units_N = _ids(table, columns.unit, "data.unit", key, private)
    sites_N = _ids(table, columns.site, "data.site", key, private)
    if sites_N is None and all(site is not None for site in declared):
        sites_N = pd.Series(declared, dtype=object).to_numpy().astype(str)
    return Body(rows=table, labels_N=labels_N[kept_N], units_N=units_N, sites_N=sites_N)


def _ids(table: pd.DataFrame, name: str | None, declared: str, key: str, private: bool) -> IdArray | None:
    """Ids of units or sites; public files may lack the column."""
    if name is None or (not private and name not in table.columns):
        return None
    return ids(table, name, declared=declared, key=key)

"""Tables from CSV and Parquet files, with or without a header, joined with others on a declared key."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

import pandas as pd

from pate.data.body import rows_refused
from pate.data.columns import canonical, column, plain
from pate.errors import InputError, expected


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """How a table is written.

    Attributes:
        header: whether the first line names the columns.
        columns: names of the columns of a file without a header.
        separator: between the values of a line.
        skip_rows: lines before the table begins.
        missing: texts that mean a missing value, besides an empty one.
        replace: per column, text -> text that replaces it, such as ``"> 89"`` -> ``"90"``.
    """

    header: bool = True
    columns: tuple[str, ...] | None = None
    separator: str = ","
    skip_rows: int = 0
    missing: tuple[str, ...] = ()
    replace: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.header == (self.columns is not None):
            raise expected(
                "data.format.columns exactly where data.format.header is false",
                "name the columns of files without a header",
                header=self.header,
                columns=self.columns,
            )
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise expected("different data.format.columns", "give each column its own name", columns=self.columns)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Another table whose columns are added, matched on one column.

    Attributes:
        path: of the table, written in the same format unless ``format`` says otherwise.
        column: the column that both have; in the other table its values must be unique after ``where``.
        where: column -> the only value whose rows are used.
        take: columns to add; ``None`` adds all.
        unmatched: ``keep`` records without a partner (the added values are missing) or ``drop`` them.
        format: of the other table.
    """

    path: Path
    column: str
    where: Mapping[str, str] = field(default_factory=dict)
    take: tuple[str, ...] | None = None
    unmatched: Literal["keep", "drop"] = "drop"
    format: FileFormat = field(default_factory=FileFormat)


def read_table(path: Path, style: FileFormat, *, key: str) -> pd.DataFrame:
    """A table of text, missing values as NaN.

    Args:
        path: ``.parquet``, or text in lines.
        style: how it is written.
        key: the configuration key that names the file, for errors.

    Raises:
        InputError: no such file, not a table, without records, or with other columns than declared.
    """
    if not path.is_file():
        raise InputError(
            f"Expected a file at {key}, got none; correct the path (relative ones start at the configuration's folder)",
            private_detail=str(path),
        )
    try:
        table = _parquet(path) if path.suffix == ".parquet" else _text(path, style)
    except (OSError, ValueError, pd.errors.ParserError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"Expected a readable table at {key}, got {type(error).__name__}; check data.format (separator, header, "
            "columns, skip_rows) and the file",
            private_detail=f"{path}: {error}",
        ) from error
    if len(table) == 0:
        raise InputError(
            f"Expected records in {key}, got an empty table; leave the file out or fill it", private_detail=str(path)
        )
    gone = {"", *(plain(text) for text in style.missing)}
    table = table.apply(lambda values: values.where(~canonical(values).isin(gone)))
    for name in style.replace:
        column(table, name, declared="data.format.replace", key=key)
        swap = {plain(old): new for old, new in style.replace[name].items()}
        table[name] = table[name].map(lambda text, swap=swap: swap.get(plain(text), text), na_action="ignore")
    return table


def join_tables(table: pd.DataFrame, joins: tuple[Join, ...], *, key: str) -> pd.DataFrame:
    """The table with the columns of others beside its own, one row per record as before."""
    for number, join in enumerate(joins):
        place = f"{key}.join[{number}]"
        other = read_table(join.path, join.format, key=place)
        for name, wanted in join.where.items():
            other = other[canonical(column(other, name, declared=f"{place}.where", key=place)) == plain(wanted)]
        own = column(table, join.column, declared=f"{place}.column", key=key)
        match = column(other, join.column, declared=f"{place}.column", key=place)
        double_N = match.duplicated(keep=False).to_numpy()
        if double_N.any():
            raise rows_refused(
                f"at most one row for each {join.column!r}",
                f"narrow it by {place}.where, or prepare one row per record",
                key=place,
                bad_N=double_N,
            )
        take = [name for name in (other.columns if join.take is None else join.take) if name != join.column]
        for name in take:
            column(other, name, declared=f"{place}.take", key=place)
        clash = sorted(set(take) & set(table.columns))
        if clash:
            raise expected(f"columns of {place} that differ from those already there", "list take", both=clash)
        if join.unmatched == "drop":
            table = table[own.isin(match)]
        table = table.merge(other[[join.column, *take]], on=join.column, how="left", validate="many_to_one")
        if len(table) == 0:
            raise expected(f"records with a partner in {place}", f"check {place}.column", found=0)
    return table


def _text(path: Path, style: FileFormat) -> pd.DataFrame:
    table = pd.read_csv(
        path,
        sep=style.separator,
        header=0 if style.header else None,
        names=None if style.columns is None else list(style.columns),
        index_col=False,
        skiprows=style.skip_rows,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        skipinitialspace=True,
        on_bad_lines="error",
        skip_blank_lines=True,
    )
    if style.columns is not None and _widths(path, style) != {len(style.columns)}:
        raise ValueError(f"expected {len(style.columns)} values in every line")
    return table


def _widths(path: Path, style: FileFormat) -> set[int]:
    """How many values the lines have."""
    with path.open(newline="", encoding="utf-8") as file:
        for _ in range(style.skip_rows):
            next(file, None)
        return {len(line) for line in csv.reader(file, delimiter=style.separator) if line}


def _parquet(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path)
    return table.apply(lambda values: values.map(str, na_action="ignore").astype(object)).astype("str")

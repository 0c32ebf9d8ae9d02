"""Tables from text, Excel and Parquet files, with or without a header, joined with others on a declared key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.data.body import rows_refused
from pate.data.columns import canonical, column, plain
from pate.data.files.delimited import RepeatedColumns, delimited_text
from pate.data.files.excel import excel_text
from pate.data.files.file_format import FileFormat
from pate.data.files.parquet import parquet_text
from pate.data.files.written_numbers import plain_numbers
from pate.data.ids import match_keys, optional_ids
from pate.data.refusal import refused, require_file
from pate.errors import InputError

PARQUET = (".parquet", ".pq")
EXCEL = (".xlsx", ".xlsm")
OTHER_KINDS = (".xls", ".xlsb", ".ods", ".zip", ".7z", ".bz2", ".xz", ".zst", ".json", ".sav", ".sas7bdat", ".dta")
"""Endings of tables in forms that are not read."""


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


def read_table(
    path: Path, style: FileFormat, *, key: str, numeric: Collection[str] = (), public: bool = False
) -> pd.DataFrame:
    """A table of text with records in it, missing values as NaN; see ``read_rows`` and ``interpret``."""
    table = read_rows(path, style, key=key, public=public)
    if len(table) == 0:
        raise InputError(
            f"Expected records in {key}, got an empty table; leave the file out or fill it", private_detail=str(path)
        )
    return interpret(table, signs_of(path, style), key=key, numeric=numeric)


def read_rows(path: Path, style: FileFormat, *, key: str, public: bool = False) -> pd.DataFrame:
    """Read a table of text without interpretation; the index holds the number of each row, blank ones left out.

    Args:
        path: ``.parquet``, ``.xlsx``, or text in lines.
        style: its format.
        key: the configuration key that names the file, for errors.
        public: ``True`` if errors may name its columns.

    Raises:
        InputError: no such file, not a table, or with other columns than declared.
    """
    require_file(path, key=key)
    if path.suffix.lower() in OTHER_KINDS:
        raise refused(
            f"a table as text, Excel (.xlsx) or Parquet at {key}", "save it as one of these", detail=str(path)
        )
    try:
        table = _reader(path)(path, style)
    except RepeatedColumns as error:
        named = {"columns": list(error.names)} if public else {}
        raise refused(
            f"columns of different names in {key}",
            "rename or remove those that occur more than once",
            detail=f"{path}: {error}",
            **named,
        ) from None
    except Exception as error:  # a reader's error may quote the file
        raise refused(
            f"a readable table at {key}",
            "check data.format (encoding, separator, header, columns, skip_rows) and the file",
            detail=f"{path}: {type(error).__name__}: {error}",
        ) from None
    return table


def signs_of(path: Path, style: FileFormat) -> FileFormat:
    """The format of the cells of a file: the numbers of a Parquet file have no signs of their own."""
    return replace(style, decimal=".", thousands=None) if _is_parquet(path) else style


def interpret(
    table: pd.DataFrame,
    style: FileFormat,
    *,
    key: str,
    numeric: Collection[str] = (),
    text: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Missing values as NaN, declared texts replaced, and numbers with a decimal point.

    Args:
        table: from ``read_rows``.
        style: the meaning of texts.
        key: the configuration key that names the file, for errors.
        numeric: columns of numbers, where they are there.
        text: the table in canonical form, where it is known.
    """
    gone = {"", *(plain(text) for text in style.missing)}
    text = canonical_table(table) if text is None else text
    table = pd.DataFrame({name: table[name].where(~text[name].isin(gone)) for name in table.columns})
    for name in style.replace:
        column(table, name, declared="data.format.replace", key=key)
        swap = {plain(old): new for old, new in style.replace[name].items()}
        table[name] = table[name].map(lambda text, swap=swap: swap.get(plain(text), text), na_action="ignore")
    for name in table.columns.intersection(list(numeric)):
        table[name] = plain_numbers(table[name], style, key=key)
    return table


def canonical_table(table: pd.DataFrame) -> pd.DataFrame:
    """Every column in canonical form; see ``canonical``."""
    return pd.DataFrame({name: canonical(table[name]) for name in table.columns}, index=table.index)


def _reader(path: Path) -> Callable[[Path, FileFormat], pd.DataFrame]:
    if _is_parquet(path):
        return lambda path, style: parquet_text(path)
    return excel_text if path.suffix.lower() in EXCEL else delimited_text


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


def join_tables(
    table: pd.DataFrame, joins: tuple[Join, ...], *, key: str, numeric: Collection[str] = ()
) -> pd.DataFrame:
    """Return the table with the columns of others added, one row per record as before, under the same number."""
    for number, join in enumerate(joins):
        place = f"{key}.join[{number}]"
        other = read_table(join.path, join.format, key=place, numeric=set(numeric) - {join.column})
        for name, wanted in join.where.items():
            other = other[canonical(column(other, name, declared=f"{place}.where", key=place)) == plain(wanted)]
        take = [name for name in (other.columns if join.take is None else join.take) if name != join.column]
        for name in take:
            column(other, name, declared=f"{place}.take", key=place)
        clash = sorted(set(take) & set(table.columns))
        if clash:
            raise refused(
                f"columns of {place} that differ from those already there",
                "list take",
                detail=f"{place}, columns in both: {clash}",
            )
        partner_N = _partners(table, other, join.column, key=key, place=place)
        if join.unmatched == "drop":
            table, partner_N = table[partner_N >= 0], partner_N[partner_N >= 0]
        if len(table) == 0:
            raise refused(f"records with a partner in {place}", f"check {place}.column", detail=f"{place}: none")
        added = other[take].reset_index(drop=True).reindex(partner_N).set_axis(table.index)
        table = pd.concat([table, added], axis=1)
    return table


def _partners(table: pd.DataFrame, other: pd.DataFrame, name: str, *, key: str, place: str) -> npt.NDArray[np.intp]:
    """The row of the other table that belongs to each record, -1 where there is none. Shape ``[N]``.

    Both sides are compared as ids are, and a record whose id differs from one there only in spelling is refused.
    """
    own_N, match_M = (
        optional_ids(column(side, name, declared=f"{place}.column", key=where), place=f"{place}.column={name!r}")
        for side, where in ((table, key), (other, place))
    )
    known_M = np.array([text is not None for text in match_M], dtype=bool)
    double_M = known_M & pd.Series(match_M).duplicated(keep=False).to_numpy()
    if double_M.any():
        raise rows_refused(
            f"at most one row for each {name!r}",
            f"narrow it by {place}.where, or prepare one row per record",
            key=place,
            bad_N=double_M,
            found=list(match_M),
        )
    rows_M = np.flatnonzero(known_M)
    position_N = pd.Index(match_M[known_M], dtype=object).get_indexer(own_N)
    alone = [text for text in pd.unique(own_N[position_N < 0]) if text is not None]
    almost = np.isin(match_keys(alone), match_keys(match_M[known_M])) if alone else np.zeros(0, dtype=bool)
    if almost.any():
        raise refused(
            f"the same writing of {place}.column={name!r} in both tables",
            "correct case, leading zeros and kinds of characters",
            detail=f"{place}, ids that are there in another writing: {[alone[n] for n in np.flatnonzero(almost)]}",
        )
    return np.where(position_N >= 0, rows_M[position_N] if len(rows_M) else -1, -1)

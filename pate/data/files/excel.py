"""A sheet of an Excel file as a table of text."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pate.data.files.delimited import require_different
from pate.data.files.file_format import FileFormat
from pate.data.id_text import EXACT_DIGITS, ROUNDED

_ZEROS = re.compile("0{2,}")
"""A format of cells that shows leading zeros, as in codes."""


def excel_text(path: Path, style: FileFormat) -> pd.DataFrame:
    """All columns as text; the index holds the number of each row, blank ones left out.

    Text stays as it is, whole numbers are plain digits (with the leading zeros that the cell shows), dates are written
    ``2024-03-01`` or ``2024-03-01 08:30:00``, truth values ``True`` and ``False``. Formulas have their last value.

    Raises:
        RepeatedColumns: the header names a column twice.
        ValueError: no such sheet, or rows of other lengths than declared.
    """
    rows = excel_rows(path, style)[style.skip_rows :]
    if style.columns is None:
        named = trimmed(rows[0]) if rows else []
        require_different(name for name in named if name)
        names = [name or f"Unnamed: {number}" for number, name in enumerate(named)]
        rows = rows[1:]
    else:
        names = list(style.columns)
    filled = {number: trimmed(row) for number, row in enumerate(rows) if any(row)}
    if any(len(row) > len(names) for row in filled.values()):
        raise ValueError(f"expected at most {len(names)} values in every row")
    padded = [[*row, *[""] * (len(names) - len(row))] for row in filled.values()]
    return pd.DataFrame(padded, columns=names, index=list(filled), dtype="str")


def excel_rows(path: Path, style: FileFormat) -> list[list[str]]:
    """Every cell of the sheet as text.

    Raises:
        ValueError: no such sheet.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 - only this format needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of the library quote cells
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            names = [sheet.title for sheet in book.worksheets]
            if not names or (style.sheet is not None and style.sheet not in names):
                raise ValueError(f"a sheet {style.sheet!r}, got {names}")
            sheet = book[names[0] if style.sheet is None else style.sheet]
            sheet.reset_dimensions()
            return [
                [_cell(cell.value, getattr(cell, "number_format", None), style.decimal) for cell in row]
                for row in sheet.iter_rows()
            ]
        finally:
            book.close()


def trimmed(row: Iterable[str]) -> list[str]:
    """Return a row without the empty cells at its end."""
    found = list(row)
    while found and not found[-1].strip():
        found.pop()
    return found


def _cell(value: object, shown: str | None, decimal: str) -> str:
    """One cell as text."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value, shown, decimal)
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ") if value.time() != datetime.time() else value.date().isoformat()
    return str(value)


def _number(value: float, shown: str | None, decimal: str) -> str:
    """One number as text; a whole one that Excel may have shortened is tagged."""
    if value != int(value):
        return repr(value).replace(".", decimal)
    digits = str(int(value))
    if len(digits.lstrip("-")) > EXACT_DIGITS:
        return f"{digits}.0{ROUNDED}"
    return digits.zfill(len(shown)) if shown is not None and _ZEROS.fullmatch(shown) else digits

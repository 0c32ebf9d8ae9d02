"""The declared format of a table."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from pate.errors import expected

UTF_8 = "utf-8"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """The format of a table.

    Attributes:
        header: ``True`` if the first line names the columns.
        columns: names of the columns of a file without a header.
        separator: between the values of a line.
        skip_rows: lines before the table begins.
        missing: texts that mean a missing value, in addition to the empty one.
        replace: per column, text -> text that replaces it, such as ``"> 89"`` -> ``"90"``.
        encoding: of a text file.
        decimal: the decimal sign of numbers in text.
        thousands: the sign between groups of three digits; a blank stands for blanks of every width.
        sheet: of an Excel file; ``None``: the first.
    """

    header: bool = True
    columns: tuple[str, ...] | None = None
    separator: str = ","
    skip_rows: int = 0
    missing: tuple[str, ...] = ()
    replace: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    encoding: str = UTF_8
    decimal: Literal[".", ","] = "."
    thousands: str | None = None
    sheet: str | None = None

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
        if self.thousands == self.decimal:
            raise expected(
                "data.format.thousands that differs from data.format.decimal",
                "declare one of them",
                thousands=self.thousands,
                decimal=self.decimal,
            )
        known_encoding(self.encoding)


def known_encoding(name: str) -> str:
    """Return the usual name of an encoding; UTF-8 with and without a byte order mark is one.

    >>> known_encoding("UTF8"), known_encoding("windows-1252")
    ('utf-8', 'cp1252')

    Raises:
        InputError: Python does not know it.
    """
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, ValueError):
        raise expected(
            "a known data.format.encoding", "for example utf-8, cp1252 (Windows), latin-1 or utf-16", encoding=name
        ) from None
    return UTF_8 if found == "utf-8-sig" else found

"""The format of tables, recognised from public files and from the first line of private ones.

No byte of a private file after its first line is looked at: what is recognised is written into a published file.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal, final

from pate.data.files.delimited import raw_bytes
from pate.data.files.file_format import UTF_8, FileFormat, known_encoding
from pate.data.files.table_file import EXCEL, PARQUET
from pate.errors import expected

SEPARATORS = (",", ";", "\t", "|")
THOUSANDS = (",", ".", " ", "'")
LINES = 200
"""Lines of a public file by which its separator is recognised."""
ALIKE = 0.9
"""Least fraction of lines with as many values as the first."""
HEAD = 1 << 20
_SINGLE_BYTE = ("cp1252", "cp850")
"""Encodings of Western Europe that are told apart by what is a letter in them; the first wins a tie."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The parts of a format that the user names; ``None``: to be recognised.

    Attributes:
        label: column of the label.
        columns: names of the columns of files without a header.
        missing: texts that mean a missing value.
        separator: between the values of a line.
        encoding: of text.
        decimal: the decimal sign.
        thousands: the sign between groups of three digits.
        sheet: of Excel files.
    """

    label: str
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    separator: str | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: str | None = None
    sheet: str | None = None

    def format(self) -> FileFormat:
        """The format as asked for, with defaults for the rest."""
        return FileFormat(
            header=not self.columns,
            columns=self.columns or None,
            separator=self.separator or ",",
            missing=self.missing,
            encoding=self.encoding or UTF_8,
            decimal=self.decimal or ".",
            thousands=self.thousands,
            sheet=self.sheet,
        )


def asked_format(
    *,
    label: str,
    columns: tuple[str, ...] = (),
    missing: tuple[str, ...] = (),
    separator: str | None = None,
    encoding: str | None = None,
    decimal: Literal[".", ","] | None = None,
    thousands: str | None = None,
    sheet: str | None = None,
) -> Asked:
    """The parts of a format that a command line names.

    Raises:
        InputError: a sign or encoding that there is none of.
    """
    if thousands not in (None, *THOUSANDS):
        raise expected(f"--thousands out of {', '.join(map(repr, THOUSANDS))}", "choose one", thousands=thousands)
    written = {"\\t": "\t", "tab": "\t"}.get(separator or "", separator)
    if written is not None and len(written) != 1:
        raise expected("one character as --separator", "for example ';' or tab", separator=separator)
    return Asked(
        label=label,
        columns=columns,
        missing=missing,
        separator=written,
        encoding=None if encoding is None else known_encoding(encoding),
        decimal=decimal,
        thousands=thousands,
        sheet=sheet,
    )


def public_format(path: Path, asked: Asked) -> FileFormat:
    """The format of a public file, but for the signs in its numbers."""
    if not _is_text(path):
        return asked.format()
    encoding = asked.encoding or encoding_of(path)
    if asked.separator is not None:
        return replace(asked.format(), encoding=encoding)
    with io.TextIOWrapper(raw_bytes(path), encoding=_reading(encoding), errors="replace", newline="") as file:
        lines = list(islice(file, LINES))
    return replace(asked.format(), encoding=encoding, separator=_separator(lines, asked) or ",")


def private_format(path: Path, like: FileFormat, asked: Asked) -> FileFormat:
    """The format of a private file: that of the public ones, but for what its first line shows."""
    if not _is_text(path) or not path.is_file():
        return like
    with raw_bytes(path) as file:
        line = file.readline(HEAD)
    encoding = like.encoding if asked.encoding is not None else _first_line_encoding(line, like.encoding)
    if encoding.startswith("utf-16"):
        with raw_bytes(path) as file:
            line = file.read(HEAD)
    text = line.decode(_reading(encoding), errors="replace").splitlines()[:1]
    separator = like.separator
    if asked.separator is None and text and not asked.columns and asked.label not in _values(text[0], separator):
        separator = next((sign for sign in SEPARATORS if asked.label in _values(text[0], sign)), separator)
    return replace(like, encoding=encoding, separator=separator)


def encoding_of(path: Path) -> str:
    """The encoding of a public file: by its byte order mark or its zeros, UTF-8, or one of Western Europe."""
    with raw_bytes(path) as file:
        content = file.read()
    marked = _marked(content)
    if marked is not None:
        return marked
    try:
        content.decode(UTF_8)
    except UnicodeDecodeError:
        return max(_SINGLE_BYTE, key=lambda name: _letters(content, name))
    return UTF_8


def strange_word(path: Path, encoding: str) -> str | None:
    """Return the first word of a public file with a letter outside ASCII, by which its reader checks the encoding."""
    with io.TextIOWrapper(raw_bytes(path), encoding=_reading(encoding), errors="replace") as file:
        found = (re.search(r"\w*[^\W\x00-\x7f]\w*", line) for line in file)
        return next((match.group() for match in found if match), None)


def _is_text(path: Path) -> bool:
    return path.suffix.lower() not in (*PARQUET, *EXCEL)


def _marked(content: bytes) -> str | None:
    """The encoding that a byte order mark or zeros between letters show."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if content.startswith(codecs.BOM_UTF8):
        return UTF_8
    head = content[:1000]
    if head.count(0) > len(head) // 4:
        return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
    return None


def _first_line_encoding(line: bytes, usual: str) -> str:
    marked = _marked(line)
    if marked is not None:
        return marked
    if usual.startswith("utf-16"):
        return UTF_8
    try:
        line.decode(_reading(usual))
    except UnicodeDecodeError:
        return _SINGLE_BYTE[0]
    return usual if usual == UTF_8 or line.isascii() or not _is_utf8(line) else UTF_8


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True


def _letters(content: bytes, encoding: str) -> float:
    """Fraction of letters among the characters outside ASCII, -1 where the encoding does not fit."""
    strange = bytes(byte for byte in content[:HEAD] if byte > 0x7F)
    try:
        text = strange.decode(encoding)
    except UnicodeDecodeError:
        return -1.0
    return sum(char.isalpha() for char in text) / max(len(text), 1)


def _reading(encoding: str) -> str:
    return "utf-8-sig" if encoding == UTF_8 else encoding


def _separator(lines: Sequence[str], asked: Asked) -> str | None:
    """The separator by which the label is a column, or else the one that gives lines of equal width; ``None``: none."""
    best: tuple[bool, int] | None = None
    found = None
    for sign in SEPARATORS:
        rows = [row for row in csv.reader(lines, delimiter=sign, skipinitialspace=True) if row]
        width = len(asked.columns) or (len(rows[0]) if rows else 0)
        alike = sum(len(row) == width for row in rows[:-1] or rows)
        if width < 2 or alike < ALIKE * len(rows[:-1] or rows):
            continue
        rank = (asked.label in rows[0], width)
        if best is None or rank > best:
            best, found = rank, sign
    return found


def _values(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])

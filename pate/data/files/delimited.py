"""Tables as lines of text with a separator, in a declared encoding, compressed by gzip or not."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

import pandas as pd

from pate.data.files.file_format import UTF_8, FileFormat, known_encoding

CHUNK = 1 << 20
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class RepeatedColumns(ValueError):
    """Several columns of one name.

    Args:
        names: that occur more than once.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"several columns of one name: {list(names)}")
        self.names = names


def delimited_text(path: Path, style: FileFormat) -> pd.DataFrame:
    """All columns as text; the index holds the number of each line, blank ones left out.

    Raises:
        RepeatedColumns: the header names a column twice.
        ValueError: another encoding than declared, or lines of other lengths than declared.
    """
    _require_encoding(path, style.encoding)
    if style.header:
        require_different(name for name in header_names(path, style) if name)
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
        skip_blank_lines=False,
        encoding=style.encoding,
        compression="gzip" if _packed(path) else None,
    )
    table = table[(table.fillna("") != "").any(axis=1)]  # a blank line keeps its number
    if style.columns is not None and set(_widths(path, style)) != {len(style.columns)}:
        raise ValueError(f"expected {len(style.columns)} values in every line")
    if style.columns is None and max(_widths(path, style), default=0) > len(table.columns):
        raise ValueError("at most as many values in a line as names in the header")
    return table


def header_names(path: Path, style: FileFormat) -> tuple[str, ...]:
    """Return the values of the first line of a table, without blanks before them."""
    with _lines(path, style) as file:
        first = next(csv.reader(_rest(file, style), delimiter=style.separator, skipinitialspace=True), [])
    return tuple(first)


def require_different(names: Iterable[str]) -> None:
    """Refuse a name that occurs twice.

    Raises:
        RepeatedColumns: one does.
    """
    repeated = tuple(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise RepeatedColumns(repeated)


def raw_bytes(path: Path) -> IO[bytes]:
    """Open a file, unpacked where its name ends in ``.gz``."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if _packed(path) else path.open("rb")


def _packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _widths(path: Path, style: FileFormat) -> Iterator[int]:
    """Yield the number of values of each line; a carriage return inside a line is an error."""
    with _lines(path, style) as file:
        yield from (len(line) for line in csv.reader(_rest(file, style), delimiter=style.separator) if line)


def _lines(path: Path, style: FileFormat) -> io.TextIOWrapper:
    known = known_encoding(style.encoding)
    return io.TextIOWrapper(raw_bytes(path), encoding="utf-8-sig" if known == UTF_8 else known, newline="\n")


def _rest(file: io.TextIOWrapper, style: FileFormat) -> io.TextIOWrapper:
    for _ in range(style.skip_rows):
        next(file, None)
    return file


def _require_encoding(path: Path, declared: str) -> None:
    """Refuse a file in UTF-8 or UTF-16 that is declared in an encoding which can read any bytes.

    Raises:
        ValueError: the bytes beyond ASCII are UTF-8, or a byte order mark comes first.
    """
    if known_encoding(declared).startswith("utf"):
        return
    decoder, ascii_only = codecs.getincrementaldecoder(UTF_8)(), True
    with raw_bytes(path) as file:
        chunk = file.read(CHUNK)
        if chunk.startswith(_MARKS):
            raise ValueError(f"a file in {declared}, got one that begins with a byte order mark of Unicode")
        try:
            while chunk:
                ascii_only = ascii_only and chunk.isascii()
                decoder.decode(chunk)
                chunk = file.read(CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return
    if not ascii_only:
        raise ValueError(f"a file in {declared}, got one in UTF-8")

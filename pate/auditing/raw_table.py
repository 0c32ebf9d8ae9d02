"""Raw tables: cells of text, read and written without interpretation."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass, field
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import TypeAlias, final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from pate.data.files.delimited import raw_bytes
from pate.data.files.excel import excel_rows, trimmed
from pate.data.files.file_format import UTF_8, FileFormat
from pate.data.files.table_file import EXCEL, PARQUET
from pate.errors import InputError
from pate.values import Redacted

Row: TypeAlias = list[str]
"""Cells of text; a blank line has none."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RawTable(Redacted):
    """One file of records.

    Attributes:
        path: of the file.
        style: its format.
        columns: names of the columns.
        rows: the records, and blank lines.
        head: the lines before the first record.
        head_rows: those of an Excel file; ``None`` for other files.
        schema: of a Parquet file.
    """

    path: Path
    style: FileFormat
    columns: tuple[str, ...]
    rows: list[Row]
    head: str = ""
    head_rows: list[Row] | None = None
    schema: pa.Schema | None = field(default=None)

    @classmethod
    def read(cls, path: Path, style: FileFormat) -> RawTable:
        """Content of a file.

        Raises:
            InputError: it is no table.
        """
        try:
            ending = path.suffix.lower()
            if ending in EXCEL:
                return _read_excel(path, style)
            return _read_parquet(path, style) if ending in PARQUET else _read_text(path, style)
        except Exception as error:  # a reader's error may quote the file
            raise InputError(
                "Expected private tables that can be read, got one that cannot; correct it", private_detail=f"{error}"
            ) from None

    def content(self, rows: list[Row]) -> bytes:
        """The file with these rows in place of its own."""
        if self.head_rows is not None:
            return self._excel([*self.head_rows, *rows])
        return self._parquet(rows) if self.schema is not None else self._text(rows)

    def _excel(self, rows: list[Row]) -> bytes:
        """The rows as cells of text, which are read as they are."""
        from openpyxl import Workbook  # noqa: PLC0415 - only this format needs it
        from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE  # noqa: PLC0415

        book = Workbook(write_only=True)
        sheet = book.create_sheet(self.style.sheet)
        for row in rows:
            cells = [WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", text) or None) for text in row]
            for cell in cells:
                cell.data_type = "n" if cell.value is None else "s"  # "=1+1" is text, too
            sheet.append(cells)
        written = BytesIO()
        book.save(written)
        return written.getvalue()

    def _text(self, rows: list[Row]) -> bytes:
        text = StringIO()
        csv.writer(text, delimiter=self.style.separator, lineterminator="\n").writerows(rows)
        content = (self.head + text.getvalue()).encode(self.style.encoding)
        return gzip.compress(content) if self.path.suffix.lower() == ".gz" else content

    def _parquet(self, rows: list[Row]) -> bytes:
        columns = {name: [row[n] if row else "" for row in rows] for n, name in enumerate(self.columns)}
        schema = self.schema or pa.schema([])
        arrays = [_array(columns[name], schema.field(name).type) for name in self.columns]
        written = BytesIO()
        pq.write_table(pa.table(arrays, names=list(self.columns)), written)
        return written.getvalue()


def _read_text(path: Path, style: FileFormat) -> RawTable:
    encoding = "utf-8-sig" if style.encoding == UTF_8 else style.encoding
    with TextIOWrapper(raw_bytes(path), newline="", encoding=encoding) as file:
        head = "".join(next(file, "") for _ in range(style.skip_rows))
        found = list(csv.reader(file, delimiter=style.separator, skipinitialspace=True))
    columns = style.columns or tuple(found[0])
    if style.header:
        text = StringIO()
        csv.writer(text, delimiter=style.separator, lineterminator="\n").writerow(found[0])
        head += text.getvalue()
    return RawTable(path=path, style=style, columns=columns, rows=found[style.header :], head=head)


def _read_excel(path: Path, style: FileFormat) -> RawTable:
    rows = excel_rows(path, style)
    begins = style.skip_rows + style.header
    columns = style.columns or tuple(trimmed(rows[style.skip_rows]))
    found = [[*row, *[""] * (len(columns) - len(row))] if any(row) else [] for row in map(trimmed, rows[begins:])]
    return RawTable(path=path, style=style, columns=columns, rows=found, head_rows=rows[:begins])


def _read_parquet(path: Path, style: FileFormat) -> RawTable:
    table = pq.read_table(path)
    cells = [
        ["" if cell is None else str(cell) for cell in table.column(n).to_pylist()] for n in range(table.num_columns)
    ]
    rows = [list(row) for row in zip(*cells, strict=True)]
    return RawTable(path=path, style=style, columns=tuple(table.column_names), rows=rows, schema=table.schema)


def _array(cells: list[str], kind: pa.DataType) -> pa.Array:
    """A column of its own type, or of text where a cell is not of that type."""
    values = [cell or None for cell in cells]
    try:
        return pa.array(values).cast(kind) if any(values) else pa.nulls(len(values), kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return pa.array(values, pa.string())

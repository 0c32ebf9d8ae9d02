"""A Parquet file as a table of text that keeps every digit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pate.data.files.delimited import require_different
from pate.data.id_text import ROUNDED

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_UNNAMED = re.compile(r"__index_level_\d+__")
"""The name that pandas gives to an index without one."""


def parquet_text(path: Path) -> pd.DataFrame:
    """All columns as text, missing values as NaN.

    Whole numbers and decimals are written out before anything makes floating-point numbers of them, as pandas does with
    whole numbers where one is missing. A named index of pandas is a column; an unnamed one is left out.

    Raises:
        RepeatedColumns: two columns of one name.
    """
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415 - only this format needs it

    table = pq.ParquetFile(path).read()
    require_different(table.column_names)
    table = table.drop_columns([name for name in table.column_names if _UNNAMED.fullmatch(name)])
    for number, field in enumerate(table.schema):
        table = table.set_column(number, field.name, _exact(table.column(number)))
    return as_text(table.to_pandas(ignore_metadata=True))


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns of a table of typed cells as text, missing values as NaN."""
    return pd.DataFrame({name: _text(frame[name]) for name in frame.columns}, index=frame.index).astype("str")


def _exact(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers, decimals and bytes as text, and dictionaries as their values."""
    import pyarrow as pa  # noqa: PLC0415 - only this format needs it
    import pyarrow.compute as pc  # type: ignore[import-untyped]  # noqa: PLC0415

    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if pa.types.is_integer(kind):
        return values.cast(pa.string())
    if pa.types.is_decimal(kind):
        zeros = pc.replace_substring_regex(values.cast(pa.string()), pattern=r"(\.[0-9]*?)0+$", replacement=r"\1")
        return pc.replace_substring_regex(zeros, pattern=r"\.$", replacement="")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        try:
            return values.cast(pa.string())
        except pa.ArrowInvalid:
            return values
    return values


def _text(values: pd.Series) -> pd.Series:
    """One column as text, whole floats in plain digits; those of single precision that may have lost digits are
    tagged."""
    texts = values.map(_plain, na_action="ignore").astype(object)
    if values.dtype.kind == "f" and values.dtype.itemsize < 8:
        rounded = (values.abs() >= 2.0 ** (np.finfo(values.dtype).nmant + 1)) & np.isfinite(values)
        texts[rounded] = [f"{number:.1f}{ROUNDED}" for number in values[rounded].tolist()]
    return texts


def _plain(value: object) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return f"{value:.1f}" if whole else str(value)

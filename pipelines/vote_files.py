"""Vote histograms and vote matrices from files: ``.npy``, ``.csv`` and ``.parquet``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.errors import InputError, expected


def read_numbers(path: Path, what: str) -> npt.NDArray[np.float64]:
    """A two-dimensional table of numbers.

    Args:
        path: ``.npy`` (no pickle), ``.csv`` (with or without a header) or ``.parquet``.
        what: its name in errors.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    readers = {".npy": _npy, ".csv": _csv, ".parquet": pd.read_parquet}
    if path.suffix not in readers:
        raise expected(f"{what} as .npy, .csv or .parquet", "convert the file", suffix=path.suffix)
    try:
        table = np.asarray(readers[path.suffix](path), dtype=np.float64)
    except OSError as error:
        raise InputError(f"Expected {what}, got {error.strerror or 'an unreadable file'}; check the path") from error
    except (ValueError, TypeError) as error:
        raise expected(f"{what} with numbers alone", "remove other columns", file=path.name) from error
    if table.ndim != 2 or table.size == 0:
        raise expected(f"{what} of two dimensions", "one row per query or teacher", shape=table.shape)
    return table


def _npy(path: Path) -> npt.NDArray[np.generic]:
    found: npt.NDArray[np.generic] = np.load(path, allow_pickle=False)
    return found


def _csv(path: Path) -> pd.DataFrame:
    """A first line with a word in it is a header."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    header = 0 if any(not _is_number(cell) for cell in first) else None
    return pd.read_csv(path, header=header)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True

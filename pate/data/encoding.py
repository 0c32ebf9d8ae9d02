"""Features from columns: encoders and scalers that are declared, or fitted on the public pool alone.

Nothing here is ever fitted on private records. Shape legend: ``N`` records, ``F`` features after encoding.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.data.body import rows_refused
from pate.data.categories import CategoricalColumns, CategoryCode, encode_categories, fit_categories
from pate.data.columns import column, numbers
from pate.data.records import FloatArray
from pate.errors import expected


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The substitute for a missing number.

    Attributes:
        strategy: ``constant``, or ``public_median`` of the pool.
        value: the constant, in the column's own unit.
        indicator: ``True`` adds a feature that is 1 where the value is missing.
    """

    strategy: Literal["constant", "public_median"]
    value: float | None = None
    indicator: bool = False

    def __post_init__(self) -> None:
        if (self.strategy == "constant") != (self.value is not None):
            raise expected(
                "a value exactly with missing.strategy='constant'", "give it or leave it out", value=self.value
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NumericColumns:
    """Columns of numbers that are treated alike.

    Attributes:
        columns: their names.
        missing: the substitute for a missing number; ``None`` refuses records that lack one.
        scale: ``public`` subtracts the pool's mean and divides by its standard deviation; ``none`` leaves the unit.
        clip: largest absolute value after scaling; ``None`` for no limit.
    """

    columns: tuple[str, ...]
    missing: Missing | None = None
    scale: Literal["public", "none"] = "public"
    clip: float | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NumericCode:
    """One fitted column of numbers: ``clip((x or fill) - mean) / std``."""

    name: str
    fill: float | None
    indicator: bool
    mean: float
    std: float
    clip: float | None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEncoder:
    """Maps a table to features. Public: made from the configuration and the public pool."""

    numeric: tuple[NumericCode, ...]
    categorical: tuple[CategoryCode, ...]

    def names(self) -> tuple[str, ...]:
        """A name per feature. Length F."""
        found: list[str] = []
        for code in self.numeric:
            found += [code.name, f"{code.name} is missing"] if code.indicator else [code.name]
        for group in self.categorical:
            found += [f"{group.name} = {value}" for value in group.features()]
        return tuple(found)

    def to_json(self) -> str:
        """The fitted encoder as JSON, to encode another table in the same way."""
        content = asdict(self)
        for code, row in zip(self.categorical, content["categorical"], strict=True):
            for name in code.unused():
                del row[name]
        return json.dumps({**content, "features": self.names()}, indent=1)

    @staticmethod
    def from_json(text: str) -> ColumnEncoder:
        """Read an encoder that ``to_json`` wrote."""
        content = json.loads(text)
        return ColumnEncoder(
            numeric=tuple(NumericCode(**row) for row in content["numeric"]),
            categorical=tuple(
                CategoryCode(**{**row, "categories": tuple(row["categories"])}) for row in content["categorical"]
            ),
        )

    def encode(self, table: pd.DataFrame, *, key: str) -> FloatArray:
        """Features of a table. Shape ``[N, F]``, float32.

        Args:
            table: text, missing values as NaN.
            key: the configuration key of the files, for errors.

        Raises:
            InputError: a missing column, text where numbers are declared, or a missing or unknown value whose policy
                is to refuse it; a count in public, rows in the private detail.
        """
        with np.errstate(over="ignore"):  # non-finite values are refused later
            parts = [_encode_numbers(code, table, key).astype(np.float32) for code in self.numeric]
        parts += [encode_categories(code, table, key).astype(np.float32) for code in self.categorical]
        return np.concatenate(parts, axis=1)


def fit_encoder(
    pool: pd.DataFrame, numeric: tuple[NumericColumns, ...], categorical: tuple[CategoricalColumns, ...]
) -> ColumnEncoder:
    """Fit on the public pool alone.

    Args:
        pool: the table of the public pool.
        numeric: groups of columns of numbers.
        categorical: groups of columns of categories.

    Raises:
        InputError: no column at all, one declared twice, or statistics that the pool cannot give.
    """
    listed = [name for group in numeric for name in group.columns]
    listed += [name for group in categorical for name in group.columns]
    if not listed or len(set(listed)) < len(listed):
        raise expected("at least one feature column, each declared once", "correct data.features", columns=listed)
    return ColumnEncoder(
        numeric=tuple(_fit_numbers(name, group, pool) for group in numeric for name in group.columns),
        categorical=tuple(fit_categories(name, group, pool) for group in categorical for name in group.columns),
    )


def _fit_numbers(name: str, group: NumericColumns, pool: pd.DataFrame) -> NumericCode:
    values = numbers(column(pool, name, declared="data.features", key="the pool"), name=name, key="the pool")
    known = values[~np.isnan(values)]
    needs_pool = group.scale == "public" or (group.missing is not None and group.missing.strategy == "public_median")
    if needs_pool and len(known) == 0:
        raise expected(
            f"values of {name!r} in the pool", "declare missing.strategy: constant and scale: none for it", found=0
        )
    fill = None if group.missing is None else group.missing.value
    if group.missing is not None and group.missing.strategy == "public_median":
        fill = float(np.median(known))
    mean, std = (float(known.mean()), float(known.std())) if group.scale == "public" else (0.0, 1.0)
    return NumericCode(
        name=name,
        fill=fill,
        indicator=group.missing is not None and group.missing.indicator,
        mean=mean,
        std=std if std > 0 else 1.0,
        clip=group.clip,
    )


def _encode_numbers(code: NumericCode, table: pd.DataFrame, key: str) -> npt.NDArray[np.float64]:
    values_N = numbers(column(table, code.name, declared="data.features", key=key), name=code.name, key=key)
    missing_N = np.isnan(values_N)
    if code.fill is None and missing_N.any():
        raise rows_refused(
            f"a value of {code.name!r} in every record",
            "declare data.features.numeric.missing: {strategy: public_median} or {strategy: constant, value: ...}",
            key=key,
            bad_N=missing_N,
        )
    scaled_N = (np.where(missing_N, code.fill or 0.0, values_N) - code.mean) / code.std
    if code.clip is not None:
        scaled_N = np.clip(scaled_N, -code.clip, code.clip)
    return np.stack([scaled_N, missing_N] if code.indicator else [scaled_N], axis=1).astype(np.float64)

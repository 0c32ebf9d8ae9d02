"""A look at public tables: their columns, missing and unknown values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import pandas as pd

from pate.data.categories import CategoryCode
from pate.data.encoding import NumericCode
from pate.data.files.table import PublicTables
from pate.data.ids import match_keys

MOST_NAMED = 8
"""Most columns that a line names."""
MANY_MISSING = 0.2
"""Fraction of missing values that is worth a line."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLook:
    """One column that becomes features.

    Attributes:
        name: of the column.
        kind: ``numeric`` or ``categorical``.
        features: number of its features.
        missing_pool: fraction of missing values in the pool.
        missing_evaluation: in the evaluation set.
        unknown_evaluation: fraction of values of the evaluation set without a category of their own.
        constant: ``True`` if all known values of the pool are equal.
    """

    name: str
    kind: str
    features: int
    missing_pool: float
    missing_evaluation: float
    unknown_evaluation: float
    constant: bool


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A column of the public files that is no feature, and why."""

    name: str
    why: str


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableLook:
    """Columns of the public tables.

    Attributes:
        columns: that become features.
        left_out: that do not.
        notes: sentences about what a user may not expect.
    """

    columns: tuple[ColumnLook, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Names and values, for people."""
        numeric = sum(one.kind == "numeric" for one in self.columns)
        yield "columns", f"{numeric} numeric, {len(self.columns) - numeric} categorical"
        if self.left_out:
            yield "left out", _some([f"{one.name} ({one.why})" for one in self.left_out])
        missing = [one for one in self.columns if max(one.missing_pool, one.missing_evaluation) > 0]
        if missing:
            missing.sort(key=lambda one: -max(one.missing_pool, one.missing_evaluation))
            yield (
                "missing values",
                _some([f"{one.name} {one.missing_pool:.1%} / {one.missing_evaluation:.1%}" for one in missing])
                + " (pool / evaluation)",
            )
        unknown = sorted((one for one in self.columns if one.unknown_evaluation > 0), key=lambda one: one.name)
        if unknown:
            shown = _some([f"{one.name} {one.unknown_evaluation:.1%}" for one in unknown])
            yield "unknown values", f"{shown} of the evaluation records have no category of their own"


def look_at_tables(tables: PublicTables, *, label: str, unit: str | None, site: str | None) -> TableLook:
    """Look at the public tables.

    Args:
        tables: before they are encoded.
        label: column of the label.
        unit: column of the unit's id, if any.
        site: column of the site, if any.
    """
    pool, evaluation = tables.pool.table(), tables.evaluation.table()
    columns = tuple(
        [_numeric(code, pool, evaluation) for code in tables.encoder.numeric]
        + [_categorical(code, pool, evaluation) for code in tables.encoder.categorical]
    )
    roles = {label: "the label", unit: "the unit's id", site: "the site"}
    used = {one.name for one in columns}
    left_out = tuple(
        LeftOut(name=str(name), why=roles.get(str(name), "not in data.features"))
        for name in dict.fromkeys([*pool.columns, *evaluation.columns])
        if name not in used
    )
    return TableLook(columns=columns, left_out=left_out, notes=tuple(_notes(columns, tables)))


def _numeric(code: NumericCode, pool: pd.DataFrame, evaluation: pd.DataFrame) -> ColumnLook:
    return ColumnLook(
        name=code.name,
        kind="numeric",
        features=2 if code.indicator else 1,
        missing_pool=_missing(pool[code.name]),
        missing_evaluation=_missing(evaluation[code.name]),
        unknown_evaluation=0.0,
        constant=pool[code.name].nunique() <= 1,
    )


def _categorical(code: CategoryCode, pool: pd.DataFrame, evaluation: pd.DataFrame) -> ColumnLook:
    values = code.values(evaluation[code.name])
    return ColumnLook(
        name=code.name,
        kind="categorical",
        features=len(code.features()),
        missing_pool=_missing(pool[code.name]),
        missing_evaluation=_missing(values),
        unknown_evaluation=float((~values.isin(code.categories) & values.notna()).mean()),
        constant=code.values(pool[code.name]).nunique() <= 1,
    )


def _missing(values: pd.Series[str]) -> float:
    return float(values.isna().mean())


def _notes(columns: Sequence[ColumnLook], tables: PublicTables) -> Iterator[str]:
    constant = [one.name for one in columns if one.constant]
    if constant:
        yield f"one value in the whole pool: {_some(constant)}; such columns tell nothing"
    many = [one.name for one in columns if max(one.missing_pool, one.missing_evaluation) > MANY_MISSING]
    if many:
        yield f"more than {MANY_MISSING:.0%} missing: {_some(many)}"
    shared = _shared_units(tables)
    if shared:
        yield (
            f"{shared} units are in the pool and in the evaluation set: the student is judged on people it was "
            "trained with; split the public files by unit"
        )


def _shared_units(tables: PublicTables) -> int:
    pool_M, evaluation_E = tables.pool.units_N, tables.evaluation.units_N
    if pool_M is None or evaluation_E is None:
        return 0
    return len(set(match_keys(pool_M).tolist()) & set(match_keys(evaluation_E).tolist()))


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

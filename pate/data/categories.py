"""Categories that become features: declared, or taken from the public pool; all, the most frequent, or by prefix.

Nothing here is ever fitted on private records. Shape legend: ``N`` records, ``F`` features of one column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.data.body import rows_refused
from pate.data.columns import canonical, column, plain, require_exact
from pate.errors import expected

MOST_CATEGORIES = 200
MISSING = "(missing)"
"""Name of the category of missing values."""
OTHER = "(other)"
"""Name of the category of values that are not among the most frequent."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalColumns:
    """Columns of categories that become one feature each (one-hot), treated alike.

    Attributes:
        columns: their names.
        unknown: a category that was not declared and does not occur in the pool: ``ignore`` sets all of the
            column's features to 0, ``refuse`` stops.
        categories: column -> its categories; columns that are not listed take those of the pool.
        missing: ``category`` makes missing a category of its own; ``ignore`` sets all features to 0; ``refuse`` stops.
        most_frequent: only this many categories of the pool get a feature each; all other values, also those that the
            pool does not have, share one. ``None`` for all categories.
        prefix: values are compared by this many first characters, such as 3 for the group of an ICD code; ``None``
            for whole values.
    """

    columns: tuple[str, ...]
    unknown: Literal["ignore", "refuse"]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: Literal["category", "ignore", "refuse"] = "refuse"
    most_frequent: int | None = None
    prefix: int | None = None

    def __post_init__(self) -> None:
        surplus = sorted(set(self.categories) - set(self.columns))
        if surplus:
            raise expected("categories of listed columns only", "add them to columns or remove them", surplus=surplus)
        if self.most_frequent is not None and (self.unknown == "refuse" or self.categories):
            raise expected(
                "unknown: ignore and no categories with most_frequent",
                "every value that is not among the most frequent becomes '(other)'",
                most_frequent=self.most_frequent,
            )
        for name, most in (("most_frequent", MOST_CATEGORIES), ("prefix", None)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= (value if most is None else most):
                limit = "" if most is None else f" and <= {most}"
                raise expected(f"data.features.categorical.{name} >= 1{limit}", "correct it", **{name: value})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCode:
    """One fitted column of categories: one feature each, then ``(other)``, then ``(missing)``.

    Attributes:
        name: of the column.
        categories: that have a feature of their own, in the order of the features.
        unknown: treatment of any other value, without ``other``.
        missing: treatment of a missing value.
        prefix: number of first characters that are compared; ``None`` for all.
        other: ``True`` if all values that are not listed share a feature.
    """

    name: str
    categories: tuple[str, ...]
    unknown: Literal["ignore", "refuse"]
    missing: Literal["category", "ignore", "refuse"]
    prefix: int | None = None
    other: bool = False

    def features(self) -> tuple[str, ...]:
        """The category of each feature."""
        others = (OTHER,) if self.other else ()
        return (*self.categories, *others, MISSING) if self.missing == "category" else (*self.categories, *others)

    def unused(self) -> set[str]:
        """Names of attributes that were added later and are at their defaults: left out of the JSON."""
        return {name for name, absent in (("prefix", None), ("other", False)) if getattr(self, name) == absent}

    def values(self, written: pd.Series[str]) -> pd.Series[str]:
        """The values that are compared with the categories; missing ones stay missing."""
        return _cut(canonical(written), self.prefix)


def fit_categories(name: str, group: CategoricalColumns, pool: pd.DataFrame) -> CategoryCode:
    """Fit one column on the public pool.

    Args:
        name: of the column.
        group: its declaration.
        pool: the table of the public pool.

    Raises:
        InputError: no such column, or too few or too many categories.
    """
    declared = group.categories.get(name)
    values = canonical(column(pool, name, declared="data.features", key="the pool")).dropna()
    if declared is not None:
        found = tuple(plain(value) for value in declared)
    else:
        found = _most_frequent(_cut(values, group.prefix), group.most_frequent)
    if not 1 <= len(found) <= MOST_CATEGORIES:
        remedy = (
            "add most_frequent: 100 (all others become one) or prefix: 3 (first characters) to its group of "
            "data.features.categorical, or leave the column out"
            if found
            else "declare data.features.categorical.categories, or leave the column out"
        )
        raise expected(f"1 to {MOST_CATEGORIES} categories of {name!r}", remedy, found=len(found))
    return CategoryCode(
        name=name,
        categories=found,
        unknown=group.unknown,
        missing=group.missing,
        prefix=group.prefix,
        other=group.most_frequent is not None,
    )


def _most_frequent(values: pd.Series[str], most: int | None) -> tuple[str, ...]:
    """The most frequent values, or all, in alphabetical order; of equally frequent ones the first in that order."""
    counts = values.value_counts()
    ranked = sorted(counts.index, key=lambda value: (-int(counts[value]), value))
    return tuple(sorted(ranked[:most]))


def _cut(values: pd.Series[str], prefix: int | None) -> pd.Series[str]:
    return values if prefix is None else values.map(lambda text: text[:prefix], na_action="ignore")


def encode_categories(code: CategoryCode, table: pd.DataFrame, key: str) -> npt.NDArray[np.float64]:
    """Features of one column, 1 where the record has the category. Shape ``[N, F]``.

    Args:
        code: the fitted column.
        table: text, missing values as NaN.
        key: the configuration key of the files, for errors.

    Raises:
        InputError: no such column, or a missing or unknown value whose policy is to refuse it.
    """
    written = column(table, code.name, declared="data.features", key=key)
    require_exact(written, name=code.name, key=key)
    values = code.values(written)
    missing_N = values.isna().to_numpy()
    index = {value: position for position, value in enumerate(code.categories)}
    position_N = values.map(index).fillna(-1).to_numpy().astype(np.int64)
    unknown_N = (position_N < 0) & ~missing_N
    if code.other:
        position_N, unknown_N = np.where(unknown_N, len(code.categories), position_N), np.zeros_like(unknown_N)
    refused = [
        (code.missing == "refuse", missing_N, "a value", "missing: category or ignore"),
        (code.unknown == "refuse", unknown_N, "a known category", "unknown: ignore, or list it under categories"),
    ]
    for stops, bad_N, what, remedy in refused:
        if stops and bad_N.any():
            raise rows_refused(
                f"{what} of {code.name!r} in every record",
                f"declare data.features.categorical {remedy}",
                key=key,
                bad_N=bad_N,
                found=list(values),
            )
    if code.missing == "category":
        position_N = np.where(missing_N, len(code.features()) - 1, position_N)
    ones: npt.NDArray[np.bool_] = position_N[:, None] == np.arange(len(code.features()))[None, :]
    return ones.astype(np.float64)

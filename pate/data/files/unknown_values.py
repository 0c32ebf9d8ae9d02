"""Private categories that the public encoder does not know, counted for the site that holds them and nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pate.arrays import IdArray
from pate.data.categories import CategoryCode

LISTED = 20
"""Most values of a column that are listed."""


def unknown_values(table: pd.DataFrame, codes: Sequence[CategoryCode], sites_N: IdArray | None) -> tuple[str, ...]:
    """Lines of text, one for each site and column with unknown values. Private.

    Args:
        table: private records as text, missing values as NaN.
        codes: the fitted columns of categories.
        sites_N: the site of each record, or ``None``.
    """
    if sites_N is None:
        return tuple(_lines(table, codes, ""))
    return tuple(
        line
        for site in np.unique(sites_N).tolist()
        for line in _lines(table[sites_N == site], codes, f"site {site!r}, ")
    )


def _lines(table: pd.DataFrame, codes: Sequence[CategoryCode], place: str) -> Iterator[str]:
    for code in codes:
        if code.name not in table.columns:
            continue  # refused by the encoder
        values = code.values(table[code.name]).dropna()
        unknown = values[~values.isin(code.categories)]
        if len(unknown) == 0:
            continue
        counts = unknown.value_counts()
        listed = ", ".join(f"{value!r} ({count})" for value, count in counts.head(LISTED).items())
        more = f" and {len(counts) - LISTED} more" if len(counts) > LISTED else ""
        yield f"{place}column {code.name!r}: {len(unknown)} of {len(values)} values are unknown: {listed}{more}"

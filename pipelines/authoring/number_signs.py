"""The decimal sign and the sign between thousands, recognised in columns of public numbers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

from pate.errors import expected

NUMERIC = 0.8
"""Least fraction of different texts that look like numbers, in a column of numbers."""

_LOOSE = re.compile(r"[+-]?[0-9][0-9.,'\u2019 \u00a0\u202f\u2009]*(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.(?:[0-9]{2}){0,2}")
_FORMS = {
    "point": re.compile(r"[+-]?[0-9]+\.(?![0-9]{3}$)[0-9]+|[+-]?(?:[0-9]{4,}|0)\.[0-9]{3}"),
    "comma": re.compile(r"[+-]?[0-9]+,(?![0-9]{3}$)[0-9]+|[+-]?(?:[0-9]{4,}|0),[0-9]{3}"),
    "group.": re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}"),
    "group,": re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}"),
    "groups.": re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3}){2,}|[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+"),
    "groups,": re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3}){2,}|[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+"),
    "groups'": re.compile(r"[+-]?[0-9]{1,3}(?:['\u2019][0-9]{3})+(?:[.,][0-9]+)?"),
    "groups ": re.compile(r"[+-]?[0-9]{1,3}(?:[ \u00a0\u202f\u2009][0-9]{3})+(?:[.,][0-9]+)?"),
}
"""Forms of numbers; ``group`` may also be a decimal number with three digits after its sign."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSigns:
    """The signs in numbers."""

    decimal: Literal[".", ","] = "."
    thousands: str | None = None


def number_signs(table: pd.DataFrame, names: Iterable[str]) -> NumberSigns:
    """Recognise the signs.

    Args:
        table: public, of text, missing values as NaN.
        names: the columns to look at.

    Raises:
        InputError: columns with different signs, or numbers such as ``1,234`` that can be read in two ways.
    """
    seen: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for form in _forms(table[name]):
            seen[form].append(name)
    comma, point = seen["comma"], seen["point"]
    if comma and point:
        raise expected(
            "one decimal sign in all numbers of public files",
            "write them alike, or name the sign by --decimal and correct the others",
            comma=comma[0],
            point=point[0],
        )
    groups = [sign for sign in (".", ",", "'", " ") if seen[f"groups{sign}"]]
    if comma or groups == ["."]:
        return NumberSigns(decimal=",", thousands=_thousands(seen, groups, "."))
    if seen["group,"] and not point and groups != [","]:
        raise expected(
            "numbers that can be read in one way",
            f"say --decimal ',' or --thousands ',' for values such as 1,234 in {seen['group,'][0]!r}",
        )
    return NumberSigns(decimal=".", thousands=_thousands(seen, groups, ","))


def _thousands(seen: dict[str, list[str]], groups: list[str], other: str) -> str | None:
    """The sign between groups, where ``other`` is the one that is no decimal sign."""
    allowed = [sign for sign in groups if sign in (other, "'", " ")]
    if not allowed and seen[f"group{other}"]:
        allowed = [other]
    if len(allowed) > 1 or len(allowed) < len(groups):
        raise expected("one sign between thousands in public files", "write all numbers alike", signs=groups)
    return allowed[0] if allowed else None


def _forms(values: pd.Series[str]) -> set[str]:
    """The forms of the numbers in a column; none in a column of something else."""
    texts = [text.strip() for text in values.dropna().unique()]
    bare = [re.sub(r"^[<>]=?\s*|^[≤≥]\s*", "", text) for text in texts]
    loose = [text for text in bare if _LOOSE.fullmatch(text)]
    if not loose or len(loose) < NUMERIC * len([text for text in texts if any(map(str.isalnum, text))]):
        return set()
    if any(_DATE.fullmatch(text) for text in loose):
        return set()
    found = set()
    for text in loose:
        form = next((name for name, pattern in _FORMS.items() if pattern.fullmatch(text)), None)
        if form is not None:
            found.add(form)
        if form is not None and form.startswith("groups"):
            found |= {kind for sign, kind in ((".", "point"), (",", "comma")) if sign in text and sign != form[-1]}
    return found

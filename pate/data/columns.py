"""Labels, units and sites from columns of a table, by declared rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.arrays import IdArray, IntArray
from pate.data.body import UNLABELLED, rows_refused
from pate.data.id_text import composed, has_lost_digits
from pate.data.ids import canonical_ids
from pate.data.refusal import refused
from pate.errors import expected

_PRINTED = r"[!-~](?:[ -~]*[!-~])?"
"""ASCII without white space at the ends; ``plain`` changes only whole numbers among these."""
_WHOLE = re.compile(r"(-?\d+)\.0*")
_BETWEEN_FINDINGS = re.compile("[|;,]")
MOST_NUMBERS = 20
"""Most different decimal numbers that can be classes."""
LISTED = 8
"""Most public labels that an error names."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """The column of the label, and the rule that maps its values to classes.

    Exactly one of ``positive``, ``contains``, ``above`` and ``classes`` is given. Values are compared as text; whole
    numbers are the same with and without ``.0``.

    Attributes:
        column: its name.
        positive: values of the positive class (index 1); every other value is the negative class.
        contains: a finding; labels that list it (``A|B|C``, or with ``;`` or ``,``) are the positive class (index 1).
        above: numbers above this are the positive class (index 1), the others the negative class.
        classes: all values, in the order of class indices; ``public``: those of the evaluation set, sorted.
        names: names of the two classes, where ``positive``, ``contains`` or ``above`` makes them.
        missing: the treatment of records without a label.
    """

    column: str
    positive: tuple[str, ...] | None = None
    contains: str | None = None
    above: float | None = None
    classes: tuple[str, ...] | Literal["public"] | None = None
    names: tuple[str, str] = ("negative", "positive")
    missing: Literal["refuse", "drop"] = "refuse"

    def __post_init__(self) -> None:
        given = [name for name in ("positive", "contains", "above", "classes") if getattr(self, name) is not None]
        if len(given) != 1:
            raise expected(
                "exactly one of data.label.positive, contains, above and classes",
                "choose one rule that maps values to classes",
                given=given,
            )
        if isinstance(self.classes, tuple) and (len(self.classes) < 2 or len(set(self.classes)) < len(self.classes)):
            raise expected("two or more different data.label.classes", "list each class once", classes=self.classes)

    def names_of(self, public: pd.DataFrame) -> tuple[str, ...]:
        """Names of the classes; ``public`` is the labelled public table."""
        if self.classes is None:
            return self.names
        if self.classes != "public":
            return self.classes
        if self.column not in public.columns:
            raise expected(f"column {self.column!r} in data.evaluation_files", "declare data.label.classes instead")
        found = sorted(set(canonical(public[self.column]).dropna()))
        if len(found) < 2:
            raise expected("two or more classes in the public labels", "declare data.label.classes", found=len(found))
        if are_measurements(found):
            raise expected(
                "classes in the public labels",
                f"{self.column!r} is a measurement: declare data.label.above: NUMBER for two classes",
                different_numbers=len(found),
            )
        return tuple(found)

    def require_positive(self, tables: Sequence[pd.DataFrame]) -> None:
        """Refuse a positive class that no label in public tables has; without public labels there is nothing to check.

        Raises:
            InputError: the error names public labels.
        """
        if self.positive is None and self.contains is None:
            return
        values = [canonical(table[self.column]).dropna() for table in tables if self.column in table.columns]
        seen = Counter(value for column in values for value in column)
        if seen and not any(self._is_positive(value) for value in seen):
            name = "positive" if self.contains is None else "contains"
            listed = ", ".join(f"{value!r} ({count})" for value, count in seen.most_common(LISTED))
            more = f" and {len(seen) - LISTED} more" if len(seen) > LISTED else ""
            raise expected(
                f"a public label that data.label.{name} makes positive",
                f"correct it; public labels are {listed}{more}",
                **{name: self.contains or list(self.positive or ())},
            )

    def _is_positive(self, value: str) -> bool:
        """Return ``True`` if ``positive`` or ``contains`` maps a value in canonical form to the positive class."""
        if self.contains is not None:
            return plain(self.contains) in findings(value)
        return value in {plain(text) for text in self.positive or ()}

    def labels(self, table: pd.DataFrame, names: tuple[str, ...], *, key: str) -> IntArray:
        """Class index of each record, -1 where the value is missing. Shape ``[N]``.

        Args:
            table: text, missing values as NaN.
            names: from ``names_of``.
            key: the configuration key of the files, for errors.

        Raises:
            InputError: a value that is none of the classes, or is not a number where ``above`` needs one.
        """
        written = column(table, self.column, declared="data.label.column", key=key)
        if self.above is None:
            require_exact(written, name=self.column, key=key)
        values = canonical(written)
        missing_N = values.isna().to_numpy()
        if self.positive is not None or self.contains is not None:
            positive = [value for value in values.dropna().unique() if self._is_positive(value)]
            labels_N = values.isin(positive).to_numpy().astype(np.int64)
        elif self.above is not None:
            numbers_N = numbers(values, name=self.column, key=key)
            labels_N = (numbers_N > self.above).astype(np.int64)
        else:
            index = {plain(name): position for position, name in enumerate(names)}
            labels_N = values.map(index).fillna(UNLABELLED).to_numpy().astype(np.int64)
            unknown_N = (labels_N == UNLABELLED) & ~missing_N
            if unknown_N.any():
                raise rows_refused(
                    f"labels out of the {len(names)} classes of the public label set",
                    "declare all of data.label.classes, or correct the records",
                    key=f"{key}, column {self.column!r}",
                    bad_N=unknown_N,
                    found=list(values),
                )
        return np.where(missing_N, UNLABELLED, labels_N)


def findings(value: str) -> tuple[str, ...]:
    """Return the findings that a label lists, as text for comparison.

    >>> findings("Effusion|No Finding")
    ('Effusion', 'No Finding')
    """
    return tuple(plain(part) for part in _BETWEEN_FINDINGS.split(value))


def are_measurements(values: Sequence[str]) -> bool:
    """Return ``True`` for different numbers that are too many for classes, some with decimals."""
    parsed = pd.to_numeric(pd.Series(values, dtype="str"), errors="coerce")
    return len(values) > MOST_NUMBERS and bool(parsed.notna().all()) and bool((parsed % 1 != 0).any())


def column(table: pd.DataFrame, name: str, *, declared: str, key: str) -> pd.Series[str]:
    """A column by name.

    Raises:
        InputError: there is none; the error names the key that declares it.
    """
    if name not in table.columns:
        raise refused(
            f"column {declared}={name!r} in {key}",
            "correct the name, or declare data.format.columns for files without a header",
            detail=f"{key}, columns: {[str(found) for found in table.columns]}",
        )
    return table[name]


def ids(table: pd.DataFrame, name: str, *, declared: str, key: str) -> IdArray:
    """A column of unit or site ids in canonical form, none of them missing. Shape ``[N]``."""
    return canonical_ids(column(table, name, declared=declared, key=key), place=f"{declared}={name!r} of {key}")


def require_exact(values: pd.Series[str], *, name: str, key: str) -> None:
    """Refuse codes that may have lost digits as floating-point numbers: one missing cell turns a column of whole
    numbers into floats.

    Raises:
        InputError: a whole number that can have lost digits; the text itself goes to the private detail.
    """
    lost = [value for value in values.dropna().unique() if has_lost_digits(value)]
    if lost:
        raise rows_refused(
            f"codes with all of their digits in column {name!r}",
            "export them as text, or as whole numbers without point and exponent",
            key=key,
            bad_N=values.isin(lost).to_numpy(),
            found=list(values),
        )


def numbers(values: pd.Series[str], *, name: str, key: str) -> npt.NDArray[np.float64]:
    """A column of text as numbers, NaN where it is missing. Shape ``[N]``.

    Raises:
        InputError: text that is no finite number; the text itself goes to the private detail.
    """
    parsed: npt.NDArray[np.float64] = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    broken_N = ~np.isfinite(parsed) & ~values.isna().to_numpy()
    if broken_N.any():
        raise rows_refused(
            f"numbers in column {name!r}",
            "correct them, list their text under data.format.missing or data.format.replace, or declare the column "
            "as categorical",
            key=key,
            bad_N=broken_N,
            found=list(values),
        )
    return parsed


def canonical(values: pd.Series[str]) -> pd.Series[str]:
    """Values for comparison as text: stripped, composed, whole numbers without ``.0``; missing ones stay missing."""
    if not isinstance(values.dtype, pd.StringDtype):
        return values.map(plain, na_action="ignore")
    settled_N = values.str.fullmatch(_PRINTED) & ~values.str.fullmatch(_WHOLE.pattern) & (values != "-0")
    other_N = ~settled_N.astype(bool) & values.notna()
    if not other_N.any():
        return values
    plain_of = {value: plain(value) for value in values[other_N].unique()}
    return values.mask(other_N, values[other_N].map(plain_of))


def plain(value: str) -> str:
    """One value for comparison as text.

    >>> plain(" 3.0 ")
    '3'
    """
    text = composed(value).strip()
    whole = _WHOLE.fullmatch(text)
    found = whole.group(1) if whole else text
    return "0" if found == "-0" else found

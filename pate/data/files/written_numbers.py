"""Numbers as people write them, ``1.234,5`` or ``1'234.5``, in the form that programs read."""

from __future__ import annotations

import re

import pandas as pd

from pate.data.body import rows_refused
from pate.data.files.file_format import FileFormat

BLANKS = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"


def number_pattern(decimal: str, thousands: str | None) -> re.Pattern[str]:
    """Return the pattern of a number with these signs."""
    whole = "[0-9]+" if thousands is None else rf"(?:[0-9]{{1,3}}(?:[{_signs(thousands)}][0-9]{{3}})+|[0-9]+)"
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?")


def plain_numbers(values: pd.Series[str], style: FileFormat, *, key: str) -> pd.Series[str]:
    """A column of numbers with a decimal point and without other signs; missing ones stay missing.

    Args:
        values: text, missing values as NaN.
        style: the signs.
        key: the configuration key of the files, for errors.

    Raises:
        InputError: text that is no number with these signs, such as a number with another decimal sign.
    """
    if (style.decimal, style.thousands) == (".", None):
        return values
    pattern = number_pattern(style.decimal, style.thousands)
    numbers = [text for text in values.dropna().unique() if pattern.fullmatch(text.strip())]
    form = {text: _plain(text.strip(), style) for text in numbers}
    bad_N = (values.notna() & ~values.isin(list(form))).to_numpy()
    if bad_N.any():
        raise rows_refused(
            f"numbers with data.format.decimal={style.decimal!r} and thousands={style.thousands!r} in column "
            f"{str(values.name)!r}",
            "correct them, list their text under data.format.missing or data.format.replace, or declare another format "
            "for this file",
            key=key,
            bad_N=bad_N,
            found=list(values),
        )
    return values.map(form, na_action="ignore").astype("str")


def _plain(text: str, style: FileFormat) -> str:
    bare = text if style.thousands is None else re.sub(f"[{_signs(style.thousands)}]", "", text)
    return bare.replace(style.decimal, ".")


def _signs(thousands: str) -> str:
    """Return the characters that stand for the sign between groups, for a pattern."""
    return re.escape(next((kinds for kinds in (BLANKS, APOSTROPHES) if thousands in kinds), thousands))

"""Canonical ids of units and sites, so that several spellings of one patient's id are one patient.

``pate.data.id_text`` has the rule. Every source of records, whatever its kind, takes its ids through
``canonical_ids``. Different ids of one set that have one match key are refused (``require_unambiguous``); match keys
recognise a patient at another site or in the next year.

Shape legend: ``N`` ids, ``U`` different texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pate.arrays import IdArray, IntArray
from pate.data.id_text import LONGEST, clean, has_lost_digits, match_key, whole_number
from pate.data.refusal import refused
from pate.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Ids: TypeAlias = "npt.NDArray[Any] | pd.Series[Any] | Sequence[object]"

MISSING = frozenset({"", "nan", "none", "nat", "<na>", "na", "null", "n/a", "#n/a", ".", "-", "--", "?"})
"""Texts that stand for a missing id, in upper or lower case."""
LISTED = 1000
"""Most ids that an incident lists."""
EXPORT = "export them as text, or as whole numbers without point and exponent"

_FAULTS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("an id in every record", "fill in the missing ids, or leave those records out", lambda t: t.casefold() in MISSING),
    ("ids that are readable text", "write them as UTF-8", lambda text: not text.isascii() and _broken(text)),
    (f"ids of at most {LONGEST} characters", "check which column holds them", lambda text: len(text) > LONGEST),
    ("ids with all of their digits", EXPORT, has_lost_digits),
)


def canonical_ids(values: Ids, *, place: str = "the records") -> IdArray:
    """Ids in canonical form. Shape ``[N]``.

    Args:
        values: text, bytes (UTF-8), numbers, or objects of these.
        place: their configuration key, for errors.

    Raises:
        InputError: ids that are missing, unreadable, too long, or numbers that can have lost digits. What was found
            and how often is in the private detail only.
    """
    forms_U, form_of_N = _forms(values, place)
    return np.array(forms_U, dtype=np.str_)[form_of_N]


def optional_ids(values: Ids, *, place: str = "the records") -> npt.NDArray[np.object_]:
    """As ``canonical_ids``, with ``None`` where an id is missing. Shape ``[N]``."""
    forms_U, form_of_N = _forms(values, place, optional=True)
    return np.array([*(None if form.casefold() in MISSING else form for form in forms_U), None], dtype=object)[
        form_of_N
    ]


def match_keys(values: Ids, *, place: str = "the records") -> IdArray:
    """Keys that are equal for ids that are probably one patient's, across files, sites and years. Shape ``[N]``.

    Beyond ``canonical_ids``, keys ignore case, leading zeros, kinds of digits and dashes, and what Unicode calls
    compatible; ``7e0`` counts as ``7``.

    Args:
        values: ids in any form.
        place: as for ``canonical_ids``.
    """
    forms_U, form_of_N = _forms(values, place)
    return np.array([match_key(form) for form in forms_U], dtype=np.str_)[form_of_N]


def require_unambiguous(*sets: Ids, place: str = "data.private_files", what: str = "ids") -> None:
    """Refuse different ids that probably belong to one patient (or hospital).

    Args:
        sets: the ids of one file set, or those of several files or sites.
        place: their location, in words of the configuration.
        what: their name, such as ``ids in data.unit``.

    Raises:
        InputError: with the ids in the private detail only.
    """
    forms_U = list(dict.fromkeys(form for ids in sets for form in canonical_ids(ids, place=place).tolist()))
    forms_of_key: dict[str, list[str]] = {}
    for form, key in zip(forms_U, match_keys(forms_U).tolist(), strict=True):
        forms_of_key.setdefault(key, []).append(form)
    together = [forms for _, forms in sorted(forms_of_key.items()) if len(forms) > 1]
    if together:
        listed = [" = ".join(f"{form!r}" for form in forms) for forms in together[:LISTED]]
        raise refused(
            f"{what} that differ in more than case, leading zeros and compatible characters in {place}",
            "use one spelling of each patient and each hospital in all files",
            detail=f"{place}: {len(together)} ids in several writings:\n" + "\n".join(listed),
        )


def _forms(values: Ids, place: str, *, optional: bool = False) -> tuple[list[str], IntArray]:
    """The form of each different text, and which of them each record has."""
    texts_U, text_of_N = _distinct(values, place)
    clean_U = [clean(text) for text in texts_U]
    for what, remedy, fails in _FAULTS[optional:]:
        bad_U = np.fromiter(map(fails, clean_U), dtype=bool, count=len(clean_U))
        if bad_U.any():
            raise _rows(what, remedy, place, bad_U[text_of_N], [texts_U[code] for code in text_of_N])
    return [whole_number(text) or text for text in clean_U], text_of_N


def _distinct(values: Ids, place: str) -> tuple[list[str], IntArray]:
    """The different texts, and which of them each record has."""
    try:
        texts_N = _texts(values, place)
    except (ValueError, SystemError) as error:  # the latter: NumPy, for numbers that are no characters
        if isinstance(error, InputError):
            raise
        raise refused(f"ids that can be read as text in {place}", "write them as UTF-8", detail=f"{error}") from error
    code_of: dict[str, int] = {}
    codes_N = np.fromiter((code_of.setdefault(text, len(code_of)) for text in texts_N), np.int64, len(texts_N))
    return list(code_of), codes_N


def _texts(values: Ids, place: str) -> npt.NDArray[np.object_]:
    """Every id as text, missing ones as empty text. Shape ``[N]``."""
    given: Any = values.to_numpy() if hasattr(values, "to_numpy") else values
    array = given if isinstance(given, np.ndarray) else np.fromiter(given, dtype=object, count=len(given))
    if array.ndim != 1:
        raise refused(f"one id for each record in {place}", "store them in one dimension", detail=f"{array.shape}")
    if array.dtype.kind in "iuU":
        return array.astype(np.str_).astype(object)
    if array.dtype.kind == "f":
        return _float_texts(array, place)
    if array.dtype.kind in "SO":
        texts = [value if type(value) is str else _text(value) for value in array.tolist()]
        return np.fromiter(texts, dtype=object, count=len(texts))
    raise refused(f"ids as text or numbers in {place}", "convert them", detail=f"{place}: {array.dtype}")


def _float_texts(array: npt.NDArray[np.floating[Any]], place: str) -> npt.NDArray[np.object_]:
    """Floating-point numbers as text, where their kind still tells whole numbers apart."""
    lost_N = np.isfinite(array) & (np.abs(array.astype(np.float64)) >= 2.0 ** (np.finfo(array.dtype).nmant + 1))
    if lost_N.any():
        raise _rows("ids with all of their digits", EXPORT, place, lost_N, array.tolist())
    texts = array.astype(object)
    whole_N = np.isfinite(array) & (array == np.trunc(array))
    texts[whole_N] = array[whole_N].astype(np.int64).astype(np.str_).astype(object)
    texts[~whole_N] = [_text(float(number)) for number in array[~whole_N]]
    return texts


def _text(value: object) -> str:
    """One id as text; a floating-point number keeps its decimal point, by which it is recognised."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape")
    if isinstance(value, float):
        return str(float(value)) if math.isfinite(value) else ""
    if isinstance(value, Decimal):
        if not value.is_finite():
            return ""
        whole = value.adjusted() < LONGEST and value == value.to_integral_value()
        return str(int(value)) if whole else str(value)
    return str(value)


def _rows(what: str, remedy: str, place: str, bad_N: npt.NDArray[np.bool_], found: Sequence[Any]) -> InputError:
    """The error for ids that cannot be used; count and rows in the private detail."""
    rows = np.flatnonzero(bad_N)
    listed = [f"row {row}: {found[row]!r}" for row in rows[:LISTED]]
    detail = f"{place}: {len(rows)} of {len(bad_N)} records, rows counted from 0 as read:\n" + "\n".join(listed)
    return refused(f"{what} in {place}", remedy, detail=detail)


def _broken(text: str) -> bool:
    """Return ``True`` if a text holds surrogates, as which bytes that are no UTF-8 are read."""
    return any("\ud800" <= char <= "\udfff" for char in text)

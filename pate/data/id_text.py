"""Canonical form of one id: which spellings are one patient, and which are probably one.

The rule holds for every source, text or number, and for patients and hospitals alike. The form of an id is its text:

* in Unicode's composed form (NFC), wide and narrow characters in their usual width, without invisible characters
  (zero-width characters, byte order marks, other control characters);
* without white space of any kind at its ends, and with one blank for each run of it inside;
* a whole number without sign ``+``, fraction of zeros and exponent: ``7``, ``7.0``, ``7.``, ``+7`` and ``7e+0`` are one
  id. This is done on the digits themselves, so long numbers keep all of theirs. ``7e0`` has neither the point nor the
  sign that programs write into an exponent: it may be a code, and stays.

Case, leading zeros and what Unicode calls compatible (such as a raised 2 and a 2) may tell two patients apart, so the
form keeps them: NFKC would make one patient of two. They may also be two spellings of one patient; such ids have one
match key.

Numbers that have passed through floating point and can have lost digits there can be several patients: ``2**53`` and
above, and 12 digits and more as a spreadsheet shortens them (``1.23457E+11``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

LONGEST = 128
"""Characters of an id."""
LARGEST_EXACT = 2**53
"""From here on, neighbouring whole numbers share a double."""
EXACT_DIGITS = 15
"""Digits of a whole number that a double always keeps."""
SHORTENED = 11
"""Exponent from which spreadsheets write whole numbers with six digits."""
ROUNDED = "e+0000"
"""Suffix of a whole number that was read from single precision and may have lost digits."""
FOLDS = 8
"""Limit on the number of foldings; no text needs as many."""
CONTROLS = ("Cc", "Cf")
UNSEEN = frozenset(
    [*map(chr, range(0xFE00, 0xFE10)), *map(chr, range(0xE0100, 0xE01F0)), *"\u034f\u115f\u1160\u17b4\u17b5\u3164"]
)
"""Invisible characters of other categories: variation selectors, joiners of graphemes, fillers."""
SIGNS_AND_DIGITS = "+-.0123456789"
MINUS = "\N{MINUS SIGN}"

_SETTLED = re.compile(r"[0-9]+(?:-[0-9]+)*|[0-9.eE+-]*[!-*,/:-DF-df-~][!-~]*")
_NUMBER = re.compile(r"([+-]?)([0-9]*)(\.[0-9]*)?(?:[eE]([+-]?)([0-9]{1,4}))?")
_FOLDED = re.compile(r"0|[1-9][0-9]*(?:-[0-9]+)*|[a-z][!-@\[-~]*(?: [!-@\[-~]+)*")
_LEADING_ZEROS = re.compile(r"\A(-?)0+(?=\w)")


def composed(text: str) -> str:
    """Unicode's composed form, without invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    seen = [char for char in text if char.isspace() or not (unicodedata.category(char) in CONTROLS or char in UNSEEN)]
    return unicodedata.normalize("NFC", "".join(seen))


def clean(text: str) -> str:
    """Composed, in usual width, visible, and without superfluous white space.

    >>> clean("  A\\u200b \\t 1 ")
    'A 1'
    """
    if _SETTLED.fullmatch(text):
        return text
    return " ".join(composed(text if text.isascii() else text.translate(_usual_width())).split())


@cache
def _usual_width() -> dict[int, str]:
    """Wide and narrow characters -> those of usual width."""
    forms = [0x3000, *range(0xFF00, 0xFFF0)]
    parts = {code: unicodedata.decomposition(chr(code)).split() for code in forms}
    return {code: chr(int(part[1], 16)) for code, part in parts.items() if part and part[0] in ("<wide>", "<narrow>")}


def whole_number(text: str, *, code_too: bool = False) -> str | None:
    """A whole number in plain digits, ``None`` for other text; ``code_too``: also ``7e0``, which may be a code."""
    match = _NUMBER.fullmatch(text) if text[:1] in SIGNS_AND_DIGITS else None
    if match is None or text.isdigit():
        return None
    sign, whole, point, exponent_sign, exponent = match.groups()
    digits = whole + (point or ".")[1:]
    if not digits or (exponent and point is None and not exponent_sign and not code_too):
        return None
    end = len(whole) + int(f"{exponent_sign}{exponent}" if exponent else 0)
    if end > LONGEST or digits[max(end, 0) :].strip("0"):
        return None
    number = digits[: max(end, 0)].ljust(end, "0")
    if exponent:
        number = number.lstrip("0")
    return ("-" if sign == "-" and number.strip("0") else "") + (number or "0")


def has_lost_digits(text: str) -> bool:
    """Return ``True`` for a whole number written by a program that may have lost digits."""
    exponent = "e" in text or "E" in text
    match = _NUMBER.fullmatch(text) if exponent or ("." in text and len(text) > EXACT_DIGITS) else None
    number = None if match is None else whole_number(text)
    if number is None or match is None:
        return False
    shift = int(match[5] or 0) if match[4] != "-" else 0
    if text.endswith(ROUNDED) or abs(int(number)) >= LARGEST_EXACT:
        return True
    return shift >= SHORTENED and len(match[3] or ".") - 1 < shift


def match_key(text: str) -> str:
    """The match key of a form: folded until it no longer changes."""
    for _ in range(FOLDS):
        before = text
        if not text.isascii():
            text = "".join(_usual_kind(char) for char in unicodedata.normalize("NFKC", text))
        text = text.casefold()
        if _FOLDED.fullmatch(text):
            break
        text = clean(text)
        text = _LEADING_ZEROS.sub(r"\1", whole_number(text, code_too=True) or text)
        if text == before:
            break
    return text


def _usual_kind(char: str) -> str:
    """Digits of every script as 0 to 9, dashes of every length as ``-``."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return "-" if char == MINUS or unicodedata.category(char) == "Pd" else char

"""The role of each column, from public records: numbers, categories, or left out, and texts that stand for numbers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal, final

import pandas as pd

from pate.data.columns import canonical
from pate.data.files.file_format import FileFormat
from pate.data.files.written_numbers import number_pattern, plain_numbers

FEW = 10
"""Numbers of at most so many different values are categories."""
MANY = 50
"""Text of more different values is codes, an id or free text."""
NEARLY = 0.95
"""Fraction of records with a value of their own from which a column is an id."""
ID_ROWS = 100
"""Fewer records cannot tell an id from a measurement."""
NUMBERS = 0.5
"""Least fraction of numbers, in a column of numbers with other texts."""
OTHER_WORDS = 5
"""Most different texts without a number in a column of numbers."""
WORDS = 4
"""Mean number of words from which text is free text."""

_MISSING = "na n/a n.a. nan null nil none - -- --- ? . .. #n/a #nv #value! #div/0! #ref! k.a. n.d. nd missing unknown"
MISSING_WORDS = frozenset([*_MISSING.split(), "unbekannt", "fehlt"])
"""Texts that mean a missing number, in lower case."""
MISSING_CODES = frozenset(["n/a", "nan", "null", "#n/a", "#nv", "?"])
"""Those that mean a missing value in columns of text too."""
_LIMIT = re.compile(r"(?:<=|>=|=<|=>|[<>≤≥])\s*(\S+)")
_ID_NAME = re.compile(r"(?i)(?:.*[_. -])?(?:id|ids|nr|no|mrn|pid|key|uuid|guid|nummer|number|code)")
_DATE = re.compile(
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{1,2}[- ][A-Za-z]{3}[- ][0-9]{2,4}|(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]))"
    r"(?:[T ][0-9]{1,2}:[0-9]{2}.*)?"
)
_TRUTH = (("true", "false"), ("yes", "no"), ("y", "n"), ("ja", "nein"), ("j", "n"), ("t", "f"), ("oui", "non"))

Kind = Literal["numbers", "text", "dates", "yes or no", "empty"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A column as seen in public files, or as declared by the user.

    Attributes:
        name: of the column.
        kind: of its values.
        different: number of different values.
        known: number of records with a value.
        decimals: ``True`` for numbers that are not whole.
        words: mean number of words of different values.
        missing: texts that are proposed as missing.
        replaced: texts that are proposed to be replaced by a number: (text, number).
        cases: two categories that differ in case alone.
        said: the role declared by the user; ``None``: by inspection.
    """

    name: str
    kind: Kind = "text"
    different: int = 0
    known: int = 0
    decimals: bool = False
    words: float = 1.0
    missing: tuple[str, ...] = ()
    replaced: tuple[tuple[str, str], ...] = ()
    cases: tuple[str, str] | None = None
    said: Literal["numeric", "categorical"] | None = None

    @property
    def number(self) -> bool:
        """``True`` for a column of numbers."""
        return self.kind == "numbers"

    @property
    def is_id(self) -> bool:
        """``True`` for text or whole numbers of which (nearly) every record has its own."""
        if self.known < ID_ROWS or self.kind not in ("numbers", "text") or self.decimals:
            return False
        named = _ID_NAME.fullmatch(self.name) is not None and self.different > MANY
        return self.different >= (NUMBERS if named else NEARLY) * self.known

    @property
    def role(self) -> Literal["numeric", "categorical", "codes", "left out"]:
        """``codes``: categories of which the most frequent have a feature each."""
        if self.said is not None:
            return self.said
        if self.different <= 1 or self.kind in ("dates", "empty") or self.is_id:
            return "left out"
        if self.kind == "numbers":
            return "categorical" if self.different <= FEW else "numeric"
        if self.different <= MANY:
            return "categorical"
        codes = self.words < WORDS and self.different <= NUMBERS * self.known
        return "codes" if codes else "left out"

    def description(self) -> str:
        """Return a short description, with the reason where the column is left out."""
        if self.said is not None:
            return f"named as {self.said}"
        if self.different <= 1:
            return "one value in all public records that have any" if self.different else "empty in every public record"
        return f"{self.kind}, {self.different} different values{self._reason()}"

    def _reason(self) -> str:
        """Return the end of the description."""
        if self.kind == "dates":
            return "; derive an age or a number of days to use them"
        if self.is_id:
            return f" in {self.known} public records: probably an id"
        ends = {"left out": ": free text or an id", "codes": "; the most frequent become features"}
        return ends.get(self.role) or "".join(self._changes())

    def _changes(self) -> list[str]:
        found = [f", {text!r} as {number}" for text, number in self.replaced]
        found += [f", {text!r} as missing" for text in self.missing]
        return [*found, f", {self.cases[0]!r} and {self.cases[1]!r} apart"] if self.cases else found


def look(values: pd.Series[str], style: FileFormat | None = None) -> Look:
    """Describe a public column.

    Args:
        values: text, missing values as NaN.
        style: the signs in numbers; default: a decimal point.
    """
    form, name = style or FileFormat(), str(values.name)
    known = values.dropna()
    counts = Counter(known.map(str.strip))
    found = _numbers(counts, form)
    if found is not None:
        missing, replaced = found
        swaps = dict(replaced)
        numbers = known.map(lambda text: swaps.get(text.strip(), text))[~known.map(str.strip).isin(missing)]
        plain = pd.to_numeric(plain_numbers(numbers.astype("str"), form, key=name), errors="coerce")
        return Look(
            name=name,
            kind="numbers",
            different=int(plain.nunique()),
            known=len(plain),
            decimals=bool((plain % 1 != 0).any()),
            missing=missing,
            replaced=replaced,
        )
    missing = tuple(text for text in counts if text.casefold() in MISSING_CODES)
    texts = canonical(known[~known.map(str.strip).isin(missing)])
    different = list(dict.fromkeys(texts))
    if not different:
        return Look(name=name, kind="empty", missing=missing)
    folded = {text.casefold() for text in different}
    kind: Kind = "text"
    if all(_DATE.fullmatch(text) for text in different):
        kind = "dates"
    elif len(folded) == 2 and any(folded == set(pair) for pair in _TRUTH):
        kind = "yes or no"
    return Look(
        name=name,
        kind=kind,
        different=len(different),
        known=len(texts),
        words=sum(len(text.split()) for text in different) / len(different),
        missing=missing,
        cases=_cases(different) if len(different) <= MANY else None,
    )


def _numbers(counts: Counter[str], form: FileFormat) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None:
    """Texts that mean a missing number, and those to be replaced, if the others are numbers; else ``None``."""
    pattern = number_pattern(form.decimal, form.thousands)
    numbers = sum(count for text, count in counts.items() if pattern.fullmatch(text))
    others = [text for text in counts if not pattern.fullmatch(text)]
    total = sum(count for text, count in counts.items() if text.casefold() not in MISSING_WORDS)
    dates = all(_DATE.fullmatch(text) for text in counts)
    if numbers == 0 or dates or numbers < NUMBERS * total:
        return None
    limits = [(text, match.group(1)) for text in others if (match := _LIMIT.fullmatch(text))]
    replaced = tuple((text, number) for text, number in limits if pattern.fullmatch(number))
    missing = [text for text in others if text not in dict(replaced)]
    unusual = [text for text in missing if text.casefold() not in MISSING_WORDS]
    rare = sum(counts[text] for text in unusual) <= (1 - NEARLY) * total
    if len(unusual) > OTHER_WORDS or not rare:
        return None
    return tuple(missing), replaced


def _cases(different: list[str]) -> tuple[str, str] | None:
    """Two categories that differ in case alone."""
    first: dict[str, str] = {}
    for text in different:
        other = first.setdefault(text.casefold(), text)
        if other != text:
            return other, text
    return None

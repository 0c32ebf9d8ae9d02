"""Changes of one privacy unit in raw private files: differences between two neighbouring data sets.

A change is made on the bytes of files, before anything is read, so that reading, joining, dropping and assignment are
all tested. Which unit is changed, and how, is private; the kind of change is public.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar, final

import numpy as np

from pate.data.ids import canonical_ids
from pate.randomness import generator

Files: TypeAlias = Mapping[Path, bytes | None]
"""Content of the changed files; ``None``: the file is removed."""

T = TypeVar("T")
TRIES = 40
"""Units that are tried for one change, since not every change applies to every unit."""


@final
class Kind(StrEnum):
    """Change of one privacy unit."""

    NOTHING = "nothing, run again"
    WITHDRAWN = "unit withdrawn"
    ADDED = "unit added"
    REPLACED = "values of another record"
    RELABELLED = "another label"
    EMPTIED = "a cell emptied"
    UNLABELLED = "the label emptied"
    DOUBLED = "a record twice"
    RETYPED = "id in another writing"
    RENAMED = "under another id"
    MOVED = "at another site"
    ABSURD = "absurd value"
    UNKNOWN = "unknown class"
    GIVEN = "one record more"
    TAKEN = "one record less"
    REORDERED = "last in the file"
    JOINED = "its row in a joined table"


TWICE = frozenset({Kind.RENAMED, Kind.MOVED})
"""Changes of two units, or of one in two files: withdrawn in one and added in the other."""


class RawRecords(Protocol):
    """Private records in raw files, by unit."""

    @property
    def units(self) -> int:
        """Number of privacy units that can be changed."""
        ...

    def changed(self, kind: Kind, unit: int, rng: np.random.Generator) -> Files | None:
        """The files with one unit changed, or ``None`` where it cannot be changed in this way."""
        ...


def draw_change(records: RawRecords, kind: Kind, *, seed: int, number: int) -> Files | None:
    """The files with one unit changed, or ``None`` if no tried unit can be changed in this way.

    Args:
        records: as they are.
        kind: of the change.
        seed: of the draw.
        number: of the change; each number changes another unit.
    """
    if kind is Kind.NOTHING:
        return {}
    rng = generator(seed, "audit", "records", kind.name, number)
    for unit in rng.permutation(records.units)[:TRIES].tolist():
        files = records.changed(kind, unit, rng)
        if files is not None:
            return files
    return None


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T | None:
    """A random element, or ``None`` if there is none."""
    return choices[int(rng.integers(len(choices)))] if choices else None


def writings(text: str, *, same: bool) -> list[str]:
    """Other spellings of an id that a person or a program may write.

    Args:
        text: as it is.
        same: ``True`` for spellings of the same id, ``False`` for those that may be another unit's.
    """
    text = text.strip()
    wide = text.translate({ord(digit): ord(digit) - ord("0") + 0xFF10 for digit in "0123456789"})
    found = [f"{text} ", f"\t{text}", unicodedata.normalize("NFD", text), wide, f"\ufeff{text}", text.swapcase()]
    found += [f"{text}.0", f"+{text}", f"{text}e+0", f"{text}e0", f"0{text}"] if text.isdecimal() else [f"{text}-2"]
    own = canonical_ids([text])[0]
    return [new for new in dict.fromkeys(found) if new != text and (canonical_ids([new])[0] == own) is same]

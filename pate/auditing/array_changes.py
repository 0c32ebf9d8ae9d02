"""Changes of one privacy unit in NumPy archives of images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.auditing.record_changes import Files, Kind, pick, writings
from pate.auditing.table_changes import Place
from pate.data.files.npz import NpzArrays, NpzFile
from pate.data.ids import optional_ids
from pate.values import Redacted

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]
"""The arrays of one archive; those of its records by role."""
ROLES = ("images", "labels", "unit", "site")


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RawArchive(Redacted):
    """One archive of records.

    Attributes:
        path: of the archive.
        names: role -> name of its array.
        arrays: role -> array.
    """

    path: Path
    names: dict[str, str]
    arrays: Arrays

    @classmethod
    def read(cls, file: NpzFile, declared: NpzArrays) -> RawArchive:
        """The arrays of an archive that belong to records."""
        names = {role: file.prefix + name for role in ROLES if (name := getattr(declared, role)) is not None}
        with np.load(file.path, allow_pickle=False) as archive:
            return cls(path=file.path, names=names, arrays={role: archive[name] for role, name in names.items()})

    def content(self, arrays: Arrays) -> bytes:
        """The archive with these arrays in place of its own."""
        written = BytesIO()
        named: dict[str, Any] = {self.names[role]: array for role, array in arrays.items()}
        np.savez(written, **named)
        return written.getvalue()


@final
class RawArrays(Redacted):
    """Archives of private images.

    Args:
        archives: of records.
        classes: number of classes.
        held: the rows that teachers learn from, where others were drawn for the public sets.
        grows: ``True`` if new records stay private; ``False`` where they may be drawn for the public sets.
    """

    def __init__(
        self, archives: Sequence[RawArchive], classes: int, held: Collection[Place] | None = None, *, grows: bool = True
    ) -> None:
        self._archives = archives
        self._classes = classes
        self._named = all("unit" in archive.arrays for archive in archives)
        self._grows = grows
        units: dict[str, list[Place]] = {}
        for file, archive in enumerate(archives):
            count = len(archive.arrays["labels"])
            names = (
                optional_ids(archive.arrays["unit"]).tolist() if self._named else [f"{file}/{n}" for n in range(count)]
            )
            for row, name in enumerate(names):
                if name is not None:
                    units.setdefault(name, []).append((file, row))
        self._units = [places for places in units.values() if held is None or all(place in held for place in places)]

    @property
    def units(self) -> int:
        """See ``RawRecords``."""
        return len(self._units)

    def changed(self, kind: Kind, unit: int, rng: np.random.Generator) -> Files | None:
        """See ``RawRecords``."""
        own = self._units[unit]
        file, row = own[int(rng.integers(len(own)))]
        rows = [number for where, number in own if where == file]
        ways: dict[Kind, Callable[[Arrays, list[int], int, np.random.Generator], Arrays | None]] = {
            Kind.WITHDRAWN: self._withdraw,
            Kind.ADDED: self._add,
            Kind.REPLACED: self._replace,
            Kind.RELABELLED: self._relabel,
            Kind.EMPTIED: lambda arrays, rows, row, rng: _put(arrays, row, images=0),
            Kind.DOUBLED: self._double,
            Kind.RETYPED: lambda arrays, rows, row, rng: self._name(arrays, rows, rng, same=True),
            Kind.RENAMED: lambda arrays, rows, row, rng: self._name(arrays, rows, rng, same=False),
            Kind.MOVED: self._move,
            Kind.ABSURD: self._spoil,
            Kind.UNKNOWN: lambda arrays, rows, row, rng: _put(arrays, row, labels=self._classes),
            Kind.GIVEN: self._give,
            Kind.TAKEN: self._take,
            Kind.REORDERED: self._reorder,
        }
        if kind not in ways or len(rows) < len(own):
            return None
        archive = self._archives[file]
        arrays = ways[kind](archive.arrays, rows, row, rng)
        return None if arrays is None else {archive.path: archive.content(arrays)}

    def _withdraw(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        return _without(arrays, rows) if self._named else _put(arrays, row, images=0, labels=0)

    def _add(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        if not self._grows:
            return None
        if not self._named:
            end = len(arrays["labels"])
            return _inserted(arrays, {role: array[[row]] for role, array in arrays.items()}, end)
        name = str(rng.integers(10**8, 10**9))
        more = {role: array[rows] for role, array in arrays.items()}
        more["unit"] = np.full(len(rows), name).astype(_wide(arrays["unit"], name))
        return _inserted(arrays, more, int(rng.integers(len(arrays["labels"]) + 1)))

    def _replace(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        other = int(rng.integers(len(arrays["labels"])))
        return _put(arrays, row, images=arrays["images"][other], labels=arrays["labels"][other])

    def _relabel(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        return _put(arrays, row, labels=(arrays["labels"][row] + 1) % self._classes)

    def _double(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        if not self._named:
            return self._replace(arrays, rows, row, rng)
        return (
            None if not self._grows else _inserted(arrays, {role: array[[row]] for role, array in arrays.items()}, row)
        )

    def _give(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        if not self._named or not self._grows:
            return None
        other = int(rng.integers(len(arrays["labels"])))
        more = {role: array[[other if role in ("images", "labels") else row]] for role, array in arrays.items()}
        return _inserted(arrays, more, int(rng.integers(len(arrays["labels"]) + 1)))

    def _take(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        return _without(arrays, [row]) if self._named and len(rows) > 1 else None

    def _reorder(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        if not self._named:
            return None
        own = {role: array[rows[::-1]] for role, array in arrays.items()}
        return _inserted(_without(arrays, rows), own, len(arrays["labels"]) - len(rows))

    def _name(self, arrays: Arrays, rows: list[int], rng: np.random.Generator, *, same: bool) -> Arrays | None:
        if not self._named or arrays["unit"].dtype.kind != "U" or not (same or self._grows):
            return None
        new = pick(rng, writings(str(arrays["unit"][rows[0]]), same=same))
        if new is None:
            return None
        return _put({**arrays, "unit": arrays["unit"].astype(_wide(arrays["unit"], new))}, rows, unit=new)

    def _move(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        if "site" not in arrays:
            return None
        new = pick(rng, sorted(set(arrays["site"].tolist()) - set(arrays["site"][rows].tolist())))
        return None if new is None else _put(arrays, rows, site=new)

    def _spoil(self, arrays: Arrays, rows: list[int], row: int, rng: np.random.Generator) -> Arrays | None:
        if arrays["images"].dtype.kind != "f":
            return _put(arrays, row, images=np.iinfo(arrays["images"].dtype).max)
        value = pick(rng, [3e38, -1.0, float("nan"), float("inf"), -1e30])
        return _put(arrays, row, images=value)


def _put(arrays: Arrays, rows: int | list[int], **values: Any) -> Arrays:
    """Arrays with other values in some rows."""
    found = {role: array.copy() if role in values else array for role, array in arrays.items()}
    for role, value in values.items():
        found[role][rows] = value
    return found


def _without(arrays: Arrays, rows: list[int]) -> Arrays:
    return {role: np.delete(array, rows, axis=0) for role, array in arrays.items()}


def _inserted(arrays: Arrays, more: Arrays, where: int) -> Arrays:
    return {role: np.concatenate([array[:where], more[role], array[where:]]) for role, array in arrays.items()}


def _wide(ids: npt.NDArray[Any], new: str) -> np.dtype[Any]:
    """A type of text that holds ids and a new one; numbers stay numbers."""
    return np.dtype(f"U{max(len(new), ids.dtype.itemsize // 4)}") if ids.dtype.kind == "U" else ids.dtype

"""Changes of one privacy unit in tables: CSV, Parquet, and manifests of images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

import numpy as np

from pate.auditing.raw_table import RawTable, Row
from pate.auditing.record_changes import Files, Kind, pick, writings
from pate.data.ids import optional_ids
from pate.values import Redacted

Place: TypeAlias = tuple[int, int]
"""Number of a file and of a row in it."""

ABSURD = ("1e300", "-1e300", "1e39", "3e38", "-1", "inf", "text", "9" * 400, "\u200b", '"', "0x1F", "1,5", "NaN")
UNKNOWN = ("no such class", "99", "-1")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Roles of the columns of the raw files.

    Attributes:
        label: the label's.
        unit: the privacy unit's; ``None``: each row is its own.
        site: the site's, or ``None``.
        sites: the site of each file, where no column gives it.
        features: the columns of features that these files may have.
        joined: on which column each joined table is matched.
    """

    label: str
    unit: str | None
    site: str | None
    sites: tuple[str | None, ...]
    features: tuple[str, ...]
    joined: tuple[str, ...] = ()


@final
class RawTables(Redacted):
    """Tables of private records, and those that are joined to them.

    Args:
        tables: of records.
        joined: tables whose rows belong to records.
        roles: of the columns.
        held: the rows that teachers learn from, where others of these files were drawn for the public sets.
        grows: ``True`` if new records stay private; ``False`` where they may be drawn for the public sets.
    """

    def __init__(
        self,
        tables: Sequence[RawTable],
        joined: Sequence[RawTable],
        roles: Roles,
        held: Collection[Place] | None = None,
        *,
        grows: bool = True,
    ) -> None:
        self._tables = [*tables, *joined]
        self._own = len(tables)
        self._roles = roles
        self._units = self._found(held)
        self._grows = grows
        self._admits = grows and (held is None or roles.unit is None or roles.unit != roles.site)  # a site may be drawn

    @property
    def units(self) -> int:
        """See ``RawRecords``."""
        return len(self._units)

    def changed(self, kind: Kind, unit: int, rng: np.random.Generator) -> Files | None:
        """See ``RawRecords``."""
        draft = _Draft(self._tables)
        ways: dict[Kind, Callable[[_Draft, list[Place], np.random.Generator], bool]] = {
            Kind.WITHDRAWN: self._withdraw,
            Kind.ADDED: self._add,
            Kind.REPLACED: self._replace,
            Kind.RELABELLED: self._relabel,
            Kind.EMPTIED: self._empty,
            Kind.UNLABELLED: lambda draft, own, rng: self._label(draft, own, rng, ("",)),
            Kind.DOUBLED: self._double,
            Kind.RETYPED: lambda draft, own, rng: self._name(draft, own, rng, same=True),
            Kind.RENAMED: lambda draft, own, rng: self._admits and self._name(draft, own, rng, same=False),
            Kind.MOVED: self._move,
            Kind.ABSURD: self._spoil,
            Kind.UNKNOWN: lambda draft, own, rng: self._label(draft, own, rng, UNKNOWN),
            Kind.GIVEN: self._give,
            Kind.TAKEN: self._take,
            Kind.REORDERED: self._reorder,
            Kind.JOINED: self._change_joined,
        }
        if kind not in ways or not ways[kind](draft, self._units[unit], rng):
            return None
        return draft.files()

    def _found(self, held: Collection[Place] | None) -> list[list[Place]]:
        """Positions of each unit's rows; units with a public row are left out."""
        units: dict[str, list[Place]] = {}
        for file, table in enumerate(self._tables[: self._own]):
            rows = [number for number, row in enumerate(table.rows) if any(row)]
            if self._roles.unit is None:
                names: Sequence[str | None] = [f"{file}/{row}" for row in rows]
            else:
                column = table.columns.index(self._roles.unit)
                names = optional_ids([table.rows[row][column] for row in rows]).tolist()
            for row, name in zip(rows, names, strict=True):
                if name is not None:
                    units.setdefault(name, []).append((file, row))
        return [places for places in units.values() if held is None or all(place in held for place in places)]

    def _withdraw(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        for file, row in reversed(own):
            if self._roles.unit is None:
                draft.rows(file)[row] = []
            else:
                del draft.rows(file)[row]
        return True

    def _add(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        if not self._admits:
            return False
        file = own[0][0]
        if self._roles.unit is None:
            _, other = self._two(own, rng)
            name = pick(rng, [name for name in self._roles.features if name in self._tables[file].columns])
            values = {} if other is None or name is None else {name: draft.cell(other, name)}
            draft.rows(file).append(draft.copied(own[0], values))
            return True
        name = str(rng.integers(10**8, 10**9))
        where = int(rng.integers(len(draft.rows(file)) + 1))
        rows = [draft.copied(place, {self._roles.unit: name}) for place in own if place[0] == file]
        draft.rows(file)[where:where] = rows
        return True

    def _replace(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        place, other = self._two(own, rng)
        if other is None:
            return False
        return draft.put(place, draft.copied(other, self._kept(draft, place)))

    def _relabel(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        texts = {draft.cell(places[0], self._roles.label).strip() for places in self._units[:1000]}
        return self._label(draft, own, rng, sorted(texts - {""}))

    def _label(self, draft: _Draft, own: list[Place], rng: np.random.Generator, texts: Sequence[str]) -> bool:
        place = own[int(rng.integers(len(own)))]
        text = pick(rng, [text for text in texts if text != draft.cell(place, self._roles.label).strip()])
        return text is not None and draft.set(place, self._roles.label, text)

    def _empty(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        return self._cell(draft, own, rng, "")

    def _spoil(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        return self._cell(draft, own, rng, ABSURD[int(rng.integers(len(ABSURD)))])

    def _cell(self, draft: _Draft, own: list[Place], rng: np.random.Generator, text: str) -> bool:
        place = own[int(rng.integers(len(own)))]
        name = pick(rng, [name for name in self._roles.features if name in self._tables[place[0]].columns])
        return name is not None and draft.set(place, name, text)

    def _double(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        place, other = self._two(own, rng)
        if self._roles.unit is None:
            return other is not None and draft.put(place, draft.copied(other, {}))
        if not self._grows:
            return False
        draft.rows(place[0]).insert(place[1], draft.copied(place, {}))
        return True

    def _give(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        place, other = self._two(own, rng)
        if self._roles.unit is None or other is None or not self._grows:
            return False
        row = draft.copied(other, self._kept(draft, place))
        draft.rows(place[0]).insert(int(rng.integers(len(draft.rows(place[0])) + 1)), row)
        return True

    def _take(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        if self._roles.unit is None or len(own) < 2:
            return False
        file, row = own[int(rng.integers(len(own)))]
        del draft.rows(file)[row]
        return True

    def _reorder(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        if self._roles.unit is None:
            return False
        for file, row in reversed(own):
            draft.rows(file).append(draft.rows(file).pop(row))
        return True

    def _name(self, draft: _Draft, own: list[Place], rng: np.random.Generator, *, same: bool) -> bool:
        if self._roles.unit is None:
            return False
        new = pick(rng, writings(draft.cell(own[0], self._roles.unit), same=same))
        return new is not None and draft.set_all(own, self._roles.unit, new)

    def _move(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        if self._roles.site is not None:
            if self._roles.site == self._roles.unit:
                return False
            site = self._roles.site
            others = {draft.cell(places[0], site) for places in self._units} - {
                draft.cell(place, site) for place in own
            }
            new = pick(rng, sorted(others))
            return new is not None and draft.set_all(own, site, new)
        there = [n for n in range(self._own) if self._roles.sites[n] != self._roles.sites[own[0][0]]]
        target = pick(rng, there)
        if self._roles.unit is None or target is None:
            return False
        for file, row in reversed(own):
            draft.rows(target).append(draft.rows(file).pop(row))
        return True

    def _change_joined(self, draft: _Draft, own: list[Place], rng: np.random.Generator) -> bool:
        number = pick(rng, range(len(self._roles.joined)))
        if number is None:
            return False
        name, file = self._roles.joined[number], self._own + number
        keys = {draft.cell(place, name) for place in own if name in self._tables[place[0]].columns}
        others = {draft.cell(p, name) for places in self._units if places is not own for p in places}
        rows = [row for row in range(len(draft.rows(file))) if draft.cell((file, row), name) in keys - others]
        row = pick(rng, rows)
        if row is None:
            return False
        if rng.random() < 0.5:
            del draft.rows(file)[row]
            return True
        feature = pick(rng, [column for column in self._tables[file].columns if column in self._roles.features])
        return feature is not None and draft.set((file, row), feature, ABSURD[int(rng.integers(len(ABSURD)))])

    def _kept(self, draft: _Draft, place: Place) -> dict[str, str]:
        """The unit and the site of a row."""
        names = (self._roles.unit, self._roles.site)
        return {name: draft.cell(place, name) for name in names if name is not None}

    def _two(self, own: list[Place], rng: np.random.Generator) -> tuple[Place, Place | None]:
        """One of the unit's rows, and one of another unit in the same file."""
        place = own[int(rng.integers(len(own)))]
        for number in rng.permutation(len(self._units))[:100].tolist():
            other = self._units[number][0]
            if other[0] == place[0] and other not in own:
                return place, other
        return place, None


class _Draft(Redacted):
    """Tables being changed; a table is copied on its first write."""

    def __init__(self, tables: Sequence[RawTable]) -> None:
        self._tables = tables
        self._changed: dict[int, list[Row]] = {}

    def rows(self, file: int) -> list[Row]:
        """The writable rows of a file."""
        if file not in self._changed:
            self._changed[file] = list(self._tables[file].rows)
        return self._changed[file]

    def cell(self, place: Place, name: str) -> str:
        """Value of a cell before the change."""
        row = self._tables[place[0]].rows[place[1]]
        return row[self._tables[place[0]].columns.index(name)] if row else ""

    def copied(self, place: Place, values: dict[str, str]) -> Row:
        """A row with other values in some columns."""
        row = list(self._tables[place[0]].rows[place[1]])
        for name, value in values.items():
            row[self._tables[place[0]].columns.index(name)] = value
        return row

    def set(self, place: Place, name: str, value: str) -> bool:
        """Write a cell; return ``True`` if the value changed."""
        return self.put(place, self.copied(place, {name: value}))

    def set_all(self, places: Sequence[Place], name: str, value: str) -> bool:
        """Write a cell of several rows; return ``True`` if each value changed."""
        written = [self.set(place, name, value) for place in places]
        return all(written)

    def put(self, place: Place, row: Row) -> bool:
        """Write a row; return ``True`` if it changed."""
        self.rows(place[0])[place[1]] = row
        return row != self._tables[place[0]].rows[place[1]]

    def files(self) -> dict[Path, bytes]:
        """The files that are changed."""
        return {self._tables[n].path: self._tables[n].content(rows) for n, rows in self._changed.items()}

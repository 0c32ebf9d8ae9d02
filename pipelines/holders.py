"""Who holds the private records: this process, or the sites, whose records never leave them.

A holder knows which teacher belongs to which site and gives each bundle of teachers a *source*: a description that is
loaded inside the task. What the driver learns of records at sites is one survey of each: how many privacy units each
hospital has, their keyed hashes, and a fingerprint. Teachers are dealt from the sizes alone, the same ones as where all
records are here. Places are node labels; a place may hold several hospitals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import numpy as np

from pate.data import Partition, PrivateRecords
from pate.data.partition import deal_sites
from pate.errors import InputError, expected
from pate.ledger.keys import LedgerKey
from pate.values import Redacted
from pipelines.bundles import RecordSource, SentRecords
from pipelines.site_records import Place, Share, SiteRecords, Survey


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Units(Redacted):
    """The privacy units of a body of data, as keyed hashes.

    Attributes:
        count: how many there are.
        known_by: by what they are known again under another name.
    """

    count: int
    known_by: list[bytes]


def units_of(records: PrivateRecords, key: LedgerKey) -> Units:
    """The units of records that this process holds."""
    return Units(count=len(set(records.unit_keys())), known_by=key.units(records.known_by()))


class Holder(Protocol):
    """Whoever holds the private records."""

    @property
    def teachers(self) -> int:
        """How many teachers there are."""
        ...

    @property
    def mark(self) -> str:
        """What tells this body of records at sites from another, without saying what it holds."""
        ...

    def places(self) -> list[str | None]:
        """For each teacher the site whose nodes hold its records; ``None``: its records are sent to it."""
        ...

    def source(self, teachers: Sequence[int]) -> RecordSource:
        """Where the records of some teachers of one place are."""
        ...

    def units(self, key: LedgerKey) -> Units:
        """The privacy units, for the ledger."""
        ...


@final
class HeldHere(Redacted):
    """This process holds the records and sends each task those of its teachers."""

    def __init__(self, records: PrivateRecords, parts: Partition) -> None:
        self._records = records
        self._parts = parts
        self.teachers = parts.teachers
        self.mark = "here"

    def places(self) -> list[str | None]:
        """See ``Holder``."""
        return [None] * self.teachers

    def source(self, teachers: Sequence[int]) -> SentRecords:
        """See ``Holder``."""
        rows = [self._parts.rows(teacher) for teacher in teachers]
        return SentRecords(partitions=[(self._records.features[row], self._records.labels_N[row]) for row in rows])

    def units(self, key: LedgerKey) -> Units:
        """See ``Holder``."""
        return units_of(self._records, key)


@final
class HeldAtSites(Redacted):
    """The sites hold the records; a task reads those of its teachers on a node of their site.

    Args:
        surveys: one of each place, in the order of the configuration.
        places: what a task needs to read a place's records.
        teachers: how many.
        seed: of the deal.
        group_size: the most partitions that one privacy unit may sit in.

    Raises:
        InputError: a hospital at two places, a unit in more partitions than declared, or a deal that cannot be made.
    """

    def __init__(
        self, surveys: Sequence[Survey], places: Sequence[Place], *, teachers: int, seed: int, group_size: int
    ) -> None:
        self._surveys = list(surveys)
        self._place = {place.name: place for place in places}
        self.teachers = teachers
        self.mark = hashlib.sha256("".join(survey.fingerprint for survey in surveys).encode()).hexdigest()[:8]
        hospitals = [name for survey in surveys for name in survey.hospitals]
        if len(set(hospitals)) < len(hospitals):
            raise expected("each hospital at one site", "give all its files the same site", sites=len(surveys))
        sizes = np.array([len(units) for survey in surveys for units in survey.units], dtype=np.int64)
        self._teacher_of_group = deal_sites(sizes, teachers=teachers, seed=seed)
        self.partitions_per_unit = self._require_group_size(group_size)

    @cached_property
    def _shares(self) -> list[tuple[str, Share]]:
        """For each teacher its place, and which groups of which hospital are its own."""
        found: list[tuple[str, Share]] = [("", Share(hospital=0, groups=()))] * self.teachers
        number = 0
        for survey in self._surveys:
            for hospital in range(len(survey.hospitals)):
                dealt = self._teacher_of_group[number]
                for teacher in np.unique(dealt).tolist():
                    groups = tuple(np.flatnonzero(dealt == teacher).tolist())
                    found[teacher] = (survey.place, Share(hospital=hospital, groups=groups))
                number += 1
        return found

    def places(self) -> list[str | None]:
        """See ``Holder``."""
        return [place for place, _ in self._shares]

    def source(self, teachers: Sequence[int]) -> SiteRecords:
        """See ``Holder``."""
        (place,) = {self._shares[teacher][0] for teacher in teachers}
        (survey,) = (survey for survey in self._surveys if survey.place == place)
        return SiteRecords(
            place=self._place[place],
            salt=survey.salt,
            fingerprint=survey.fingerprint,
            shares=tuple(self._shares[teacher][1] for teacher in teachers),
        )

    def units(self, key: LedgerKey) -> Units:
        """See ``Holder``; the hashes were made at the sites, under the same key."""
        different = {unit for survey in self._surveys for units in survey.units for unit in units}
        return Units(count=len(different), known_by=[mark for survey in self._surveys for mark in survey.known_by])

    def _require_group_size(self, group_size: int) -> int:
        """The most partitions that one unit sits in, over all sites, by its keyed hash."""
        held: dict[bytes, set[int]] = {}
        units = (units for survey in self._surveys for units in survey.units)
        for dealt, names in zip(self._teacher_of_group, units, strict=True):
            for unit, teacher in zip(names, dealt.tolist(), strict=True):
                held.setdefault(unit, set()).add(teacher)
        crossing = [unit for unit, teachers in held.items() if len(teachers) > group_size]
        worst = max(len(teachers) for teachers in held.values())
        if crossing:
            raise InputError(
                f"Expected each privacy unit in at most partition.group_size={group_size} partitions, got "
                f"{len(crossing)} units in up to {worst}, at different sites; let one site keep each, or declare "
                f"partition.group_size: {worst} (the privacy cost grows accordingly)",
                private_detail="keyed hashes of units in several partitions: "
                + ", ".join(hashlib.sha256(unit).hexdigest()[:16] for unit in crossing),
            )
        return worst

"""Who holds the private records: this process, or the sites, whose records never leave them.

A holder knows which teacher belongs to which site and gives each bundle of teachers a *source*: a description that is
loaded inside the task. What the driver learns of records at sites is one survey of each: the keyed hashes of its
privacy units with the teacher of each, and a fingerprint. Units are dealt where their records are, by the rule that
holds everywhere. Places are node labels; in a rehearsal a place may play several hospitals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from pate.data import Partition, PrivateRecords
from pate.data.partition import most_partitions
from pate.data.private_side import private_side
from pate.ledger.keys import LedgerKey
from pate.values import Redacted
from pipelines.teachers.bundles import RecordSource, SentRecords
from pipelines.teachers.site_records import Place, SiteRecords, Survey


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Units(Redacted):
    """The privacy units of a body of data, as keyed hashes.

    Attributes:
        known_by: by what they are known again under another name.
    """

    known_by: list[bytes]


def units_of(records: PrivateRecords, key: LedgerKey) -> Units:
    """The units of records that this process holds."""
    return Units(known_by=key.units(records.known_by()))


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
        places: what a task needs to read a place's records, with its teachers.
        group_size: the most partitions that one privacy unit may sit in.

    Raises:
        RecordsRefused: a unit in more partitions than declared.
    """

    def __init__(self, surveys: Sequence[Survey], places: Sequence[Place], *, group_size: int) -> None:
        self._surveys = list(surveys)
        self._place = {place.name: place for place in places}
        self._at = {
            teacher: place.name
            for place in places
            for share in place.shares
            for teacher in range(share.first, share.first + share.teachers)
        }
        self.teachers = len(self._at)
        self.mark = hashlib.sha256("".join(survey.fingerprint for survey in surveys).encode()).hexdigest()[:8]
        units = [unit for survey in surveys for unit in survey.units[: len(survey.teachers)]]
        teachers = np.array([teacher for survey in surveys for teacher in survey.teachers], dtype=np.int64)
        with private_side():
            self.partitions_per_unit = most_partitions(
                units, teachers, group_size, lambda row: "keyed hash " + hashlib.sha256(units[row]).hexdigest()[:16]
            )

    def places(self) -> list[str | None]:
        """See ``Holder``."""
        return [self._at[teacher] for teacher in range(self.teachers)]

    def source(self, teachers: Sequence[int]) -> SiteRecords:
        """See ``Holder``."""
        (place,) = {self._at[teacher] for teacher in teachers}
        (survey,) = (survey for survey in self._surveys if survey.place == place)
        return SiteRecords(
            place=self._place[place],
            salt=survey.salt,
            fingerprint=survey.fingerprint,
            teachers=tuple(teachers),
        )

    def units(self, key: LedgerKey) -> Units:
        """See ``Holder``; the hashes were made at the sites, under the same key."""
        return Units(known_by=[mark for survey in self._surveys for mark in survey.known_by])

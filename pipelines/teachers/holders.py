"""The holder of the private records: this process, or the sites, whose records never leave them.

A holder maps teachers to sites and gives each bundle of teachers a *source*: a description that is
loaded inside the task. For records at sites, the driver receives one survey of each site: the keyed hashes of its
privacy units with the teacher of each, and a fingerprint. Units are assigned at their sites, by the common rule. A site
is a node label; in a rehearsal one site may represent several hospitals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from pate.data import Partition, PrivateRecords
from pate.data.files.stored_images import StoredImages
from pate.data.partition import most_partitions
from pate.data.private_side import private_side
from pate.ledger.keys import LedgerKey
from pate.values import Redacted
from pipelines.teachers.bundles import RecordSource, SentRecords
from pipelines.teachers.site_records import SiteReader, SiteRecords, Survey


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Units(Redacted):
    """The privacy units of a data set, as keyed hashes.

    Attributes:
        known_by: hashes that identify these records in another account.
    """

    known_by: list[bytes]


def units_of(records: PrivateRecords, key: LedgerKey) -> Units:
    """Return the units of records that this process holds."""
    return Units(known_by=key.units(records.known_by()))


class Holder(Protocol):
    """A holder of private records."""

    @property
    def teachers(self) -> int:
        """Number of teachers."""
        ...

    @property
    def fingerprint(self) -> str:
        """Opaque fingerprint of records at sites, which reveals nothing about them."""
        ...

    def sites(self) -> list[str | None]:
        """Return for each teacher the site whose nodes hold its records; ``None``: its records are sent to it."""
        ...

    def source(self, teachers: Sequence[int]) -> RecordSource:
        """Return the source of the records of some teachers of one site."""
        ...

    def units(self, key: LedgerKey) -> Units:
        """Return the privacy units, for the ledger."""
        ...


@final
class HeldHere(Redacted):
    """This process holds the records and sends each task those of its teachers."""

    def __init__(self, records: PrivateRecords, parts: Partition) -> None:
        self._records = records
        self._parts = parts
        self.teachers = parts.teachers
        self.fingerprint = "here"

    def sites(self) -> list[str | None]:
        """See ``Holder``."""
        return [None] * self.teachers

    def source(self, teachers: Sequence[int]) -> SentRecords:
        """See ``Holder``."""
        rows = [self._parts.rows(teacher) for teacher in teachers]
        features, labels_N = self._records.features, self._records.labels_N
        if isinstance(features, StoredImages):
            return SentRecords(records=[(features.packed(row), labels_N[row]) for row in rows])
        return SentRecords(records=[(features[row], labels_N[row]) for row in rows])

    def units(self, key: LedgerKey) -> Units:
        """See ``Holder``."""
        return units_of(self._records, key)


@final
class HeldAtSites(Redacted):
    """The sites hold the records; a task reads those of its teachers on a node of their site.

    Args:
        surveys: one of each site, in the order of the configuration.
        readers: of the sites, in the same order; each knows its teachers.
        group_size: the most partitions that one privacy unit may be in.

    Raises:
        RecordsRefused: a unit in more partitions than declared.
    """

    def __init__(self, surveys: Sequence[Survey], readers: Sequence[SiteReader], *, group_size: int) -> None:
        self._surveys = list(surveys)
        self._reader = {reader.site: reader for reader in readers}
        self._at = {
            teacher: reader.site
            for reader in readers
            for share in reader.shares
            for teacher in range(share.first, share.first + share.teachers)
        }
        self.teachers = len(self._at)
        self.fingerprint = hashlib.sha256("".join(survey.fingerprint for survey in surveys).encode()).hexdigest()[:8]
        units = [unit for survey in surveys for unit in survey.units[: len(survey.teachers)]]
        teachers = np.array([teacher for survey in surveys for teacher in survey.teachers], dtype=np.int64)
        with private_side():
            self.partitions_per_unit = most_partitions(
                units, teachers, group_size, lambda row: "keyed hash " + hashlib.sha256(units[row]).hexdigest()[:16]
            )

    def sites(self) -> list[str | None]:
        """See ``Holder``."""
        return [self._at[teacher] for teacher in range(self.teachers)]

    def source(self, teachers: Sequence[int]) -> SiteRecords:
        """See ``Holder``."""
        (site,) = {self._at[teacher] for teacher in teachers}
        (survey,) = (survey for survey in self._surveys if survey.site == site)
        return SiteRecords(
            reader=self._reader[site],
            salt=survey.salt,
            fingerprint=survey.fingerprint,
            teachers=tuple(teachers),
        )

    def units(self, key: LedgerKey) -> Units:
        """See ``Holder``; the hashes were made at the sites, under the same key."""
        return Units(known_by=[known for survey in self._surveys for known in survey.known_by])

"""Records at their site: surveyed once, read again by each training worker.

These functions run in tasks on the site's nodes. A survey sends keyed hashes to the driver; records are only ever
handed to the training in the same process. An error about records is one sentence, the same at every site.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from pate.arrays import IdArray, IntArray
from pate.data import PrivateRecords
from pate.data.partition import SiteShare, deal
from pate.data.private_side import private_side
from pate.data.records import require_fitting
from pate.errors import RecordsRefused, expected
from pate.ledger.keys import hash_units
from pate.teachers import TeacherRecords
from pipelines.config.experiment import Config
from pipelines.data.fingerprints import fingerprint_with_positions
from pipelines.data.sources import equal_records, load_records, load_study
from pipelines.storage.incidents import write_shared_units, write_unknown_values

_found: dict[str, tuple[PrivateRecords, IntArray]] = {}
"""Cache of the records that this worker has read, and the teacher of each, by their salted fingerprint."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReader:
    """Reads the records of one site, on one of its nodes.

    Attributes:
        site: value of the label of its nodes.
        config: the experiment.
        classes: names of the classes.
        input_shape: shape of one input.
        encoding: for tables, how columns become features.
        shares: the teachers of the hospitals of this site.
        rehearsal: ``True`` if the site represents hospitals of a public set; else its files are those of one hospital.
        public_units: keys of the units of the public files, whose records are not used.
    """

    site: str
    config: Config
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    encoding: str | None
    shares: tuple[SiteShare, ...]
    rehearsal: bool = False
    public_units: tuple[str, ...] = ()

    def read(self) -> PrivateRecords:
        """Return the records, with the units that are protected.

        Raises:
            RecordsRefused: they cannot be read, or do not fit the study.
        """
        return self.protected(self.found())

    def protected(self, found: PrivateRecords) -> PrivateRecords:
        """Return records whose unit is the hospital, where whole hospitals are protected."""
        whole = self.config.sites is not None and self.config.sites.protects == "site"
        return replace(found, units_N=found.sites_N) if whole else found

    def found(self) -> PrivateRecords:
        """Return the records with the units that they come with.

        Raises:
            RecordsRefused: they cannot be read, or do not fit the study.
        """
        with private_side():
            if self.rehearsal:
                found = _only(load_study(self.config).held_here, [share.site for share in self.shares])
            else:
                found = load_records(
                    self.config,
                    site=self.site,
                    encoding=self.encoding,
                    classes=self.classes,
                    public_units=self.public_units,
                )
            require_fitting(found, self.input_shape, len(self.classes))
            return replace(found, sites_N=_hospitals(found))

    def deal(self, records: PrivateRecords) -> IntArray:
        """Return the teacher of each of its records. Shape ``[N]``.

        Raises:
            RecordsRefused: a record of a hospital that is not of this site.
        """
        with private_side():
            config = self.config
            return deal(records, teachers=config.partition.teachers, seed=config.seed, sites=self.shares)


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Survey:
    """A site's report to the driver. Private; it holds no record.

    Attributes:
        site: its name.
        salt: of the fingerprint.
        fingerprint: of all its records, salted.
        units: keyed hashes of its privacy units, one for each teacher of a unit.
        teachers: that teacher, for each of ``units``.
        known_by: keyed hashes that identify these records in another account.
    """

    site: str
    salt: bytes
    fingerprint: str
    units: list[bytes]
    teachers: list[int]
    known_by: list[bytes]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain JSON."""
        return {
            "place": self.site,
            "salt": self.salt.hex(),
            "fingerprint": self.fingerprint,
            "units": b"".join(self.units).hex(),
            "teachers": self.teachers,
            "known_by": b"".join(self.known_by).hex(),
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Survey:
        """Read what ``to_dict`` wrote, or an earlier pate, which listed each hospital's units in their order."""
        by_hospital = isinstance(row["units"], list)
        units = [unit for text in row["units"] for unit in _hashes(text)] if by_hospital else _hashes(row["units"])
        return cls(
            site=row["place"],
            salt=bytes.fromhex(row["salt"]),
            fingerprint=row["fingerprint"],
            units=units,
            teachers=row.get("teachers", []),
            known_by=_hashes(row["known_by"]),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SiteRecords:
    """Records of some teachers of one site; loaded on a node of that site.

    Attributes:
        reader: of the site.
        salt: of the fingerprint.
        fingerprint: of all records of the site when it was surveyed.
        teachers: their numbers.
    """

    reader: SiteReader
    salt: bytes
    fingerprint: str
    teachers: tuple[int, ...]

    def load(self) -> list[TeacherRecords]:
        """Load inputs and labels of each teacher.

        Raises:
            RecordsRefused: the records are not those that were surveyed.
        """
        records, teacher_N = _read(self.reader, self.salt, self.fingerprint)
        rows = [np.flatnonzero(teacher_N == teacher) for teacher in self.teachers]
        return [(records.features[row], records.labels_N[row]) for row in rows]


def survey(reader: SiteReader, key: bytes, salt: bytes) -> Survey:
    """Survey the records of a site, on one of its nodes.

    Args:
        reader: of the site.
        key: the ledger's, under which units are hashed.
        salt: of the fingerprint.
    """
    found = reader.found()
    if reader.config.sites is not None and reader.public_units:
        left_out = () if found.origin is None else found.origin.left_out
        write_shared_units(reader.config.sites.folder, reader.config.run_id, left_out)
    if reader.config.sites is not None and reader.encoding is not None:
        unknown = () if found.origin is None else found.origin.unknown
        write_unknown_values(reader.config.sites.folder, reader.config.run_id, unknown)
    records = reader.protected(found)
    teacher_N = reader.deal(records)
    apart = equal_records(reader.config, benchmark=reader.rehearsal) == "different_units"
    names = records.identities(positions=apart)
    held = sorted(set(zip(hash_units(key, names), teacher_N.tolist(), strict=True)))
    return Survey(
        site=reader.site,
        salt=salt,
        fingerprint=_salted(salt, records),
        units=[unit for unit, _ in held],
        teachers=[teacher for _, teacher in held],
        known_by=sorted(set(hash_units(key, (*records.known_by(), *found.known_by())))),
    )


def _read(reader: SiteReader, salt: bytes, fingerprint: str) -> tuple[PrivateRecords, IntArray]:
    """Read the records once in each worker, however many bundles it trains."""
    if fingerprint in _found:
        return _found[fingerprint]
    records = reader.read()
    if _salted(salt, records) != fingerprint:
        raise RecordsRefused(
            f"Expected the records of site {reader.site} as when the run began, got others; restore them, or start a "
            "new run under another name or seed"
        )
    _found.clear()
    _found[fingerprint] = records, reader.deal(records)
    return _found[fingerprint]


def _salted(salt: bytes, records: PrivateRecords) -> str:
    return hashlib.sha256(salt + fingerprint_with_positions(records).encode()).hexdigest()


def _only(records: PrivateRecords, hospitals: list[str]) -> PrivateRecords:
    return records.take(np.flatnonzero(np.isin(_hospitals(records), hospitals)))


def _hospitals(records: PrivateRecords) -> IdArray:
    if records.sites_N is None:
        raise expected("a hospital of each record", "declare data.site, or a site for each of data.private_files")
    return records.sites_N


def _hashes(text: str) -> list[bytes]:
    content = bytes.fromhex(text)
    return [content[start : start + 32] for start in range(0, len(content), 32)]

"""What happens to records at their site: surveyed once, read again by each worker that trains on them.

These functions run in tasks on the site's nodes. A survey sends sizes and keyed hashes to the driver; records are
only ever handed to the training in the same process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from pate.data import PrivateRecords
from pate.data.partition import first_appearance
from pate.data.records import FloatArray, IdArray, IntArray, require_classes
from pate.errors import InputError, expected
from pate.ledger.keys import hash_units
from pipelines.config import Config
from pipelines.sources import fingerprint_of, load_records, load_study

_found: dict[str, tuple[PrivateRecords, IntArray, IntArray]] = {}
"""What this worker has read, by its salted fingerprint."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is needed to read the records of a place.

    Attributes:
        name: value of the label of its nodes.
        config: the experiment.
        classes: names of the classes.
        input_shape: shape of one input.
        encoding: for tables, how columns become features.
        hospitals: in a rehearsal on a public set, the hospitals that it plays; else its files say.
    """

    name: str
    config: Config
    classes: tuple[str, ...]
    input_shape: tuple[int, ...]
    encoding: str | None
    hospitals: tuple[str, ...] | None = None

    def read(self) -> PrivateRecords:
        """The records, on a node of the place.

        Raises:
            InputError: they cannot be read, or do not fit the study; counts in public, rows in the private detail.
        """
        if self.hospitals is None:
            found = load_records(self.config, place=self.name, encoding=self.encoding, classes=self.classes)
        else:
            found = _only(load_study(self.config).held_here, self.hospitals)
        require_classes("private", found.labels_N, len(self.classes))
        if found.features.shape[1:] != self.input_shape:
            raise expected(f"inputs of shape {list(self.input_shape)}, as the pool's", "use one format", site=self.name)
        sites_N = _sites(found)
        whole = self.config.sites is not None and self.config.sites.protects == "site"
        return PrivateRecords(
            features=found.features,
            labels_N=found.labels_N,
            units_N=sites_N if whole else found.units_N,
            sites_N=sites_N,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Survey:
    """What a place tells the driver. Private; it holds no record.

    Attributes:
        place: its name.
        salt: of the fingerprint.
        fingerprint: of all its records, salted.
        hospitals: their names, in order of first appearance.
        units: for each hospital the keyed hashes of its privacy units, in order of first appearance.
        known_by: keyed hashes by which the records are known again under another name.
    """

    place: str
    salt: bytes
    fingerprint: str
    hospitals: list[str]
    units: list[list[bytes]]
    known_by: list[bytes]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "place": self.place,
            "salt": self.salt.hex(),
            "fingerprint": self.fingerprint,
            "hospitals": self.hospitals,
            "units": [b"".join(units).hex() for units in self.units],
            "known_by": b"".join(self.known_by).hex(),
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Survey:
        """What ``to_dict`` wrote."""
        return cls(
            place=row["place"],
            salt=bytes.fromhex(row["salt"]),
            fingerprint=row["fingerprint"],
            hospitals=row["hospitals"],
            units=[_hashes(units) for units in row["units"]],
            known_by=_hashes(row["known_by"]),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The records of one teacher: some privacy units of one hospital of its place, by number."""

    hospital: int
    groups: tuple[int, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SiteRecords:
    """Records of some teachers of one place; loaded on a node of that place.

    Attributes:
        place: where.
        salt: of the fingerprint.
        fingerprint: of all records of the place when it was surveyed.
        shares: one for each teacher.
    """

    place: Place
    salt: bytes
    fingerprint: str
    shares: tuple[Share, ...]

    def load(self) -> list[tuple[FloatArray, IntArray]]:
        """Inputs and labels of each teacher.

        Raises:
            InputError: the records are not those that were surveyed.
        """
        records, hospital_N, group_N = _read(self.place, self.salt, self.fingerprint)
        rows = [
            np.flatnonzero((hospital_N == share.hospital) & np.isin(group_N, np.array(share.groups)))
            for share in self.shares
        ]
        return [(records.features[row], records.labels_N[row]) for row in rows]


def survey(place: Place, key: bytes, salt: bytes) -> Survey:
    """Look through the records of a place, on one of its nodes.

    Args:
        place: where.
        key: the ledger's, under which units are hashed.
        salt: of the fingerprint.
    """
    records = place.read()
    names, hospital_N, group_N = _groups(records)
    marks = hash_units(key, records.unit_keys())
    units: list[list[bytes]] = []
    for hospital in range(len(names)):
        rows = np.flatnonzero(hospital_N == hospital)
        first = rows[np.unique(group_N[rows], return_index=True)[1]]
        units.append([marks[row] for row in first])
    return Survey(
        place=place.name,
        salt=salt,
        fingerprint=_salted(salt, records),
        hospitals=names,
        units=units,
        known_by=sorted(set(hash_units(key, records.known_by()))),
    )


def _groups(records: PrivateRecords) -> tuple[list[str], IntArray, IntArray]:
    """Names of the hospitals, and for each record its hospital and its privacy unit's number there."""
    sites_N = _sites(records)
    hospital_N = first_appearance(sites_N.tolist())
    names = [str(sites_N[row]) for row in np.unique(hospital_N, return_index=True)[1]]
    keys = records.unit_keys()
    group_N = np.empty(len(records), dtype=np.int64)
    for hospital in range(len(names)):
        rows = np.flatnonzero(hospital_N == hospital)
        group_N[rows] = first_appearance([keys[row] for row in rows])
    return names, hospital_N, group_N


def _read(place: Place, salt: bytes, fingerprint: str) -> tuple[PrivateRecords, IntArray, IntArray]:
    """Once in each worker, however many bundles it trains."""
    if fingerprint in _found:
        return _found[fingerprint]
    records = place.read()
    if _salted(salt, records) != fingerprint:
        raise InputError(
            f"Expected the records of site {place.name} as when the run began, got others; restore them, or start a "
            "new run under another name or seed"
        )
    _, hospital_N, group_N = _groups(records)
    _found.clear()
    _found[fingerprint] = records, hospital_N, group_N
    return _found[fingerprint]


def _salted(salt: bytes, records: PrivateRecords) -> str:
    return hashlib.sha256(salt + fingerprint_of(records).encode()).hexdigest()


def _only(records: PrivateRecords, hospitals: tuple[str, ...]) -> PrivateRecords:
    rows = np.flatnonzero(np.isin(_sites(records), hospitals))
    return PrivateRecords(
        features=records.features[rows],
        labels_N=records.labels_N[rows],
        units_N=None if records.units_N is None else records.units_N[rows],
        sites_N=_sites(records)[rows],
    )


def _sites(records: PrivateRecords) -> IdArray:
    if records.sites_N is None:
        raise expected("a hospital of each record", "declare data.site, or a site for each of data.private_files")
    return records.sites_N


def _hashes(text: str) -> list[bytes]:
    content = bytes.fromhex(text)
    return [content[start : start + 32] for start in range(0, len(content), 32)]

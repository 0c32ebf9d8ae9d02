"""Disjoint partitions: which teacher learns from which record.

The teacher of a privacy unit follows from the seed and its id alone; where records carry no ids, from the seed and the
record's position in its file. No other record, label or count is used, and nothing is dropped before, so
withdrawing, adding or altering the records of one id (or altering the record at one position) changes the records of
one teacher and leaves all others as they were. Sizes of partitions differ by chance, and one may be empty.

Sites share the teachers by public numbers; see ``site_shares``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from pate.arrays import IntArray
from pate.data.ids import match_keys
from pate.data.records import PrivateRecords
from pate.errors import InputError, expected
from pate.randomness import generator
from pate.values import Redacted

By: TypeAlias = Literal["random", "unit", "site"]

DETAILS = 1000
"""Most units that an incident lists."""
RULE = 2
"""Version of the assignment rule; stored with a run's teachers, since one rule must have assigned all of their
records."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SiteShare:
    """The teachers of one site: ``first, .., first + teachers - 1``. Public."""

    site: str
    first: int
    teachers: int


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Partition(Redacted):
    """One assignment vector, so that overlap cannot be expressed.

    Attributes:
        teacher_of_N: the teacher that each record belongs to, in ``[0, teachers)``. Shape ``[N]``.
        teachers: number of teachers; one may hold no record, and then abstains.
        partitions_per_unit: the most partitions that one privacy unit is in (1 unless units cross sites).
    """

    teacher_of_N: IntArray
    teachers: int
    partitions_per_unit: int

    def __post_init__(self) -> None:
        if len(self.teacher_of_N) and not 0 <= self.teacher_of_N.min() <= self.teacher_of_N.max() < self.teachers:
            raise expected("teachers in 0..teachers-1", "assign the records again", teachers=self.teachers)

    def rows(self, teacher: int) -> IntArray:
        """The records of one teacher, in file order."""
        return np.flatnonzero(self.teacher_of_N == teacher)

    def manifest(self, records: PrivateRecords) -> str:
        """Private JSON: for each teacher the number of its records and a hash of their content."""
        keys = records.content_keys()
        parts = []
        for teacher in range(self.teachers):
            rows = self.rows(teacher)
            digest = hashlib.sha256(b"".join(keys[row] for row in rows)).hexdigest()
            parts.append({"teacher": teacher, "records": len(rows), "sha256": digest})
        return json.dumps({"teachers": self.teachers, "partitions": parts}, indent=1)


def site_shares(
    names: Sequence[str], *, teachers: int, declared: Mapping[str, int] | None = None
) -> tuple[SiteShare, ...]:
    """Divide the teachers among sites: as declared, else evenly, the first sites one more where they do not divide.

    Sizes of sites are private and not used.

    Args:
        names: of the sites, in order; public.
        teachers: of all sites.
        declared: teachers of each site; must sum to all of them.

    Raises:
        InputError: fewer teachers than sites, a site named twice, or declared numbers that do not sum.
    """
    if len(set(names)) < len(names) or not names:
        raise expected("different sites, one or more", "name each site once", sites=len(names))
    if teachers < len(names):
        raise expected("a teacher for every site", "raise partition.teachers", teachers=teachers, sites=len(names))
    each, more = divmod(teachers, len(names))
    counts = {name: each + (number < more) for number, name in enumerate(names)} if declared is None else declared
    if set(counts) != set(names) or min(counts.values()) < 1 or sum(counts.values()) != teachers:
        raise expected(
            "partition.sites to give every site a teacher or more, and partition.teachers in all",
            "correct the numbers",
            teachers=teachers,
            declared=sum(counts.values()),
        )
    first = np.cumsum([0, *(counts[name] for name in names)]).tolist()
    return tuple(SiteShare(site=name, first=first[n], teachers=counts[name]) for n, name in enumerate(names))


def partition(
    records: PrivateRecords,
    *,
    teachers: int,
    by: By,
    seed: int,
    group_size: int = 1,
    sites: Sequence[SiteShare] | None = None,
    label_skew: float | None = None,
    equal_records: Literal["refuse", "different_units"] = "refuse",
) -> Partition:
    """Assign the records to teachers, all records of a privacy unit (at one site) to one teacher.

    Args:
        records: the private records.
        teachers: number of partitions.
        by: ``random`` assigns by unit id where there are ids and by position otherwise; ``unit`` requires ids; ``site``
            keeps each teacher within one site.
        seed: of the assignment.
        group_size: the most partitions that one unit may be in; the campaign is then charged for as many votes.
        sites: with ``by="site"``, the sites and their teachers, from public knowledge.
        label_skew: for simulations on public benchmarks: concentration of a Dirichlet law over teachers per class;
            small is skewed. The assignment then depends on all labels, so there is no guarantee.
        equal_records: without ids, equal records with several teachers are refused as one unit entered twice, or
            declared to be different units by the owner.

    Raises:
        InputError: missing ids or sites, a record of a site that is not listed, or a unit in more partitions than
            declared.
    """
    if by == "unit" and records.units_N is None:
        raise expected("unit ids for partition.by='unit'", "declare the unit column or use by='random'")
    if (by == "site") != (sites is not None):
        raise expected("sites exactly with partition.by='site'", "list them", by=by)
    if label_skew is None:
        teacher_of_N = deal(records, teachers=teachers, seed=seed, sites=sites)
    else:
        teacher_of_N = _deal_skewed(records, teachers, label_skew, generator(seed, "partition"))
    apart = equal_records == "different_units" or label_skew is not None
    worst = most_partitions(records.identities(positions=apart), teacher_of_N, group_size, records.name_of)
    return Partition(teacher_of_N=teacher_of_N, teachers=teachers, partitions_per_unit=worst)


def deal(records: PrivateRecords, *, teachers: int, seed: int, sites: Sequence[SiteShare] | None = None) -> IntArray:
    """The teacher of each record, from the seed, its site and its unit's id or its position alone. Shape ``[N]``.

    Raises:
        InputError: a record without a site, or of one that is not listed.
    """
    if sites is None:
        return _dealt(records, np.arange(len(records)), 0, teachers, seed)
    if records.sites_N is None:
        raise expected("sites for partition.by='site'", "declare the site column or use by='random'")
    teacher_of_N = np.full(len(records), -1, dtype=np.int64)
    for share in sites:
        rows = np.flatnonzero(records.sites_N == share.site)
        teacher_of_N[rows] = _dealt(records, rows, share.first, share.teachers, seed)
    if (teacher_of_N < 0).any():
        raise InputError(
            "Expected records of the listed sites, got others; list all in partition.sites or correct the records",
            private_detail="sites: " + ", ".join(sorted(set(records.sites_N[teacher_of_N < 0].tolist()))),
        )
    return teacher_of_N


def _dealt(records: PrivateRecords, rows: IntArray, first: int, teachers: int, seed: int) -> IntArray:
    """Teachers ``first .. first + teachers - 1`` of some rows."""
    if not len(rows):
        return rows
    if records.units_N is not None:
        names, unit_N = np.unique(match_keys(records.units_N[rows]), return_inverse=True)
        return first + np.array([_place(seed, name, teachers) for name in names.tolist()], dtype=np.int64)[unit_N]
    positions_N = records.positions()[rows]
    blocks, block_N = np.unique(positions_N // teachers, return_inverse=True)
    teacher_of_N = np.empty(len(rows), dtype=np.int64)
    order = np.argsort(block_N, kind="stable")
    starts = np.searchsorted(block_N[order], np.arange(1, len(blocks)))
    for block, own in zip(blocks.tolist(), np.split(order, starts), strict=True):
        shuffled = generator(seed, "partition", "position", block).permutation(teachers)
        teacher_of_N[own] = first + shuffled[positions_N[own] % teachers]
    return teacher_of_N


def _place(seed: int, unit: str, teachers: int) -> int:
    """Uniform up to ``teachers / 2^128``."""
    digest = hashlib.sha256(f"{seed}/partition/unit/{unit}".encode()).digest()
    return int.from_bytes(digest[:16], "big") % teachers


def most_partitions(
    identities: Sequence[bytes], teacher_of_N: IntArray, group_size: int, name_of: Callable[[int], str]
) -> int:
    """The most partitions that one identity is in.

    Args:
        identities: of each record's privacy unit; see ``PrivateRecords.identities``. Length N.
        teacher_of_N: of each record.
        group_size: the most that is declared.
        name_of: gives the name of a record's unit in the incident.

    Raises:
        InputError: more than declared.
    """
    held: dict[bytes, set[int]] = {}
    first: dict[bytes, int] = {}
    for row, (identity, teacher) in enumerate(zip(identities, teacher_of_N.tolist(), strict=True)):
        held.setdefault(identity, set()).add(teacher)
        first.setdefault(identity, row)
    crossing = [identity for identity, teachers in held.items() if len(teachers) > group_size]
    worst = max((len(teachers) for teachers in held.values()), default=1)
    if crossing:
        raise InputError(
            f"Expected each privacy unit in at most partition.group_size={group_size} partitions, got some in more; "
            "let one site keep each unit and remove double records, or declare a larger partition.group_size (the "
            "privacy cost grows accordingly) or, where equal records are different people, data.equal_records: "
            "different_units",
            private_detail=f"{len(crossing)} units in up to {worst} partitions: "
            + ", ".join(name_of(first[identity]) for identity in crossing[:DETAILS]),
        )
    return worst


def _deal_skewed(records: PrivateRecords, teachers: int, concentration: float, rng: np.random.Generator) -> IntArray:
    if not concentration > 0:
        raise expected("label_skew > 0", "small means skewed, large means alike", label_skew=concentration)
    keys = np.arange(len(records)) if records.units_N is None else records.units_N
    _, first_U, unit_N = np.unique(keys, return_index=True, return_inverse=True)
    labels_U = records.labels_N[first_U]
    teacher_of_U = np.empty(len(labels_U), dtype=np.int64)
    for label in np.unique(labels_U):
        shares = rng.dirichlet(np.full(teachers, concentration))
        units = np.flatnonzero(labels_U == label)
        teacher_of_U[units] = rng.choice(teachers, size=len(units), p=shares)
    return teacher_of_U[unit_N]

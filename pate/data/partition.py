"""Disjoint partitions: which teacher learns from which record.

**Neighbours.** The roster of privacy units, their number and order, is fixed; one unit's records are withdrawn,
added or replaced. Teachers are dealt to groups of records by the groups' order of first appearance and the
seed alone, so a changed unit changes the records of its own partition and no other. A group is all records of
one unit; records without ids that are identical count as one unit, so a record entered twice cannot sit with
two teachers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from pate.data.records import IntArray, PrivateRecords
from pate.errors import InputError, expected
from pate.randomness import generator
from pate.values import Redacted

By: TypeAlias = Literal["random", "unit", "site"]


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Partition(Redacted):
    """One assignment vector, so that overlap cannot be written down.

    Attributes:
        teacher_of_N: the teacher that each record belongs to, in ``[0, teachers)``. Shape ``[N]``.
        teachers: how many teachers there are; each holds at least one record.
        partitions_per_unit: the most partitions that one privacy unit sits in (1 unless units cross sites).
    """

    teacher_of_N: IntArray
    teachers: int
    partitions_per_unit: int

    def __post_init__(self) -> None:
        held = np.bincount(self.teacher_of_N, minlength=self.teachers)
        if len(held) != self.teachers or not held.all():
            raise expected("at least one record for each teacher", "use fewer teachers", teachers=self.teachers)

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


def partition(
    records: PrivateRecords,
    *,
    teachers: int,
    by: By,
    seed: int,
    group_size: int = 1,
    label_skew: float | None = None,
) -> Partition:
    """Deal the records to teachers, all records of a privacy unit to one teacher.

    Args:
        records: the private records.
        teachers: how many partitions.
        by: ``random`` groups records by unit id where there are ids and by content otherwise; ``unit`` demands
            ids; ``site`` keeps each teacher within one site, sites getting teachers in proportion to their units.
        seed: seed of the deal.
        group_size: the most partitions that one unit may sit in; the campaign is then charged for as many votes.
        label_skew: for simulations: concentration of a Dirichlet law over teachers per class; small is skewed.

    Raises:
        InputError: more teachers than groups, missing ids or sites, or a unit in more partitions than declared.
    """
    units_N = first_appearance(records.unit_keys())
    if by == "unit" and records.units_N is None:
        raise expected("unit ids for partition.by='unit'", "declare the unit column or use by='random'")
    sites_N = np.zeros(len(records), dtype=np.int64)
    if by == "site":
        if records.sites_N is None:
            raise expected("sites for partition.by='site'", "declare the site column or use by='random'")
        sites_N = first_appearance(list(records.sites_N))
    groups_N = first_appearance(list(zip(units_N.tolist(), sites_N.tolist(), strict=True)))
    first_row = np.unique(groups_N, return_index=True)[1]
    site_of_group = sites_N[first_row]
    if teachers > len(first_row):
        raise expected(
            "no more teachers than groups of records", "use fewer teachers", teachers=teachers, groups=len(first_row)
        )
    rng = generator(seed, "partition")
    if label_skew is None:
        teacher_of_group = _deal_within_sites(site_of_group, teachers, rng)
    else:
        teacher_of_group = _deal_skewed(records.labels_N[first_row], teachers, label_skew, rng)
    teacher_of_N = teacher_of_group[groups_N]
    worst = _require_group_size(units_N, teacher_of_N, group_size, records)
    return Partition(teacher_of_N=teacher_of_N, teachers=teachers, partitions_per_unit=worst)


def first_appearance(keys: Sequence[object]) -> IntArray:
    """For each key its number, in the order of first appearance. Shape ``[N]``."""
    index: dict[object, int] = {}
    return np.array([index.setdefault(key, len(index)) for key in keys], dtype=np.int64)


def _deal_within_sites(site_of_group: IntArray, teachers: int, rng: np.random.Generator) -> IntArray:
    teacher_of_group = np.empty(len(site_of_group), dtype=np.int64)
    for site, dealt in enumerate(_deal_sites(np.bincount(site_of_group), teachers, rng)):
        teacher_of_group[site_of_group == site] = dealt
    return teacher_of_group


def deal_sites(groups_per_site: IntArray, *, teachers: int, seed: int) -> list[IntArray]:
    """For each site the teacher of each of its groups, as ``partition`` with ``by="site"`` deals them.

    Only the sizes are needed, so that the deal can be made where the records are not.

    Args:
        groups_per_site: privacy units of each site, in the order of sites.
        teachers: how many partitions.
        seed: seed of the deal.

    Raises:
        InputError: fewer teachers than sites or more than groups.
    """
    if teachers > int(groups_per_site.sum()):
        raise expected("no more teachers than groups of records", "use fewer teachers", teachers=teachers)
    return _deal_sites(groups_per_site, teachers, generator(seed, "partition"))


def _deal_sites(sizes: IntArray, teachers: int, rng: np.random.Generator) -> list[IntArray]:
    """Balanced: within a site, teachers' numbers of groups differ by at most one."""
    if teachers < len(sizes):
        raise expected("a teacher for every site", "raise partition.teachers", teachers=teachers, sites=len(sizes))
    share = _apportion(sizes, teachers)
    dealt, first = [], 0
    for size, count in zip(sizes.tolist(), share.tolist(), strict=True):
        dealt.append(first + rng.permutation(size) % count)
        first += count
    return dealt


def _apportion(sizes: IntArray, teachers: int) -> IntArray:
    """Teachers per site: one each, the others one by one where a teacher would hold most (D'Hondt)."""
    share = np.ones(len(sizes), dtype=np.int64)
    for _ in range(teachers - len(sizes)):
        share[np.argmax(sizes / (share + 1))] += 1
    return share


def _deal_skewed(labels_G: IntArray, teachers: int, concentration: float, rng: np.random.Generator) -> IntArray:
    if not concentration > 0:
        raise expected("label_skew > 0", "small means skewed, large means alike", label_skew=concentration)
    teacher_of_group = np.empty(len(labels_G), dtype=np.int64)
    for label in np.unique(labels_G):
        shares = rng.dirichlet(np.full(teachers, concentration))
        rows = np.flatnonzero(labels_G == label)
        teacher_of_group[rows] = rng.choice(teachers, size=len(rows), p=shares)
    for teacher in np.flatnonzero(np.bincount(teacher_of_group, minlength=teachers) == 0):
        richest = np.argmax(np.bincount(teacher_of_group, minlength=teachers))
        teacher_of_group[np.flatnonzero(teacher_of_group == richest)[0]] = teacher
    return teacher_of_group


def _require_group_size(units_N: IntArray, teacher_of_N: IntArray, group_size: int, records: PrivateRecords) -> int:
    pairs = np.unique(np.stack([units_N, teacher_of_N]), axis=1)
    per_unit = np.bincount(pairs[0])
    worst = int(per_unit.max())
    if worst > group_size:
        crossing = np.flatnonzero(per_unit > group_size)
        rows = [int(np.argmax(units_N == unit)) for unit in crossing]
        names = [f"row {row}" if records.units_N is None else str(records.units_N[row]) for row in rows]
        ids = (
            "" if records.units_N is not None else ", declare the column of unit ids (equal records count as one unit)"
        )
        raise InputError(
            f"Expected each privacy unit in at most partition.group_size={group_size} partitions, got "
            f"{len(crossing)} units in up to {worst}; remove the double records{ids} or declare "
            f"partition.group_size: {worst} (the privacy cost grows accordingly)",
            private_detail="units in several partitions: " + ", ".join(names),
        )
    return worst

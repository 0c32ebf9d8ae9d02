"""Records as read, and the division of a body of records into private, pool and evaluation records.

Shape legend: ``N`` records of a body.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from pate.arrays import IdArray, IntArray
from pate.data.ids import match_keys, require_unambiguous
from pate.data.origin import Origin
from pate.data.private_side import private_side
from pate.data.records import FloatArray
from pate.errors import InputError, PrivacyViolation, expected
from pate.randomness import generator
from pate.values import Redacted

if TYPE_CHECKING:
    import pandas as pd

SplitBy: TypeAlias = Literal["record", "unit", "site"]
UNLABELLED = -1
"""Label of an unlabelled record."""
DETAILS = 1000
"""Most rows that an incident lists."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Body(Redacted):
    """Records of one origin, before anything is encoded; treated as private until declared public.

    Attributes:
        rows: one input per record: float32 arrays ``[N, ...]``, or a table of text with N rows.
        labels_N: class indices, -1 where a record has none. Shape ``[N]``.
        units_N: the privacy unit of each record, or ``None``.
        sites_N: the site of each record, or ``None``.
        origin: of private records.
    """

    rows: FloatArray | pd.DataFrame
    labels_N: IntArray
    units_N: IdArray | None = None
    sites_N: IdArray | None = None
    origin: Origin | None = None

    def __len__(self) -> int:
        return len(self.labels_N)

    def table(self) -> pd.DataFrame:
        """The rows of a table."""
        if isinstance(self.rows, np.ndarray):
            raise expected("a table", "use array() for arrays", kind="array")
        return self.rows

    def array(self) -> FloatArray:
        """The rows that are arrays."""
        if not isinstance(self.rows, np.ndarray):
            raise expected("an array", "encode the table first", kind="table")
        return self.rows

    def take(self, index: IntArray) -> Body:
        """The records at these positions, in this order."""
        rows = self.rows[index] if isinstance(self.rows, np.ndarray) else self.rows.iloc[index]
        return Body(
            rows=rows,
            labels_N=self.labels_N[index],
            units_N=None if self.units_N is None else self.units_N[index],
            sites_N=None if self.sites_N is None else self.sites_N[index],
            origin=None if self.origin is None else self.origin.take(index),
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Parts(Redacted):
    """The three sets of a study, before anything is encoded."""

    private: Body | None
    pool: Body
    evaluation: Body
    public_units: tuple[str, ...] = ()  # keys of the units whose private records are not used


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A random split of one body of records, whole groups at a time.

    Attributes:
        by: the group that is never split: a ``record``, a ``unit`` (patient) or a ``site`` (hospital).
        seed: of the division; independent of the seed of training, so that other seeds train on the same sets.
        records_may_be_published: the owner's declaration that the pool and the evaluation set may be drawn from the
            private files, where these are not a known public benchmark.
        whole_pool: refuse to draw from a pool of its own, whose records keep their order in the files.
        shared_units: treatment of private records whose unit stands in public files.
    """

    by: SplitBy = "record"
    seed: int = 0
    records_may_be_published: bool = False
    whole_pool: bool = False
    shared_units: Literal["leave_out", "keep"] = "leave_out"


def divide(
    private: Body | None,
    pool: Body | None,
    evaluation: Body | None,
    *,
    split: Split,
    sizes: tuple[int, int],
    public: bool,
) -> Parts:
    """The three sets of a study.

    With three bodies each gives one set. Without an evaluation body the pool's body gives both. With the private
    body alone it gives all three, which is allowed on a public benchmark (there it is a simulation) or where the
    owner has declared that its records may be published.

    Args:
        private: the body that teachers learn from; ``None``: it stays where it is, and the pool is a body of its own.
        pool: a public body, or ``None``.
        evaluation: a public body with labels, or ``None``.
        split: the rule of division.
        sizes: inputs of the pool and records of the evaluation set; where there are more, they are drawn.
        public: ``True`` if the private body is a known public benchmark.
    """
    wanted_pool, wanted_evaluation = sizes
    apart = pool is not None and split.shared_units == "leave_out"
    if pool is None:
        require_drawing(split, evaluation=evaluation is not None, public=public)
        if private is None:
            raise expected("data.pool_files where records stay at their sites", "name the public inputs to query")
        with private_side():
            pool, evaluation, private = _drawn_by_key(private, split, [wanted_pool, wanted_evaluation])
    elif evaluation is None:
        pool, evaluation, _ = _drawn(pool, split, [wanted_pool, wanted_evaluation])
    else:
        if split.whole_pool and len(pool) != wanted_pool:
            raise expected(
                "all records of data.pool_files in the pool, since votes are given in their order",
                "set data.pool to their number",
                pool=wanted_pool,
                records=len(pool),
            )
        pool, _ = _drawn(pool, replace(split, by="record"), [wanted_pool])
        evaluation, _ = _drawn(evaluation, replace(split, by="record"), [wanted_evaluation])
    listed = [ids for ids in (pool.units_N, evaluation.units_N) if apart and ids is not None]
    units = sorted({key for ids in listed for key in match_keys(ids).tolist()})
    return Parts(private=private, pool=pool, evaluation=evaluation, public_units=tuple(units))


def require_drawing(split: Split, *, evaluation: bool, public: bool) -> None:
    """Refuse to draw the pool from private records that may not be published.

    Args:
        split: the declaration.
        evaluation: ``True`` if there are files of the evaluation set.
        public: ``True`` if the records are a known public benchmark.
    """
    if evaluation:
        raise expected("data.pool_files with data.evaluation_files", "name the public inputs to query")
    if not (public or split.records_may_be_published):
        raise PrivacyViolation(
            "Expected data.pool_files for data that are not a known public benchmark, got none: a pool drawn from "
            "the private files would be published; name public files, or declare "
            "data.split.records_may_be_published: true"
        )


def groups(body: Body, by: SplitBy) -> IntArray:
    """A group number per record, in order of first appearance. Shape ``[N]``."""
    if by == "record":
        return np.arange(len(body), dtype=np.int64)
    ids_N = body.units_N if by == "unit" else body.sites_N
    if ids_N is None:
        raise expected(f"a {by} for data.split.by={by!r}", f"declare data.{by}, or split by record")
    first_N = np.unique(ids_N, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first_N[1]))
    return order[first_N[2]].astype(np.int64)


def draw(groups_N: IntArray, sizes: Sequence[int], order_G: IntArray) -> list[IntArray]:
    """Whole groups in an order until each size is reached, then what remains.

    A group that would exceed the size is truncated, and its other records are dropped: they belong to a group that is
    partly public.

    Args:
        groups_N: group of each record, ``0..G-1``. Shape ``[N]``.
        sizes: exact number of records of each part.
        order_G: the groups, from the first to be drawn. Shape ``[G]``.

    Returns:
        Sorted positions: one array per size, and one for the rest.
    """
    rank_N = np.argsort(order_G)[groups_N] if len(order_G) else groups_N
    rows = np.argsort(rank_N, kind="stable")
    parts, start = [], 0
    for number, size in enumerate(sizes):
        if start + size > len(rows):
            raise expected(
                f"at least {size} public records",
                f"lower data.{('pool', 'evaluation')[number] if len(sizes) > 1 else 'pool or data.evaluation'}",
                found=len(rows) - start,
            )
        parts.append(np.sort(rows[start : start + size]))
        last_group = rank_N[rows[start + size - 1]]
        start = int(np.searchsorted(rank_N[rows], last_group, side="right"))
    return [*parts, np.sort(rows[start:])]


def _drawn(body: Body, split: Split, sizes: list[int]) -> list[Body]:
    """Subsets of a public body, at random."""
    groups_N = groups(body, split.by)
    order_G = generator(split.seed, "split").permutation(int(groups_N.max()) + 1 if len(groups_N) else 0)
    return [body.take(part) for part in draw(groups_N, sizes, order_G)]


def _drawn_by_key(body: Body, split: Split, sizes: list[int]) -> list[Body]:
    """Subsets of a private body, in the order of a hash of each group's id or record's position.

    Whether a group comes before another follows from those two alone, so that a group that stays private neither moves
    another one into the public parts nor out of them, whether it is there or not.
    """
    groups_N = groups(body, split.by)
    names_N = _names(body, split.by)
    first_G = np.unique(groups_N, return_index=True)[1].tolist()
    keys_G = [hashlib.sha256(f"{split.seed}/split/{names_N[row]}".encode()).digest() for row in first_G]
    order_G = np.array(sorted(range(len(keys_G)), key=keys_G.__getitem__), dtype=np.int64)
    return [body.take(part) for part in draw(groups_N, sizes, order_G)]


def _names(body: Body, by: SplitBy) -> list[str]:
    """Return each record's key in the draw: the id of its unit or site; else its position in its unit or file."""
    sites = [""] * len(body) if body.sites_N is None else body.sites_N.tolist()
    if by == "site":
        return [f"site/{site}" for site in sites]
    if body.units_N is None:
        positions = range(len(body)) if body.origin is None else body.origin.positions_N.tolist()
        return [f"position/{site}/{position}" for site, position in zip(sites, positions, strict=True)]
    if by == "unit":
        return [f"unit/{key}" for key in match_keys(body.units_N).tolist()]
    seen: Counter[str] = Counter()
    names = []
    for unit in match_keys(body.units_N).tolist():
        names.append(f"unit/{unit}/{seen[unit]}")
        seen[unit] += 1
    return names


def require_one_spelling(body: Body, key: str) -> Body:
    """The body, if no two ids of units or sites are probably the same.

    Raises:
        InputError: they are; the ids are in the private detail.
    """
    for ids_N, what in ((body.units_N, "ids of units"), (body.sites_N, "sites")):
        if ids_N is not None:
            require_unambiguous(ids_N, place=key, what=what)
    return body


def rows_refused(
    what: str, remedy: str, *, key: str, bad_N: npt.NDArray[np.bool_], found: Sequence[object] | None = None
) -> InputError:
    """The error for records that cannot be used: a count in the public text, the rows in the private detail.

    Args:
        what: the property expected of every record.
        remedy: the way out.
        key: the configuration key.
        bad_N: ``True`` for each record that lacks it. Shape ``[N]``.
        found: the values, for the private detail only. Length N.
    """
    rows = np.flatnonzero(bad_N)[:DETAILS].tolist()
    listed = [f"row {row}" if found is None else f"row {row}: {found[row]!r}" for row in rows]
    return InputError(
        f"Expected {what} in {key}, got {int(bad_N.sum())} of {len(bad_N)} records that differ; {remedy}",
        private_detail=f"{key}, rows counted from 0 as read:\n" + "\n".join(listed),
    )

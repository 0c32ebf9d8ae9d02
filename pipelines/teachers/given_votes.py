"""Votes that were made elsewhere, by teachers that pate never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from pate.data.private_side import private_side
from pate.errors import InputError, RecordsRefused, expected
from pate.ledger.keys import LedgerKey
from pate.values import Redacted
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config
from pipelines.teachers.bundles import RecordSource
from pipelines.teachers.holders import Units


@final
class GivenVotes(Redacted):
    """The holder of records that somebody else's teachers were trained on; pate sees their votes alone.

    Args:
        config: of the campaign; declares the number of teachers.
        raw_TM: votes on each input of the pool, in the pool's order; ``None``: the run has kept them before.
            Shape ``[T, M]``.

    Raises:
        InputError: a matrix of another shape.
    """

    def __init__(self, config: Config, raw_TM: npt.NDArray[np.generic] | None) -> None:
        self.teachers = config.partition.teachers
        self.fingerprint = "elsewhere"
        wanted = (self.teachers, config.data.pool)
        if raw_TM is not None and raw_TM.shape != wanted:
            raise expected(
                f"votes of shape {list(wanted)}: a row for each of partition.teachers, a column for each of data.pool",
                "write -1 where a teacher abstains, and declare the right numbers",
                shape=list(raw_TM.shape),
            )
        self._raw_TM = raw_TM

    def sites(self) -> list[str | None]:
        """See ``Holder``."""
        return [None] * self.teachers

    def source(self, teachers: Sequence[int]) -> RecordSource:
        """See ``Holder``; there are no records here."""
        raise expected("teachers trained by pate", "votes made elsewhere have no teachers here")

    def units(self, key: LedgerKey) -> Units:
        """See ``Holder``; none are known, so the account is linked to no other one."""
        return Units(known_by=[])

    @property
    def are_here(self) -> bool:
        """``True`` if the votes were given with this call."""
        return self._raw_TM is not None

    def on(self, queries: Sequence[int], classes: int) -> VoteMatrix:
        """The votes on the queries.

        Args:
            queries: positions in the pool.
            classes: number of classes.

        Raises:
            InputError: no votes were given.
            RecordsRefused: a number that is neither a class index nor -1.
        """
        if self._raw_TM is None:
            raise missing()
        with private_side():
            return VoteMatrix.strict(np.asarray(self._raw_TM)[:, list(queries)], classes)

    def require_same(self, kept: VoteMatrix, queries: Sequence[int]) -> None:
        """Refuse other votes than those that the run has kept.

        Raises:
            RecordsRefused: they are others.
        """
        if self._raw_TM is None:
            return
        given = self.on(queries, kept.classes)
        if not np.array_equal(given.labels_TQ, kept.labels_TQ):
            raise RecordsRefused(
                "Expected the votes that the run has kept, got others; start a new run under another name or seed"
            )


def missing() -> InputError:
    """The error of a campaign without its votes."""
    return expected(
        "votes with teachers.model.kind: votes", "give them: `pate label VOTES.npy CONFIG`, or pate.Campaign.from_votes"
    )

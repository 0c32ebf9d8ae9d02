"""Counts of the outcomes of a campaign's queries."""

from __future__ import annotations

from pate.aggregation.mechanisms import REFUSED
from pate.arrays import IntArray

NOT_ASKED = -2


class Counted:
    """Base of what holds a campaign's labels: counts of queries asked, answered and refused.

    Attributes:
        labels_Q: a class index, ``REFUSED`` or ``NOT_ASKED`` for each query. Shape ``[Q]``.
    """

    __slots__ = ()

    labels_Q: IntArray

    @property
    def asked(self) -> int:
        """Queries with a label or a refusal."""
        return int((self.labels_Q != NOT_ASKED).sum())

    @property
    def answered(self) -> int:
        """Queries with a label."""
        return int((self.labels_Q >= 0).sum())

    @property
    def refused(self) -> int:
        """Queries that were refused."""
        return int((self.labels_Q == REFUSED).sum())

"""Sizes of a first campaign, for configurations that are written for people: from counts alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pate.accounting import GNMaxEvent
from pate.accounting.planning.calibration import most_releases

BUDGET = 5.0
_TEACHERS = (250, 100, 50, 20, 10)
_UNITS_EACH = 10
_MOST_ASKED = 200


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class FirstCampaign:
    """The sizes that a first configuration declares.

    Attributes:
        teachers: number of teachers.
        sigma: noise of GNMax, votes.
        delta: failure probability, at least ten times below one over the units.
        asked: queries within ``BUDGET`` by the ``gaussian`` accountant.
    """

    teachers: int
    sigma: int
    delta: float
    asked: int


def first_campaign(*, units: int, left: int, sites: int, pool: int, group_size: int = 1) -> FirstCampaign:
    """Choose sizes.

    Args:
        units: number of privacy units.
        left: units that teachers learn from.
        sites: each needs a teacher; 0 where none is known.
        pool: public inputs.
        group_size: partitions that one unit may be in.
    """
    teachers = max(next((t for t in _TEACHERS if left >= t * _UNITS_EACH), _TEACHERS[-1]), sites)
    sigma = max(1, round(teachers * group_size / 5))
    delta = 10.0 ** -max(5, math.ceil(math.log10(max(units, 1))) + 1)
    each = GNMaxEvent(sigma=sigma, moved_votes=group_size)
    within = most_releases(each, epsilon=BUDGET, delta=delta, accountant="gaussian")
    return FirstCampaign(teachers=teachers, sigma=sigma, delta=delta, asked=max(1, min(within, pool, _MOST_ASKED)))


def of_whole_units(pool: int, of_a_unit: Sequence[int]) -> int:
    """Size of a pool that remains where units are not divided, since a unit that is divided loses its other records.

    Args:
        pool: public records that are left for it.
        of_a_unit: the different numbers of records with one unit, in order.
    """
    return max(1, pool - (pool % of_a_unit[0] if len(of_a_unit) == 1 else of_a_unit[-1] - 1))

"""The data-dependent cost that pate estimates: a bound on the exact one from two numbers of a histogram.

The two numbers are the top count ``n1`` and the gap ``g`` to the second. A vote moves ``n1`` by at most one and ``g``
by at most two, so how much one unit can change the cost, near this data set and far, is read off a table of them.
Shapes: ``V`` top counts ``0 .. T``, ``G`` gaps ``0 .. T``, ``D`` distances ``0 .. T``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import maximum_filter

from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, SanitisedReleaseEvent
from pate.accounting.laws.divergence import both_directions, excess
from pate.accounting.laws.mechanism import mechanism_law, require_fixed
from pate.accounting.sanitised.gap_bound import gap_costs
from pate.accounting.sanitised.smoothing import smooth_sensitivity
from pate.arrays import FloatArray, IntArray
from pate.errors import expected
from pate.votes import VoteHistogram

BASIS = "exact by gap"
"""Name of the account in estimates and reports."""

MOST_TEACHERS = 1000
"""Beyond, the tables take too much memory."""

_REACHED = (3, 5)  # cells around one: top counts -1 .. 1, gaps -2 .. 2


def gap_inputs(
    votes: VoteHistogram,
    event: GNMaxEvent | ConfidentGNMaxEvent,
    release: SanitisedReleaseEvent,
    *,
    fixed_in_advance: bool,
) -> tuple[float, float]:
    """``(cost, smooth sensitivity)`` of a query list at the release's order, nats. Private, both.

    See ``cost_and_sensitivities``.
    """
    cost, local_D = cost_and_sensitivities(votes, event, release.order, fixed_in_advance=fixed_in_advance)
    return cost, smooth_sensitivity(local_D, release.beta)


def cost_and_sensitivities(
    votes: VoteHistogram, event: GNMaxEvent | ConfidentGNMaxEvent, order: float, *, fixed_in_advance: bool
) -> tuple[float, FloatArray]:
    """The cost of a query list, and how much one unit can change it within each distance; shape ``[D]``, nats. Private.

    The cost is an upper bound, in both directions and for the noise that is drawn, on the Renyi divergence between this
    data set's answers and those of each of its neighbours.

    Args:
        votes: the histograms of the whole list.
        event: what each query released.
        order: of the divergence, fixed before the votes existed.
        fixed_in_advance: the whole list was fixed before the first answer was seen.

    Raises:
        InputError: queries chosen after earlier answers.
    """
    require_fixed(fixed_in_advance)
    require_teachers(votes.teachers)
    cost_VG = cell_costs(event, votes.teachers, votes.counts_QC.shape[1], order)
    sorted_QC = np.sort(votes.counts_QC, axis=1)
    cells_U2, times_U = np.unique(
        np.stack([sorted_QC[:, -1], sorted_QC[:, -1] - sorted_QC[:, -2]], axis=1), axis=0, return_counts=True
    )
    top_U, gap_U = cells_U2.T
    local_DU = local_sensitivities(cost_VG, top_U, gap_U)
    return float(times_U @ cost_VG[top_U, gap_U]), local_DU @ times_U


@lru_cache(maxsize=32)
def cell_costs(event: GNMaxEvent | ConfidentGNMaxEvent, teachers: int, classes: int, order: float) -> FloatArray:
    """A bound on the cost of one query by top count and gap, nats; 0 where the gap is above the top count. Shape
    ``[V, G]``.

    With ``R`` and ``A`` the probabilities of a refusal and an answer and ``psi`` of ``gap_costs``, the largest over
    moves of the top count by -1, 0 and 1 and over both directions of
    ``log(R^a R'^(1-a) + A^a A'^(1-a) e^((a-1) psi(g))) / (a-1)``.
    """
    argmax_G = gap_costs(event.sigma, teachers, classes, order)
    possible_VG = np.tri(teachers + 1, dtype=np.bool_)
    if isinstance(event, GNMaxEvent):
        return np.where(possible_VG, argmax_G, 0.0)
    top_V, powers = np.arange(teachers + 1), both_directions(np.array([order]))
    log_V2 = np.stack(mechanism_law(event).log_answered_refused(top_V), axis=1)
    total_VG = np.zeros((teachers + 1, teachers + 1))
    for moved in (-1, 0, 1):
        ratio_V2 = log_V2[np.clip(top_V + moved, 0, teachers)] - log_V2
        test_VS = excess(log_V2, ratio_V2, powers)
        answer_VS = np.exp(log_V2[:, :1] - powers * ratio_V2[:, :1])
        joint_VSG = test_VS[:, :, None] + answer_VS[:, :, None] * np.expm1((order - 1) * argmax_G)
        total_VG = np.maximum(total_VG, joint_VSG.max(axis=1))
    plain = largest_cost(event, order)
    cost_VG = np.minimum(np.log1p(total_VG) / (order - 1) * (1 + 1e-9) + 1e-14, plain)
    return np.where(possible_VG, cost_VG, 0.0)


def require_teachers(teachers: int) -> None:
    """Refuse a roster whose tables are too large."""
    if teachers > MOST_TEACHERS:
        raise expected(
            f"at most {MOST_TEACHERS} teachers with privacy.sanitised", "leave the estimate out", teachers=teachers
        )


def largest_cost(event: GNMaxEvent | ConfidentGNMaxEvent, order: float) -> float:
    """Largest cost of one query for any votes, nats; so one vote changes its cost by at most as much."""
    one = event if isinstance(event, GNMaxEvent) else replace(event, max_asked=1, max_answered=1)
    return float(gaussian_rdp(one, np.array([order])).rdp_A[0])


def local_sensitivities(cost_VG: FloatArray, top_U: IntArray, gap_U: IntArray) -> FloatArray:
    """A bound on the change of the cost that one vote can cause within ``d`` votes of each histogram. Shape ``[D, U]``,
    nats, growing with ``d``."""
    possible_VG = np.tri(len(cost_VG), dtype=np.bool_)
    highest_VG = maximum_filter(np.where(possible_VG, cost_VG, -np.inf), _REACHED, mode="nearest")
    lowest_VG = -maximum_filter(np.where(possible_VG, -cost_VG, -np.inf), _REACHED, mode="nearest")
    local_VG = np.where(possible_VG, np.maximum(highest_VG - cost_VG, cost_VG - lowest_VG), 0.0)
    local_DU = np.empty((len(cost_VG), len(top_U)))
    for distance in range(len(cost_VG)):
        local_DU[distance] = local_VG[top_U, gap_U]
        wider_VG = maximum_filter(local_VG, _REACHED, mode="nearest")
        if np.array_equal(wider_VG, local_VG):
            local_DU[distance:] = local_DU[distance]
            break
        local_VG = wider_VG
    return local_DU

"""Smooth sensitivity of the 2018 data-dependent cost: how much one unit can change it, near this data set and far.

Papernot et al. (2018), appendix B, with abstentions added. ``D`` distances ``0 .. T``: one unit changes one teacher's
vote on every query, so data sets at distance ``d`` differ in at most ``d`` votes per query, and beyond ``T`` nothing
new is reached. The sensitivities are those of ``query_costs`` and of no other cost.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtri_exp

from pate.accounting.data_dependent.papernot18 import gnmax_rdp, log_answered, log_q_gnmax, threshold_rdp
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, PrivacyEvent, SanitisedReleaseEvent, kind_of
from pate.accounting.laws.mechanism import mechanism_law, require_fixed
from pate.accounting.sanitised.smoothing import smooth_sensitivity
from pate.arrays import FloatArray, IntArray
from pate.errors import expected
from pate.votes import VoteHistogram

_GRID = 4000


def sanitised_inputs(
    votes: VoteHistogram, event: PrivacyEvent, release: SanitisedReleaseEvent, *, fixed_in_advance: bool
) -> tuple[float, float]:
    """``(cost, smooth sensitivity)`` of a query list at the release's order, nats. Private, both.

    For ``ConfidentGNMax`` the cost is the 2018 convention (the test plus ``P[answered]`` times the answer), an
    expectation; see ``docs/explanation/accounting_data_dependent.md``.

    Args:
        votes: the histograms of the whole list.
        event: ``GNMax`` or ``ConfidentGNMax``, what each query released.
        release: the order and ``beta``, fixed before the votes existed.
        fixed_in_advance: the whole list was fixed before the first answer was seen.

    Raises:
        InputError: queries chosen after earlier answers, or an event without a smooth sensitivity.
    """
    require_fixed(fixed_in_advance)
    cost, sensitivities_D = 0.0, np.zeros(votes.teachers + 1)
    distinct_UC, times_U = np.unique(np.sort(votes.counts_QC, axis=1), axis=0, return_counts=True)
    for start in range(0, len(distinct_UC), 256):
        counts_UC, times = distinct_UC[start : start + 256], times_U[start : start + 256]
        cost += float(times @ query_costs(counts_UC, event, release.order))
        sensitivities_D += times @ local_sensitivity(counts_UC, event, teachers=votes.teachers, order=release.order)
    return cost, smooth_sensitivity(sensitivities_D, release.beta)


def query_costs(counts_QC: IntArray, event: PrivacyEvent, order: float) -> FloatArray:
    """The cost of each query whose sensitivity ``local_sensitivity`` bounds, shape ``[Q]``, nats: the 2018 bound up to
    ``log_q0``, the data-independent one beyond. Never below ``papernot18``, and equal to it at usual parameters."""
    counts = np.asarray(counts_QC, dtype=np.float64)
    test, answer = _confident_parts(event)
    log_q_Q = log_q_gnmax(counts, answer)
    bound_Q = gnmax_rdp(log_q_Q, answer, np.array([order]))[:, 0]
    answer_Q = np.where(log_q_Q > log_q0(answer, order), order / answer**2, bound_Q)
    if test is None:
        return answer_Q
    log_p_Q = log_answered(counts, test.threshold, test.sigma_threshold)
    cost_Q: FloatArray = threshold_rdp(log_p_Q, test.sigma_threshold, np.array([order]))[:, 0]
    cost_Q += np.exp(log_p_Q) * answer_Q
    return cost_Q


def local_sensitivity(counts_QC: IntArray, event: PrivacyEvent, *, teachers: int, order: float) -> FloatArray:
    """Bounds, for each query, on the change of its cost that one vote can cause within distance ``d`` of the
    histogram. Shape ``[Q, T+1]``, nats.

    Confident-GNMax: ``|A b - A' b'| <= A |b - b'| + |A - A'| b'`` for the probability ``A`` of an answer and the
    answer's cost ``b``, each at its largest within reach.
    """
    counts_QC = np.asarray(counts_QC, dtype=np.int64)
    test, sigma = _confident_parts(event)
    argmax_QD = gnmax_sensitivity(counts_QC, teachers=teachers, sigma=sigma, order=order)
    if test is None:
        return argmax_QD
    top_Q, noise = counts_QC.max(axis=1), test.sigma_threshold
    answered_V = np.exp(log_answered(_every_top(teachers), test.threshold, noise))
    test_QD = threshold_sensitivity(top_Q, teachers, threshold=test.threshold, sigma=noise, order=order)
    steps_QD = _within_reach(np.abs(np.diff(answered_V)), top_Q, teachers)
    largest_QD: FloatArray = answered_V[np.minimum(top_Q[:, None] + np.arange(teachers + 1), teachers)]
    joint_QD: FloatArray = test_QD + largest_QD * argmax_QD
    return joint_QD + steps_QD * _largest_costs(counts_QC, teachers, sigma, order)


def threshold_sensitivity(
    top_Q: IntArray, teachers: int, *, threshold: float, sigma: float, order: float
) -> FloatArray:
    """The same for a threshold test, whose cost is a function of the top count alone: the largest step between
    neighbouring top counts within reach. Shape ``[Q, T+1]``. Papernot et al. (2018), appendix B."""
    log_p_V = log_answered(_every_top(teachers), threshold, sigma)
    cost_V = threshold_rdp(log_p_V, sigma, np.array([order]))[:, 0]
    return _within_reach(np.abs(np.diff(cost_V)), np.asarray(top_Q), teachers)


def gnmax_sensitivity(counts_QC: IntArray, *, teachers: int, sigma: float, order: float) -> FloatArray:
    """The same for the argmax, shape ``[Q, T+1]``: the sensitivity at ``q`` is largest between ``q1`` and ``q0``, so at
    each distance the reachable ``q`` nearest to that range decides. Papernot et al. (2018), algorithms 3 to 5. Where
    noise and order are such that it is not, one bound for all data sets and distances is returned."""
    sorted_QC = _sorted(counts_QC)
    queries, classes = sorted_QC.shape
    cost = _Cost(sigma, order, classes, teachers)
    anywhere = cost.largest_sensitivity()
    if anywhere is not None:
        return np.full((queries, teachers + 1), anywhere)
    out_QD = np.full((queries, teachers + 1), cost.sensitivity(np.array([cost.log_q1]))[0])
    log_q_Q = log_q_gnmax(sorted_QC, sigma)
    active_Q = np.flatnonzero((log_q_Q < cost.log_q1) | (log_q_Q > cost.log_q0))
    farther_Q = log_q_Q > cost.log_q0
    for distance in range(teachers + 1):
        out_QD[active_Q, distance] = cost.sensitivity(log_q_Q[active_Q])
        grows_Q = active_Q[farther_Q[active_Q]]
        shrinks_Q = active_Q[~farther_Q[active_Q]]
        moved_Q = np.ones(queries, dtype=np.bool_)
        moved_Q[grows_Q] = _towards_the_top(sorted_QC, grows_Q, teachers)
        _away_from_the_top(sorted_QC, shrinks_Q)
        log_q_Q[active_Q] = log_q_gnmax(sorted_QC[active_Q], sigma)
        out_QD[active_Q[~moved_Q[active_Q]], distance:] = out_QD[active_Q[~moved_Q[active_Q]], distance, None]
        outside_Q = np.where(farther_Q, log_q_Q > cost.log_q0, log_q_Q < cost.log_q1)
        active_Q = active_Q[(outside_Q & moved_Q)[active_Q]]
        if not active_Q.size:
            break
    return np.maximum.accumulate(out_QD, axis=1)


class _Cost:
    """The cost of the argmax as a function of ``log q``, at one order, and how far one vote can move it."""

    __slots__ = ("classes", "grid_G", "log_q0", "log_q1", "order", "plain", "sigma")

    def __init__(self, sigma: float, order: float, classes: int, teachers: int) -> None:
        self.sigma, self.order, self.classes, self.plain = sigma, order, classes, order / sigma**2
        self.log_q0 = log_q0(sigma, order)
        self.log_q1 = float(self._shifted(np.array([self.log_q0]), 1.0)[0])
        unanimous = np.zeros((1, classes))
        unanimous[0, 0] = teachers
        self.grid_G = np.linspace(min(float(log_q_gnmax(unanimous, sigma)[0]), self.log_q1) - 1, self.log_q1, _GRID)

    def largest_sensitivity(self) -> float | None:
        """``None`` where the sensitivity grows with ``q`` up to ``q1``, so that the reachable ``q`` nearest to the
        range ``q1 .. q0`` decides (condition C5 of the source, looked at on a grid of what the roster can reach);
        else the largest sensitivity at any ``q``, bounded cell by cell, since cost and reach both grow with ``q``."""
        values_G = self.sensitivity(self.grid_G[:-1])
        plateau = float(self.sensitivity(np.array([self.log_q1]))[0])
        if (np.diff(np.append(values_G, plateau)) >= -1e-9 * values_G).all():
            return None
        left_G, right_G = self.grid_G[:-1], self.grid_G[1:]
        rise_G = self.at(self._shifted(right_G, -1.0) + 1e-12) - self.at(left_G)
        drop_G = self.at(right_G) - self.at(self._shifted(left_G, 1.0))
        return max(plateau, float(rise_G.max()), float(drop_G.max()))

    def at(self, log_q_Q: FloatArray) -> FloatArray:
        """The 2018 bound up to ``q0``, the data-independent one beyond. Shape ``[Q]``."""
        bound_Q = gnmax_rdp(np.minimum(log_q_Q, 0.0), self.sigma, np.array([self.order]))[:, 0]
        return np.where(log_q_Q > self.log_q0, self.plain, bound_Q)

    def sensitivity(self, log_q_Q: FloatArray) -> FloatArray:
        """Bound on the change of the cost by one vote at ``q``. Algorithm 3 there. Shape ``[Q]``."""
        inside_Q = (log_q_Q >= self.log_q1) & (log_q_Q <= self.log_q0)
        log_q_Q = np.where(inside_Q, self.log_q1, log_q_Q)
        here_Q = self.at(log_q_Q)
        above_Q = np.where(inside_Q, self.plain, self.at(self._shifted(log_q_Q, -1.0)))
        return np.maximum(above_Q - here_Q, here_Q - self.at(self._shifted(log_q_Q, 1.0)))

    def _shifted(self, log_q_Q: FloatArray, sign: float) -> FloatArray:
        """``log((C-1)/2 erfc(erfcinv(2 q / (C-1)) + sign / sigma))``: every gap wider or narrower by two votes."""
        rivals = self.classes - 1
        z_Q = ndtri_exp(np.minimum(log_q_Q - math.log(rivals), -1e-12))
        shifted_Q: FloatArray = math.log(rivals) + log_ndtr(z_Q - sign * math.sqrt(2) / self.sigma)
        return shifted_Q


def log_q0(sigma: float, order: float) -> float:
    """``log q`` up to which the cost is the 2018 bound: where that meets the data-independent one, at most
    ``-max((1 + 1/sigma)^2, ((alpha - 0.99) / sigma)^2, 1 / sigma^2)``, below which theorem 6's conditions hold."""
    plain, orders_A = order / sigma**2, np.array([order])

    def helps(log_q: float) -> bool:
        return bool(gnmax_rdp(np.array([log_q]), sigma, orders_A)[0, 0] < plain)

    high = low = -max((1 + 1 / sigma) ** 2, ((order - 0.99) / sigma) ** 2, 1 / sigma**2)
    while not helps(low):
        low *= 1.5
        if low < -1e15:
            raise expected("noise and order at which the 2018 bound helps", "use a lower order", order=order)
    while high - low > 1e-13 * -low:
        middle = (low + high) / 2
        low, high = (middle, high) if helps(middle) else (low, middle)
    return low


def _confident_parts(event: PrivacyEvent) -> tuple[ConfidentGNMaxEvent | None, float]:
    """The event if it tests a threshold, and the noise of its argmax."""
    mechanism_law(event)  # refuses what has no data-dependent cost
    if isinstance(event, GNMaxEvent):
        return None, event.sigma
    if isinstance(event, ConfidentGNMaxEvent):
        return event, event.sigma
    raise expected("GNMax or ConfidentGNMax", "no smooth sensitivity is known for it", event=kind_of(event))


def _largest_costs(counts_QC: IntArray, teachers: int, sigma: float, order: float) -> FloatArray:
    """The largest cost of the argmax within distance ``d + 1``, shape ``[Q, T+1]``: votes go from the top to the second
    class, which raises ``q`` most."""
    sorted_QC = _sorted(counts_QC)
    cost = _Cost(sigma, order, sorted_QC.shape[1], teachers)
    out_QD = np.full((len(sorted_QC), teachers + 1), cost.plain)
    active_Q = np.arange(len(sorted_QC))
    for distance in range(teachers + 1):
        _away_from_the_top(sorted_QC, active_Q)
        log_q_Q = log_q_gnmax(sorted_QC[active_Q], sigma)
        close_Q = sorted_QC[active_Q, 0] <= sorted_QC[active_Q, 1]
        out_QD[active_Q, distance] = np.where(close_Q, cost.plain, cost.at(log_q_Q))
        active_Q = active_Q[~close_Q & (log_q_Q <= cost.log_q0)]
        if not active_Q.size:
            break
    return out_QD


def _every_top(teachers: int) -> FloatArray:
    """The possible top counts ``0 .. T``, one histogram each, shape ``[T+1, 1]``."""
    return np.arange(teachers + 1, dtype=np.float64)[:, None]


def _sorted(counts_QC: IntArray) -> FloatArray:
    """Each row downwards, as a copy to be changed."""
    return np.sort(np.asarray(counts_QC, dtype=np.float64), axis=1)[:, ::-1].copy()


def _away_from_the_top(sorted_QC: FloatArray, rows: IntArray) -> None:
    """One vote from the top to the second class."""
    sorted_QC[rows, 0] -= 1
    sorted_QC[rows, 1] += 1


def _towards_the_top(sorted_QC: FloatArray, rows: IntArray, teachers: int) -> npt.NDArray[np.bool_]:
    """One vote to the top, from the second class or, where that is empty, from an abstention; whether there was one."""
    second: npt.NDArray[np.bool_] = sorted_QC[rows, 1] > 0
    moved: npt.NDArray[np.bool_] = second | (sorted_QC[rows].sum(axis=1) < teachers)
    sorted_QC[rows, 0] += moved
    sorted_QC[rows, 1] -= second
    sorted_QC[rows, 1:] = np.sort(sorted_QC[rows, 1:], axis=1)[:, ::-1]
    return moved


def _within_reach(steps_S: FloatArray, top_Q: IntArray, teachers: int) -> FloatArray:
    """The largest of ``steps_S[v] = |f(v+1) - f(v)|`` that touch a top count within ``d`` of each query's, shape
    ``[Q, T+1]``."""
    distance_D = np.arange(teachers + 1)
    low_QD = np.clip(top_Q[:, None] - distance_D - 1, 0, teachers - 1)
    high_QD = np.clip(top_Q[:, None] + distance_D, 0, teachers - 1)
    return np.maximum.accumulate(np.maximum(steps_S[low_QD], steps_S[high_QD]), axis=1)

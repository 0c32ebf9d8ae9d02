"""Outcome laws of one release, ``GNMax``, ``LNMax`` or one query of ``ConfidentGNMax``, for a histogram and for
every neighbour of it.

Confident-GNMax is one mechanism with the outcomes ``0 .. C-1`` and refusal (index ``C``): the threshold test and
the argmax use independent noise, so ``P[j] = P[answered] P_argmax[j]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent, PrivacyEvent, kind_of
from pate.accounting.laws.argmax import law_tables
from pate.accounting.laws.noise import NoiseFamily, NoiseLaw
from pate.arrays import FloatArray, IntArray
from pate.errors import expected

LAW_ERROR = 2e-12
"""Largest error of a log-probability that the rounding of the exact curves allows for, nats."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MechanismLaw:
    """The noise of one release.

    Attributes:
        noise: noise on each count before the argmax.
        threshold: votes that the noisy top count must reach, or ``None`` where every query is answered.
        test_noise: noise on the top count in the threshold test, or ``None``.
    """

    noise: NoiseLaw
    threshold: float | None = None
    test_noise: NoiseLaw | None = None

    def __post_init__(self) -> None:
        if (self.threshold is None) != (self.test_noise is None):
            raise expected("a threshold and its noise together", "give both or neither", threshold=self.threshold)

    def log_answered_refused(self, top_X: IntArray) -> tuple[FloatArray, FloatArray]:
        """``(log P[answered], log P[refused])`` at these top counts; certain answers where there is no test."""
        if self.threshold is None or self.test_noise is None:
            return np.zeros(top_X.shape), np.full(top_X.shape, -np.inf)
        return self.test_noise.log_tails(self.threshold - top_X.astype(np.float64))


def mechanism_law(event: PrivacyEvent, *, continuous: bool = False) -> MechanismLaw:
    """The law of one release of an event.

    Args:
        event: ``GNMax``, ``LNMax`` or ``ConfidentGNMax`` (one of its queries).
        continuous: take the continuous noise of the literature instead of the discrete noise that is drawn.

    Raises:
        InputError: any other event, or one whose privacy unit moves several votes.
    """
    if not isinstance(event, (GNMaxEvent, LNMaxEvent, ConfidentGNMaxEvent)):
        remedy = "evaluate a composition release by release"
        raise expected("a GNMax, LNMax or ConfidentGNMax", remedy, event=kind_of(event))
    if event.moved_votes != 1:
        remedy = "only the data-independent accountants cover units in several partitions"
        raise expected("moved_votes == 1 for a data-dependent cost", remedy, moved_votes=event.moved_votes)
    normal: NoiseFamily = "gaussian" if continuous else "discrete-gaussian"
    if isinstance(event, LNMaxEvent):
        return MechanismLaw(noise=NoiseLaw(family="laplace" if continuous else "discrete-laplace", scale=event.scale))
    noise = NoiseLaw(family=normal, scale=event.sigma)
    if isinstance(event, GNMaxEvent):
        return MechanismLaw(noise=noise)
    test_noise = NoiseLaw(family=normal, scale=event.sigma_threshold)
    return MechanismLaw(noise=noise, threshold=event.threshold, test_noise=test_noise)


def require_fixed(fixed_in_advance: bool) -> None:
    """Raise ``InputError`` unless the query list was fixed before its first answer."""
    if not fixed_in_advance:
        raise expected(
            "a query list fixed in advance",
            "use a data-independent accountant for queries chosen after earlier answers",
            fixed_in_advance=False,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourLaws:
    """The outcome laws of one histogram and of its neighbours. Shapes: ``O`` outcomes, ``M`` neighbours.

    Attributes:
        log_p_O: the law of the histogram, nats; ``C`` answers, then refusal where the mechanism can refuse.
        log_q_MO: the law of each neighbour.
        from_M: the class that loses a vote, ``C`` for an abstention.
        to_M: the class that gains it, ``C`` for an abstention.
    """

    log_p_O: FloatArray
    log_q_MO: FloatArray
    from_M: IntArray
    to_M: IntArray


def neighbour_laws(
    mechanism: MechanismLaw, counts_C: IntArray, *, teachers: int, vote: int | None = None
) -> NeighbourLaws:
    """The laws of a histogram and of all histograms that one teacher's change can turn it into.

    Args:
        mechanism: the release.
        counts_C: votes per class.
        teachers: the roster; votes that sum to less mean abstentions.
        vote: the class that the changing teacher voted for (-1 for an abstention), or ``None`` for any teacher.
    """
    counts_C = np.asarray(counts_C, dtype=np.int64)
    from_M, to_M = all_moves(len(counts_C))
    if vote is not None:
        mine = from_M == vote % (len(counts_C) + 1)
        from_M, to_M = from_M[mine], to_M[mine]
    possible = possible_moves(counts_C[None], from_M, teachers)[0]
    from_M, to_M = from_M[possible], to_M[possible]
    tables = law_tables(counts_C[None], mechanism.noise)
    log_p_O, log_q_MO = tables.log_p_BC[0], tables.neighbour_laws(from_M[None], to_M[None])[0]
    if mechanism.threshold is not None:
        top_M = counts_C.max() + top_changes(counts_C[None], from_M, to_M)[0]
        log_p_O = _joint(log_p_O[None], *mechanism.log_answered_refused(counts_C.max()[None]))[0]
        log_q_MO = _joint(log_q_MO, *mechanism.log_answered_refused(top_M))
    return NeighbourLaws(log_p_O=log_p_O, log_q_MO=log_q_MO, from_M=from_M, to_M=to_M)


def all_moves(classes: int) -> tuple[IntArray, IntArray]:
    """Every ``(a, b)`` with ``a != b`` in ``0 .. C``, ``C`` for an abstention, ordered by ``a``."""
    a, b = np.divmod(np.arange((classes + 1) ** 2), classes + 1)
    return a[a != b], b[a != b]


def possible_moves(counts_BC: IntArray, from_M: IntArray, teachers: int) -> npt.NDArray[np.bool_]:
    """True for moves that some teacher can make, shape ``[B, M]``: a vote for ``a``, or an abstention."""
    voters_BA = np.concatenate([counts_BC, teachers - counts_BC.sum(axis=1, keepdims=True)], axis=1)
    return voters_BA[:, from_M] >= 1


def top_changes(counts_BC: IntArray, from_M: IntArray, to_M: IntArray) -> IntArray:
    """By how much each move changes the top count (-1, 0 or 1), shape ``[B, M]``."""
    top_B1 = counts_BC.max(axis=1, keepdims=True)
    with_nobody = np.concatenate([counts_BC, np.full_like(top_B1, -2)], axis=1)
    gains_BM = with_nobody[:, to_M] == top_B1
    alone_B1 = (counts_BC == top_B1).sum(axis=1, keepdims=True) == 1
    loses_BM = (with_nobody[:, from_M] == top_B1) & alone_B1 & (with_nobody[:, to_M] < top_B1 - 1)
    change_BM: IntArray = gains_BM.astype(np.int64) - loses_BM.astype(np.int64)
    return change_BM


def _joint(log_argmax_XC: FloatArray, log_answered_X: FloatArray, log_refused_X: FloatArray) -> FloatArray:
    return np.concatenate([log_argmax_XC + log_answered_X[:, None], log_refused_X[:, None]], axis=1)

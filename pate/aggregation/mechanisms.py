"""The mechanisms: what is drawn (``answer``) and what is charged (``worst_case_event``) from the same fields.

Each adds fresh integer noise to the counts and answers with the top class, ties to the lowest index. Public
parameters are fields, private votes are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from pate.accounting import events
from pate.accounting.sanitised.gap_sensitivity import largest_cost
from pate.accounting.sanitised.release import require_finite, sanitiser_noise
from pate.aggregation.noise import LARGEST_SCALE, NoiseSource, require_scale
from pate.arrays import IntArray
from pate.errors import expected

REFUSED = -1


class NoisyMax(Protocol):
    """A noisy-argmax mechanism."""

    def max_answers(self, queries: int) -> int:
        """The most answers other than refusals that a campaign on ``queries`` queries gives."""
        ...

    def worst_case_event(self, *, queries: int, moved_votes: int) -> events.PrivacyEvent:
        """Event of everything that a campaign on at most ``queries`` queries may release, for any votes."""
        ...

    def answer(self, counts_QC: IntArray, noise: NoiseSource, *, answers_left: int) -> IntArray:
        """Answers to a batch of queries, in order, stopping once ``answers_left`` have been given.

        Args:
            counts_QC: votes by class. Shape ``[Q, C]``.
            noise: source of noise.
            answers_left: number of answers other than refusals that the campaign may still give.

        Returns:
            A class index or ``REFUSED`` for each query asked; shorter than ``Q`` if the campaign ended.
        """
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GNMax:
    """``argmax_j (n_j + N_Z(0, sigma^2))`` (Papernot et al. 2018, section 4.1). Answers every query."""

    sigma: float

    def __post_init__(self) -> None:
        require_scale("sigma", self.sigma)

    def max_answers(self, queries: int) -> int:
        return queries

    def worst_case_event(self, *, queries: int, moved_votes: int) -> events.PrivacyEvent:
        return events.RepeatedEvent(event=events.GNMaxEvent(sigma=self.sigma, moved_votes=moved_votes), count=queries)

    def answer(self, counts_QC: IntArray, noise: NoiseSource, *, answers_left: int) -> IntArray:
        counts = counts_QC[:answers_left]
        return noisy_argmax(counts, noise.gaussian(self.sigma, counts.size))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LNMax:
    """``argmax_j (n_j + Lap_Z(scale))`` (Papernot et al. 2017, section 3.1). Answers every query."""

    scale: float

    def __post_init__(self) -> None:
        require_scale("scale", self.scale)

    def max_answers(self, queries: int) -> int:
        return queries

    def worst_case_event(self, *, queries: int, moved_votes: int) -> events.PrivacyEvent:
        return events.RepeatedEvent(event=events.LNMaxEvent(scale=self.scale, moved_votes=moved_votes), count=queries)

    def answer(self, counts_QC: IntArray, noise: NoiseSource, *, answers_left: int) -> IntArray:
        counts = counts_QC[:answers_left]
        return noisy_argmax(counts, noise.laplace(self.scale, counts.size))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentGNMax:
    """Confident-GNMax (Papernot et al. 2018, algorithm 1): refuse unless the noisy top count reaches a threshold.

    The argmax of an accepted query uses noise independent of the test's.

    Attributes:
        threshold: votes that the noisy top count must reach.
        sigma_threshold: noise of the test, votes.
        sigma: noise of the argmax, votes.
        max_answered: the campaign ends with this many answers.
    """

    threshold: float
    sigma_threshold: float
    sigma: float
    max_answered: int

    def __post_init__(self) -> None:
        require_scale("sigma_threshold", self.sigma_threshold)
        require_scale("sigma", self.sigma)

    def max_answers(self, queries: int) -> int:
        return min(self.max_answered, queries)

    def worst_case_event(self, *, queries: int, moved_votes: int) -> events.PrivacyEvent:
        return events.ConfidentGNMaxEvent(
            threshold=self.threshold,
            sigma_threshold=self.sigma_threshold,
            sigma=self.sigma,
            max_asked=queries,
            max_answered=self.max_answers(queries),
            moved_votes=moved_votes,
        )

    def answer(self, counts_QC: IntArray, noise: NoiseSource, *, answers_left: int) -> IntArray:
        if answers_left == 0:
            return np.empty(0, dtype=np.int64)
        test_noise_Q = noise.gaussian(self.sigma_threshold, len(counts_QC))
        accepted_Q = counts_QC.max(axis=1) + test_noise_Q >= self.threshold
        labels_Q = noisy_argmax(counts_QC, noise.gaussian(self.sigma, counts_QC.size))
        answers_Q: IntArray = np.where(accepted_Q, labels_Q, REFUSED)
        last = np.flatnonzero(accepted_Q)[:answers_left]
        return answers_Q if len(last) < answers_left else answers_Q[: last[-1] + 1]


def noisy_argmax(counts_QC: IntArray, noise: IntArray) -> IntArray:
    """The top class of each row after adding one draw to each count; ties go to the lowest index."""
    labels_Q: IntArray = np.argmax(counts_QC + noise.reshape(counts_QC.shape), axis=1)
    return labels_Q


def campaign_event(
    mechanism: NoisyMax, *, queries: int, moved_votes: int, sanitised: events.SanitisedReleaseEvent | None = None
) -> events.PrivacyEvent:
    """Event of everything that a campaign may release: its answers and, if declared, its estimate.

    Raises:
        InputError: an estimate that is impossible for this campaign; decided from public parameters alone.
    """
    answers = mechanism.worst_case_event(queries=queries, moved_votes=moved_votes)
    if sanitised is None:
        return answers
    require_possible(answers, sanitised, queries=queries)
    return events.ComposedEvent(events=(answers, sanitised))


def require_possible(answers: events.PrivacyEvent, sanitised: events.SanitisedReleaseEvent, *, queries: int) -> None:
    """Check, before votes exist, that an estimate can be drawn for any votes.

    Raises:
        InputError: no smooth sensitivity is known, no finite cost, or noise beyond what can be drawn.
    """
    each = estimable_query(answers)
    if each.moved_votes > 1:
        raise expected(
            "one vote moved by one privacy unit with privacy.sanitised",
            "set partition.group_size: 1 or remove privacy.sanitised",
            moved_votes=each.moved_votes,
        )
    require_finite(sanitised)
    widest = sanitiser_noise(sanitised, queries * largest_cost(each, sanitised.order))
    if max(widest.cost_sigma, widest.log_sigma) > LARGEST_SCALE:
        raise expected(
            "noise of a sanitised estimate that can be drawn, at most 2^50 steps of its grids",
            "lower privacy.sanitised.sigma_ss or tau_s",
            sigma_ss=sanitised.sigma_ss,
            tau_s=sanitised.tau_s,
        )


def estimable_query(answers: events.PrivacyEvent) -> events.GNMaxEvent | events.ConfidentGNMaxEvent:
    """Release of one query of a campaign that has a sanitised estimate."""
    each = events.one_query(answers)
    if isinstance(each, events.LNMaxEvent):
        raise expected(
            "gnmax or confident-gnmax with privacy.sanitised",
            "no smooth sensitivity is known for another mechanism; remove privacy.sanitised",
            mechanism=events.kind_of(each),
        )
    return each

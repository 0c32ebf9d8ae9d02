"""Campaigns planned for a budget before any data are touched: noise, threshold, counts and expected labels.

Plans rest on an assumed agreement of the teachers, which is an assumption about private data and must come from public
knowledge. Wrong assumptions make labels worse than planned; the privacy of the planned event does not depend on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import ndtr

from pate.accounting.data_independent.accountants import DEFAULT_ACCOUNTANT, data_independent_epsilon, rough_epsilon
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, PrivacyEvent, RepeatedEvent, kind_of
from pate.accounting.laws.argmax import output_laws
from pate.accounting.laws.noise import NoiseLaw
from pate.accounting.planning.calibration import (
    LOOSENESS,
    TEST_INFORMATION,
    argmax_information,
    calibrate,
    gaussian_budget,
    rounded_down,
)
from pate.arrays import FloatArray
from pate.errors import expected

_THRESHOLDS, _SHARES = 19, (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
_SMALLEST_EPSILON, _LARGEST_EPSILON, _BUDGET_TOLERANCE = 1e-3, 30.0, 0.005
_SPARE_QUERIES = 1.05  # so that noise in the number of answers rarely leaves labels missing


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedVotes:
    """Expected votes: kinds of queries, each with a share of its own.

    Attributes:
        teachers: number of teachers.
        classes: classes, at least 2.
        agreement: for each kind of query, the share of teachers that vote for the most voted class.
        share: for each kind, its share of all queries; sums to 1.
        runner_up: the share of the other votes that goes to one class, the rest being spread evenly; ``None``
            spreads all of them evenly.
    """

    teachers: int
    classes: int
    agreement: tuple[float, ...]
    share: tuple[float, ...] = (1.0,)
    runner_up: float | None = None

    def __post_init__(self) -> None:
        if self.teachers < 1 or self.classes < 2:
            raise expected("a teacher and two classes", "count them", teachers=self.teachers, classes=self.classes)
        if len(self.agreement) != len(self.share) or not all(0 <= part <= 1 for part in self.agreement):
            raise expected("an agreement in [0, 1] for every share", "give one each", agreement=self.agreement)
        if min(self.share) < 0 or not math.isclose(sum(self.share), 1.0, abs_tol=1e-6):
            raise expected("shares that sum to 1", "give the share of each kind of query", share=self.share)
        if self.runner_up is not None and not 0 <= self.runner_up <= 1:
            raise expected("a runner-up's share in [0, 1]", "leave it out to spread votes", runner_up=self.runner_up)

    def histograms(self) -> FloatArray:
        """Whole votes per class for each kind, the most voted class first. Shape ``[K, C]``."""
        rows = []
        for part in self.agreement:
            top = round(part * self.teachers)
            rest = self.teachers - top
            second = rest / (self.classes - 1) if self.runner_up is None else rest * self.runner_up
            shares = [second] + [(rest - second) / max(self.classes - 2, 1)] * (self.classes - 2)
            if self.classes == 2:
                shares = [float(rest)]
            ends = np.round(np.cumsum(shares))
            rows.append([top, *np.diff(ends, prepend=0)])
        return np.array(rows, dtype=np.float64)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPlan:
    """A campaign within a budget and its expected results.

    Attributes:
        event: the campaign; its counts are fixed in advance.
        epsilon: its data-independent cost, nats.
        delta: the failure probability of that cost.
        expected_answers: labels that the threshold tests should let through, before ``max_answered`` ends them.
        label_accuracy: probability that a released label is the teachers' most voted class.
    """

    event: PrivacyEvent
    epsilon: float
    delta: float
    expected_answers: float
    label_accuracy: float


def label_accuracy(votes: ExpectedVotes, sigma: float) -> FloatArray:
    """Probability that the noisy winner is the most voted class, for each kind of query. Shape ``[K]``."""
    log_p_KC = output_laws(votes.histograms().astype(np.int64), NoiseLaw(family="discrete-gaussian", scale=sigma))
    won_K: FloatArray = np.exp(log_p_KC[:, 0])
    return won_K


def answer_rate(votes: ExpectedVotes, threshold: float, sigma_threshold: float) -> FloatArray:
    """Probability that a query passes the threshold test, for each kind of query. Shape ``[K]``."""
    noise = NoiseLaw(family="discrete-gaussian", scale=sigma_threshold)
    passed_K: FloatArray = np.exp(noise.log_tails(threshold - votes.histograms().max(axis=1))[0])
    return passed_K


def outlook(
    event: PrivacyEvent,
    votes: ExpectedVotes,
    *,
    delta: float,
    accountant: str = DEFAULT_ACCOUNTANT,
    rough: bool = False,
) -> CampaignPlan:
    """Cost and expected labels of a campaign with this noise.

    Args:
        event: ``GNMax`` repeated, or ``ConfidentGNMax``.
        votes: how teachers are expected to vote.
        delta: failure probability.
        accountant: one of ``ACCOUNTANTS``.
        rough: take an upper bound on the cost that may lie 2% above it and takes less time.
    """
    answers, accuracy = _expected(event, votes)
    epsilon = (rough_epsilon if rough else data_independent_epsilon)(event, delta, accountant).epsilon
    return CampaignPlan(event=event, epsilon=epsilon, delta=delta, expected_answers=answers, label_accuracy=accuracy)


def plan_gnmax(
    votes: ExpectedVotes, *, labels: int, epsilon: float, delta: float, accountant: str = DEFAULT_ACCOUNTANT
) -> CampaignPlan:
    """The campaign that answers every one of ``labels`` queries with the least noise that the budget allows.

    Raises:
        InputError: a budget or count out of range.
    """
    event = calibrate(
        RepeatedEvent(event=GNMaxEvent(sigma=1.0), count=labels), epsilon=epsilon, delta=delta, accountant=accountant
    )
    return outlook(event, votes, delta=delta, accountant=accountant)


def plan_confident(
    votes: ExpectedVotes,
    *,
    labels: int,
    epsilon: float,
    delta: float,
    pool: int | None = None,
    accountant: str = DEFAULT_ACCOUNTANT,
) -> CampaignPlan:
    """The Confident-GNMax campaign that should release ``labels`` labels with the highest accuracy in the budget.

    Threshold and the split of the budget between tests and answers are searched on a grid with a Gaussian
    approximation of the cost; the chosen campaign's noise is then calibrated with the accountant.

    Args:
        votes: how teachers are expected to vote.
        labels: labels wanted.
        epsilon: the budget, nats.
        delta: its failure probability.
        pool: queries that can be asked at most; unlimited if ``None``.
        accountant: one of ``ACCOUNTANTS``.

    Raises:
        InputError: no threshold lets enough queries of the pool through.
    """
    budget = gaussian_budget(epsilon, delta) / LOOSENESS.get(accountant, 1.0)
    best = _best_confident(votes, labels, budget, delta, pool)
    if best is None:
        raise expected(
            "a pool that yields the labels", "ask more queries or want fewer labels", labels=labels, pool=pool
        )
    event = calibrate(best[1], epsilon=epsilon, delta=delta, accountant=accountant)
    return outlook(event, votes, delta=delta, accountant=accountant)


def least_epsilon(
    votes: ExpectedVotes,
    *,
    labels: int,
    accuracy: float,
    delta: float,
    confident: bool = False,
    pool: int | None = None,
    accountant: str = DEFAULT_ACCOUNTANT,
) -> CampaignPlan:
    """The reverse: the cheapest planned campaign whose expected label accuracy reaches a target.

    Accuracy depends on noise alone, so the most noise that reaches it is found without the accountant, which then
    gives its cost.

    Raises:
        InputError: no noise gives that accuracy.
    """

    def candidate(budget: float) -> tuple[float, PrivacyEvent] | None:
        if confident:
            return _best_confident(votes, labels, budget, delta, pool)
        sigma = rounded_down(math.sqrt(labels * argmax_information(labels, delta) / budget))
        event = RepeatedEvent(event=GNMaxEvent(sigma=sigma), count=labels)
        return _expected(event, votes)[1], event

    low, high = (gaussian_budget(epsilon, delta) for epsilon in (_SMALLEST_EPSILON, _LARGEST_EPSILON))
    best = candidate(high)
    if best is None or best[0] < accuracy:
        raise expected("an accuracy that some budget reaches", "more teachers or fewer labels", accuracy=accuracy)
    while high > low * (1 + _BUDGET_TOLERANCE):
        mid = math.sqrt(low * high)
        found = candidate(mid)
        if found is not None and found[0] >= accuracy:
            high, best = mid, found
        else:
            low = mid
    return outlook(best[1], votes, delta=delta, accountant=accountant)


def _best_confident(
    votes: ExpectedVotes, labels: int, budget: float, delta: float, pool: int | None
) -> tuple[float, ConfidentGNMaxEvent] | None:
    """The campaign with the best labels on a grid of thresholds and splits of the budget, and their accuracy."""
    best: tuple[float, ConfidentGNMaxEvent] | None = None
    answers = labels * argmax_information(labels, delta)
    top_K, share_K = votes.histograms().max(axis=1), np.asarray(votes.share)
    for share in _SHARES:
        sigma = rounded_down(math.sqrt(answers / ((1 - share) * budget)))
        accuracy_K = label_accuracy(votes, sigma)
        for threshold in np.unique(np.round(votes.teachers * np.linspace(0.1, 1.0, _THRESHOLDS))).tolist():
            asking = _asking(votes, labels, share * budget, threshold, pool)
            if asking is None:
                continue
            asked, sigma_threshold = asking
            passed_K = share_K * _about_answered(threshold - top_K, sigma_threshold)
            accuracy = float(passed_K @ accuracy_K) / max(float(passed_K.sum()), 1e-300)
            if best is None or accuracy > best[0] + 1e-9:
                event = ConfidentGNMaxEvent(
                    threshold=threshold,
                    sigma_threshold=sigma_threshold,
                    sigma=sigma,
                    max_asked=asked,
                    max_answered=labels,
                )
                best = accuracy, event
    return best and (_expected(best[1], votes)[1], best[1])


def _asking(
    votes: ExpectedVotes, labels: int, budget: float, threshold: float, pool: int | None
) -> tuple[int, float] | None:
    """Number of queries that have to be asked, and the noise of the tests that ``budget`` then pays for; ``None``
    where the pool does not suffice."""
    asked = wanted = float(labels)
    sigma_threshold = math.inf
    steps_K = threshold - votes.histograms().max(axis=1)
    for _ in range(30):
        sigma_threshold = rounded_down(math.sqrt(asked * TEST_INFORMATION / budget))
        rate = float(np.dot(votes.share, _about_answered(steps_K, sigma_threshold)))
        wanted = labels * _SPARE_QUERIES / max(rate, 1e-9) if rate < 1 / _SPARE_QUERIES else labels * 1.0
        if wanted > (pool or 1e7):
            return None
        if abs(wanted - asked) < 0.5:
            break
        asked = (asked + wanted) / 2
    return max(labels, math.ceil(wanted)), sigma_threshold


def _about_answered(steps_K: FloatArray, sigma: float) -> FloatArray:
    """``P[Z >= step]`` by the normal law with a continuity correction, for searches."""
    passed_K: FloatArray = ndtr((0.5 - np.ceil(steps_K)) / sigma)
    return passed_K


def _expected(event: PrivacyEvent, votes: ExpectedVotes) -> tuple[float, float]:
    """Expected answers and the accuracy of a released label."""
    share_K = np.asarray(votes.share)
    if isinstance(event, ConfidentGNMaxEvent):
        passed_K = share_K * answer_rate(votes, event.threshold, event.sigma_threshold)
        accuracy = float(passed_K @ label_accuracy(votes, event.sigma)) / max(float(passed_K.sum()), 1e-300)
        return event.max_asked * float(passed_K.sum()), accuracy
    if isinstance(event, RepeatedEvent) and isinstance(event.event, GNMaxEvent):
        return float(event.count), float(share_K @ label_accuracy(votes, event.event.sigma))
    raise expected("a planned campaign", "GNMax repeated or Confident-GNMax", event=kind_of(event))

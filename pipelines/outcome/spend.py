"""The cost of a campaign and its spend against queries asked, and their record for the tracker."""

from __future__ import annotations

import numpy as np

from pate.accounting import EpsilonBound, PrivacyEvent, data_independent_epsilon
from pate.aggregation import Answers, campaign_event
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.tracking.tracker import Tracker

CURVE_POINTS = 10


def cost_of(config: Config, answers: Released[Answers]) -> Released[EpsilonBound]:
    """Bound on the released labels: the full charge before the first answer.

    Where some inputs had been answered before, under campaigns with other settings, it is everything that was
    ever charged to the data.
    """
    content = answers.value
    return Released.public(config.campaign_epsilon() if content.event == config.campaign_event() else content.total)


def spend_curve(config: Config, answers: Released[Answers]) -> Released[list[dict[str, float]]]:
    """Epsilon against queries asked, data-independent.

    ``spent`` is ``cost_of`` in every row, since all of it is charged before the first query and nothing is refunded.
    ``planned`` is the cost of a campaign of that many queries, with its sanitised estimate; the campaign itself costs
    more than its last ``planned`` if it ended before it had asked everything.

    Returns:
        Rows of ``asked``, ``answered``, ``planned`` and ``spent``, at most ``CURVE_POINTS``.
    """
    mechanism = config.labelling.mechanism.build()
    spent = cost_of(config, answers).value.epsilon
    given_Q = np.cumsum(answers.value.labels_Q >= 0)
    steps = np.unique(np.linspace(1, max(1, answers.value.asked), CURVE_POINTS).astype(int))
    rows = []
    for asked in steps.tolist():
        planned = campaign_event(
            mechanism, queries=asked, moved_votes=config.partition.group_size, sanitised=config.sanitised_release()
        )
        row = {"asked": asked, "answered": int(given_Q[asked - 1])}
        rows.append({**row, "planned": _epsilon(config, planned), "spent": spent})
    return Released.public(rows)


def _epsilon(config: Config, event: PrivacyEvent) -> float:
    return data_independent_epsilon(event, config.privacy.delta, config.privacy.accountant).epsilon


def track_spend(tracker: Tracker, config: Config, answers: Released[Answers]) -> None:
    """Record the spend of a campaign: the totals under the run itself, the rest under its labels phase.

    The steps of every curve are queries asked. ``epsilon_spent`` is the charge for the answers, in full from the first
    query on; ``cost_by_queries`` the cost of a campaign of that many queries. Both are data-independent.
    """
    rows = spend_curve(config, answers).value
    spend = [(int(row["asked"]), {"epsilon_spent": row["spent"], "cost_by_queries": row["planned"]}) for row in rows]
    tracker.curve(Released.public(spend))
    tracker.metrics(answers.map(_totals))
    with tracker.phase("labels") as labels:
        given = [(int(row["asked"]), _given(row["asked"], row["answered"])) for row in rows]
        labels.curve(Released.public(given))
        labels.metrics(answers.map(_label_counts))


def _totals(answers: Answers) -> dict[str, float]:
    """At the end; ``epsilon_account`` is everything ever charged to the data."""
    return {
        "queries_asked": answers.asked,
        "queries_answered": answers.answered,
        "queries_refused": answers.refused,
        "epsilon_account": answers.total.epsilon,
    }


def _given(asked: float, answered: float) -> dict[str, float]:
    return {"queries_answered": answered, "queries_refused": asked - answered}


def _label_counts(answers: Answers) -> dict[str, float]:
    """Number of released labels of each class."""
    counts_C = np.bincount(answers.labels_Q[answers.labels_Q >= 0])
    return {f"label_count_{label}": int(count) for label, count in enumerate(counts_C)}

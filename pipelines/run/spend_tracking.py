"""What the tracker is told about a campaign's spend: charge against queries asked, answers, refusals, labels."""

from __future__ import annotations

import numpy as np

from pate.aggregation import Answers
from pate.values import Released
from pipelines.config.experiment import Config
from pipelines.run.labels import spend_curve
from pipelines.tracking.tracker import Tracker


def track_spend(tracker: Tracker, config: Config, answers: Released[Answers]) -> None:
    """Record the spend of a campaign: what the run shows under the run itself, the rest under its labels phase.

    The steps of every curve are queries asked. ``epsilon_spent`` is what the answers were charged, all of it from the
    first query on; ``cost_by_queries`` what a campaign of so many queries would cost. Both are data-independent.
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
    """How often each class was released."""
    counts_C = np.bincount(answers.labels_Q[answers.labels_Q >= 0])
    return {f"label_count_{label}": int(count) for label, count in enumerate(counts_C)}

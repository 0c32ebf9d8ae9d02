"""The content of the report as plain JSON, with all numbers of its pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pate.accounting import (
    ACCOUNTANTS,
    ComposedEvent,
    EpsilonBound,
    PrivacyEvent,
    data_independent_epsilon,
    gaussian_rdp,
)
from pate.accounting.data_independent.account_rule import AccountRule, accountant_of
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import to_dict
from pate.report import meaning, words
from pate.report.answers import answers
from pate.report.facts import PrivacyReport
from pate.report.first_page import own_limits

FORMAT = "pate-privacy-report-1"
DELTAS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
ORDERS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0)
PRIORS = (0.5, 0.01)
ALARMS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, meaning.FALSE_ALARM, *(step / 50 for step in range(3, 51)))
GROUPS = (2, 3, 4)
MOST_CHARGES = 12
"""Charges shown individually; earlier ones are summed in the first row."""
_COPIED = (
    "run_id", "created", "configuration", "description", "task", "data_id", "benchmark", "secure_noise", "unit",
    "moved_votes", "partition", "retention_days", "budget", "ledger", "teachers_enrolled", "teachers_lost", "pool",
    "asked", "answered", "refused", "batch_size",
)  # fmt: skip


def content_of(report: PrivacyReport) -> dict[str, Any]:
    """Content of the report, ready for JSON."""
    total = _total_of(report)
    curve = meaning.curve_through(lambda delta: total(report.charges, delta))
    content: dict[str, Any] = {
        "format": FORMAT,
        **{name: getattr(report, name) for name in _COPIED},
        "classes": list(report.classes),
        "neighbouring_relation": report.neighbours,
        "campaign": _bound(report.campaign),
        "total": _bound(report.total),
        "budget_left": max(0.0, report.budget - report.total.epsilon) if report.left is None else report.left,
        "sanitised": None if report.sanitised is None else asdict(report.sanitised),
        "epsilon_by_delta": _by_delta(report),
        "privacy_curve": [
            {"epsilon": float(e), "delta": float(d)} for e, d in zip(curve.epsilon_K, curve.delta_K, strict=True)
        ],
        "renyi": _renyi(report),
        "meaning": _meaning(curve, report.total),
        "mechanism": {**report.mechanism, "in_words": words.describe(report.event), "event": to_dict(report.event)},
        "noise_source": words.NOISE[report.secure_noise],
        "composition": words.composition(report.total.accountant),
        "charges": _charges(report),
        "schedule": list(words.SCHEDULE),
        "spend": [dict(row) for row in report.spend],
        "trust_model": words.TRUST,
        "side_channels": list(words.SIDE_CHANNELS),
        "overlap_assumption": words.OVERLAP,
        "not_covered": list(words.NOT_COVERED),
        "own_parts": dict(report.own_parts),
        "student": dict(report.student),
        "evaluation": dict(report.evaluation),
        "comparable": [dict(row) for row in report.comparable],
        "public_data": [dict(row) for row in report.public_data],
        "tuning": list(report.tuning),
        "audit": None if report.audit is None else dict(report.audit),
        "versions": dict(report.versions),
        "commit": report.commit,
        "alarms": list(report.alarms),
        "declared": dict(report.declared),
    }
    return {**content, "own_limits": own_limits(content), "questions": answers(content)}


def _bound(bound: EpsilonBound) -> dict[str, Any]:
    return {name: value for name, value in asdict(bound).items() if name != "order"}


def _rule(report: PrivacyReport) -> AccountRule:
    """The account's rule; the name of its total states which of its bounds applies."""
    return AccountRule(
        epsilon=report.budget, delta=report.total.delta, accountant=accountant_of(report.campaign.accountant)
    )


def _total_of(report: PrivacyReport) -> Callable[[Sequence[PrivacyEvent], float], float]:
    """Epsilon of campaigns at a delta by the rule that holds the account's total."""
    rule, name = _rule(report), report.total.accountant
    return lambda campaigns, delta: rule.epsilon_by(name, campaigns, delta)


def _by_delta(report: PrivacyReport) -> list[dict[str, float | None]]:
    """Epsilon of campaign and total at the budget's delta and at powers of ten."""
    total = _total_of(report)
    return [
        {
            "delta": delta,
            "campaign": _campaign_at(report, delta),
            "total": _finite(total(report.charges, delta)),
        }
        for delta in sorted({*DELTAS, report.total.delta}, reverse=True)
    ]


def _campaign_at(report: PrivacyReport, delta: float) -> float | None:
    """Epsilon of the campaign; of all charges, if it reuses earlier answers."""
    if report.campaign.accountant in ACCOUNTANTS:
        return _epsilon(report.event, delta, report.campaign.accountant)
    return _finite(_total_of(report)(report.charges, delta))


def _epsilon(event: PrivacyEvent, delta: float, accountant: str) -> float | None:
    return _finite(data_independent_epsilon(event, delta, accountant).epsilon)


def _finite(value: float) -> float | None:
    """JSON has no infinity: ``null`` is written where there is no bound."""
    return value if math.isfinite(value) else None


def _renyi(report: PrivacyReport) -> dict[str, Any]:
    """RDP cost of all charges, at orders where the total's rule gives a bound."""
    orders_A, name = np.array(ORDERS), report.total.accountant
    if name in ACCOUNTANTS:
        curve, name = (gaussian_rdp, name) if name == "gaussian" else (worst_case_rdp, "worst_case_rdp")
        cost_A = curve(ComposedEvent(events=tuple(report.charges)), orders_A).rdp_A
    else:
        cost_A = _rule(report).filter.rdp(report.charges, orders_A)
    rows = [{"order": order, "cost": _finite(float(cost))} for order, cost in zip(ORDERS, cost_A, strict=True)]
    return {"accountant": name, "rows": rows}


def _meaning(curve: meaning.GuaranteeCurve, total: EpsilonBound) -> dict[str, Any]:
    """Bounds on an attacker's inference from all charged releases."""
    log_odds = meaning.largest_log_odds(curve, total.delta)
    missed = meaning.false_negatives(curve, np.array(ALARMS))
    return {
        "failure": total.delta,
        "largest_log_odds": _finite(log_odds),
        "largest_odds_factor": _finite(math.exp(min(log_odds, 700.0)) if math.isfinite(log_odds) else math.inf),
        "posteriors": [
            {
                "prior": prior,
                "lowest": meaning.posterior(prior, -log_odds) if math.isfinite(log_odds) else 0.0,
                "highest": meaning.posterior(prior, log_odds) if math.isfinite(log_odds) else 1.0,
            }
            for prior in PRIORS
        ],
        "best_guess": [
            {"prior": prior, "without": 1 - prior, "with": meaning.best_guess(curve, prior)} for prior in PRIORS
        ],
        "attack": meaning.attack(curve),
        "trade_off": [
            {"false_positive": alarm, "false_negative": float(miss)} for alarm, miss in zip(ALARMS, missed, strict=True)
        ],
        "groups": [
            {"units": size, "epsilon": _finite(meaning.group_epsilon(curve, size, total.delta)), "delta": total.delta}
            for size in GROUPS
        ],
    }


def _charges(report: PrivacyReport) -> list[dict[str, Any]]:
    """Charges in order, with the cost of each and the cumulative cost."""
    delta, events, total = report.total.delta, list(report.charges), _total_of(report)
    first = max(1, len(events) - MOST_CHARGES + 1)
    rows = []
    for count in range(first, len(events) + 1):
        event = events[count - 1]
        alone = data_independent_epsilon(event, delta, accountant_of(report.campaign.accountant)).epsilon
        after = alone if count == 1 else total(events[:count], delta)
        rows.append(
            {
                "campaigns": count if count == first else 1,
                "in_words": f"the first {count} campaigns" if count == first > 1 else words.describe(event),
                "alone": after if count == first > 1 else alone,
                "after": after,
            }
        )
    return rows

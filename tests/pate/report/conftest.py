"""Reports that need no run: one with everything in it, one with as little as there can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pate.accounting import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    data_independent_epsilon,
)
from pate.accounting.events import SanitisedReleaseEvent
from pate.accounting.sanitised.release import SanitisedEstimate
from pate.report import PrivacyReport
from pate.report.words import neighbours
from pate.student.calibration import calibration

DELTA, ACCOUNTANT = 1e-5, "gaussian"
EARLIER = RepeatedEvent(event=GNMaxEvent(sigma=60.0), count=100)


def campaign_event(asked: int = 640, answered: int = 286) -> ConfidentGNMaxEvent:
    return ConfidentGNMaxEvent(
        threshold=200.0, sigma_threshold=150.0, sigma=40.0, max_asked=asked, max_answered=answered
    )


def bound(event: PrivacyEvent) -> Any:
    return data_independent_epsilon(event, DELTA, ACCOUNTANT)


def spend() -> list[dict[str, float]]:
    charged = bound(campaign_event(600, 286)).epsilon
    return [
        {
            "asked": asked,
            "answered": max(1, asked * 4 // 10),
            "planned": bound(campaign_event(asked, min(asked, 286))).epsilon,
            "spent": charged,
        }
        for asked in (1, 100, 200, 400, 600)
    ]


def evaluation() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    proba_NC = rng.dirichlet([2.0, 0.5, 0.5], size=400)
    labels_N = np.array([rng.choice(3, p=row) for row in proba_NC])
    groups = calibration(proba_NC, labels_N)
    return {
        "count": 400,
        "accuracy": float((proba_NC.argmax(axis=1) == labels_N).mean()),
        "log_loss": 0.71,
        "intervals_over": "units",
        "figures": [
            {"name": "accuracy", "value": 0.81, "low": 0.77, "high": 0.85},
            {"name": "balanced accuracy", "value": 0.7, "low": None, "high": None},
        ],
        "calibration": [{name: getattr(row, name) for name in row.__slots__} for row in groups],
        "classes": [
            {"class": "healthy", "count": 300, "right": 0.91},
            {"class": "mild", "count": 100, "right": 0.6},
            {"class": "severe", "count": 0, "right": None},
        ],
    }


def finding(**changes: Any) -> dict[str, Any]:
    return {
        "mechanism": "GNMax(sigma=2.0)", "pair": "argmax", "samples": 20_000, "queries": 2, "delta": 0.01,
        "confidence": 1 - 1e-6, "lower": 0.61, "exact": 0.93, "claim": 0.98, "accountant": "worst_case",
        "broken": False, **changes,
    }  # fmt: skip


@pytest.fixture(scope="session")
def full() -> PrivacyReport:
    """A third campaign on a ward's data, with a sanitised estimate, other runs to compare with, and an audit."""
    sanitised = SanitisedReleaseEvent(order=14.0, beta=0.02, sigma_ss=5.0, tau_s=0.2)
    event = ComposedEvent(events=(campaign_event(), sanitised))
    charges = [EARLIER, RepeatedEvent(event=GNMaxEvent(sigma=50.0), count=40), event]
    estimate = SanitisedEstimate(release=sanitised, cost_steps=12_000, width_steps=-2400, basis="papernot18")
    mark = "0123456789abcdef" * 4
    return PrivacyReport(
        run_id="ward-7-1a2b3c4d", created="2026-01-02T03:04:05+00:00", configuration=mark,
        description="Which patients are seen first.", task="severity of illness",
        classes=["healthy", "mild", "severe"], data_id="ward-7", benchmark=False, secure_noise=True, unit="patient",
        neighbours=neighbours("patient", ids=True, within_site=True), moved_votes=1,
        partition="each privacy unit's records go to one teacher of its own site", retention_days=30,
        mechanism={"kind": "confident-gnmax", "threshold": 200.0, "sigma_threshold": 150.0, "sigma": 40.0},
        event=event, campaign=bound(event), charges=charges, total=bound(ComposedEvent(events=tuple(charges))),
        budget=8.0,
        ledger=f"27:{mark}", teachers_enrolled=250, teachers_lost=2, pool=9000, asked=600, answered=240, refused=360,
        batch_size=1000, spend=spend(), student={"learner": "fixmatch", "network": "cnn"}, evaluation=evaluation(),
        comparable=[
            {"run_id": f"ward-7-{n}", "epsilon": e, "delta": DELTA, "accountant": "worst_case", "accuracy": a,
             "records": 400}
            for n, (e, a) in enumerate([(1.2, 0.71), (4.0, 0.83)])
        ],
        public_data=[
            {"name": "table-pool", "records": 9000, "fingerprint": mark[:32], "origin": "files named as public"},
            {"name": "table-evaluation", "records": 400, "fingerprint": mark[:32], "origin": "files named as public"},
        ],
        tuning=["Settings were fixed before the first vote."],
        audit={"created": "2026-01-01T00:00:00+00:00", "pate": "0.1.0", "findings": [
            finding(), finding(mechanism="LNMax(scale=1.5)", lower=0.3),
            finding(mechanism="ConfidentGNMax(threshold=40.0, sigma_threshold=2.0, sigma=2.0)", pair="threshold")]},
        versions={"python": "3.11", "pate": "0.1.0"},
        sanitised=estimate.epsilon(DELTA),
    )  # fmt: skip


@pytest.fixture(scope="session")
def bare(full: PrivacyReport) -> PrivacyReport:
    """A first campaign: no earlier charge, no estimate, no audit, nothing to compare with; on a benchmark, seeded."""
    event = RepeatedEvent(event=GNMaxEvent(sigma=5.0), count=40)
    return replace(
        full, event=event, campaign=bound(event), charges=[event], total=bound(event), budget=10.0, sanitised=None,
        mechanism={"kind": "gnmax", "sigma": 5.0}, asked=40, answered=40, refused=0, audit=None, comparable=[],
        benchmark=True, secure_noise=False, retention_days=None, description="",
        spend=[{"asked": n, "answered": n, "planned": n / 5, "spent": n / 5} for n in (1, 20, 40)],
    )  # fmt: skip

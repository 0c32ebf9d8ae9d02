from __future__ import annotations

import pytest

from pate.accounting.data_independent.accountants import data_independent_epsilon
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
)
from pate.accounting.planning.calibration import calibrate, gaussian_budget, most_releases, scaled
from pate.errors import InputError

CAMPAIGN = ConfidentGNMaxEvent(threshold=40, sigma_threshold=30.0, sigma=10.0, max_asked=80, max_answered=40)
EVENTS: dict[str, PrivacyEvent] = {
    "gnmax": RepeatedEvent(event=GNMaxEvent(sigma=1.0), count=30),
    "lnmax": RepeatedEvent(event=LNMaxEvent(scale=1.0), count=100),
    "campaign": CAMPAIGN,
    "two votes": RepeatedEvent(event=GNMaxEvent(sigma=3.0, moved_votes=2), count=10),
    "both": ComposedEvent(events=(CAMPAIGN, RepeatedEvent(event=LNMaxEvent(scale=20.0), count=10))),
}


def epsilon(event: PrivacyEvent, accountant: str, delta: float = 1e-5) -> float:
    return data_independent_epsilon(event, delta, accountant).epsilon


@pytest.mark.parametrize("accountant", ["gaussian", pytest.param("worst_case", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", EVENTS)
def test_calibrated_noise_meets_the_budget_and_little_less_does_not(name: str, accountant: str) -> None:
    event = calibrate(EVENTS[name], epsilon=2.0, delta=1e-5, accountant=accountant)
    assert epsilon(event, accountant) <= 2.0
    assert epsilon(scaled(event, 0.995), accountant) > 2.0


def test_ratios_counts_and_threshold_are_kept() -> None:
    event = calibrate(CAMPAIGN, epsilon=1.0, delta=1e-6, accountant="gaussian")
    assert isinstance(event, ConfidentGNMaxEvent)
    assert event.sigma_threshold / event.sigma == pytest.approx(3.0, rel=1e-4)
    assert (event.max_asked, event.max_answered, event.threshold) == (80, 40, 40)


@pytest.mark.parametrize("target", [0.05, 30.0])
def test_small_and_large_budgets(target: float) -> None:
    event = calibrate(EVENTS["gnmax"], epsilon=target, delta=1e-6, accountant="gaussian")
    assert target * 0.98 <= epsilon(event, "gaussian", 1e-6) <= target


def test_tight_accounting_needs_less_noise() -> None:
    tight, plain = (
        calibrate(EVENTS["gnmax"], epsilon=1.0, delta=1e-5, accountant=name) for name in ("worst_case", "gaussian")
    )
    assert isinstance(tight, RepeatedEvent)
    assert isinstance(plain, RepeatedEvent)
    assert isinstance(tight.event, GNMaxEvent)
    assert isinstance(plain.event, GNMaxEvent)
    assert tight.event.sigma < 0.78 * plain.event.sigma


@pytest.mark.parametrize(
    "accountant", ["gaussian", "worst_case_rdp", pytest.param("worst_case", marks=pytest.mark.slow)]
)
def test_most_releases_is_the_last_affordable_count(accountant: str) -> None:
    one = GNMaxEvent(sigma=20.0)
    count = most_releases(one, epsilon=1.0, delta=1e-5, accountant=accountant)
    assert epsilon(RepeatedEvent(event=one, count=count), accountant) <= 1.0
    assert epsilon(RepeatedEvent(event=one, count=count + 1), accountant) > 1.0
    assert most_releases(one, epsilon=0.01, delta=1e-9, accountant=accountant) == 0


def test_unusable_budgets_are_refused() -> None:
    for budget, delta in ((0.0, 1e-5), (float("inf"), 1e-5), (1.0, 0.0)):
        with pytest.raises(InputError):
            calibrate(CAMPAIGN, epsilon=budget, delta=delta)
    with pytest.raises(InputError):
        most_releases(ComposedEvent(events=()), epsilon=1.0, delta=1e-5)
    assert calibrate(ComposedEvent(events=()), epsilon=1.0, delta=1e-5) == ComposedEvent(events=())


def test_gaussian_budget_inverts_the_analytic_gaussian_curve() -> None:
    """Balle and Wang (2018): sensitivity 1 at (1.0, 1e-5) needs sigma = 3.730631634816 (their published code)."""
    assert gaussian_budget(1.0, 1e-5) ** -0.5 == pytest.approx(3.730631634816, rel=1e-6)

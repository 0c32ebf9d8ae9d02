"""An account's total in the report: by which rule it holds, at every delta, and what is left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pate.accounting import GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.accounting.data_independent.account_rule import AccountRule
from pate.report import PrivacyReport, to_html
from pate.report.content import content_of
from pate.values import Released

FORTY = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=40)


def with_total(report: PrivacyReport, accountant: str, *, budget: float = 5.0, charges: int = 3) -> PrivacyReport:
    """The same report of an account that is held by its rule."""
    rule = AccountRule(epsilon=budget, delta=1e-5, accountant=accountant)
    events = (FORTY,) * charges
    own = data_independent_epsilon(FORTY, 1e-5, accountant)
    return replace(
        report, event=FORTY, campaign=own, charges=events, total=rule.total(events), budget=budget,
        left=rule.left(events),
    )  # fmt: skip


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp", "gaussian"])
def test_a_filtered_total_is_the_rules_at_every_delta(bare: PrivacyReport, accountant: str) -> None:
    report = with_total(bare, accountant)
    rule = AccountRule(epsilon=5.0, delta=1e-5, accountant=accountant)
    content = content_of(report)
    assert content["total"]["accountant"] == rule.filter.name
    assert content["budget_left"] == report.left < 5.0 - report.campaign.epsilon
    for row in content["epsilon_by_delta"]:
        wanted = rule.filter.epsilon(report.charges, row["delta"])
        assert row["total"] == (pytest.approx(wanted) if wanted < 1e9 else None)
        assert row["campaign"] < row["total"]
    after = [row["after"] for row in content["charges"]]
    assert after[0] == report.campaign.epsilon
    assert after[-1] == report.total.epsilon
    assert after == sorted(after)
    assert "may have been chosen after earlier answers were seen" in content["composition"]


@pytest.mark.parametrize("accountant", ["worst_case", "gaussian"])
def test_the_guarantee_curve_of_a_filtered_total_goes_through_its_figure(bare: PrivacyReport, accountant: str) -> None:
    content = content_of(with_total(bare, accountant))
    total = content["total"]
    points = content["privacy_curve"]
    beyond = [point for point in points if point["epsilon"] > total["epsilon"] * 1.2]
    before = [point for point in points if point["epsilon"] < total["epsilon"] * 0.8]
    assert all(point["delta"] < total["delta"] for point in beyond)
    assert all(point["delta"] > total["delta"] for point in before)
    assert content["renyi"]["rows"][0]["cost"] is not None
    assert content["renyi"]["accountant"] == total["accountant"]


def test_one_campaign_is_reported_as_ever(bare: PrivacyReport) -> None:
    report = with_total(bare, "worst_case", charges=1)
    content = content_of(report)
    assert content["total"]["epsilon"] == content["campaign"]["epsilon"]
    assert content["total"]["accountant"] == "worst_case"
    assert "fixed before the first answer" in content["composition"]


def test_a_total_that_no_filter_held_says_so(bare: PrivacyReport) -> None:
    report = with_total(bare, "worst_case", budget=0.8)
    content = content_of(report)
    assert content["total"]["accountant"] == "exceeded gdp_filter(worst_case)"
    assert content["total"]["epsilon"] > 0.8
    assert content["budget_left"] == 0
    assert "not enforced beforehand" in content["composition"]
    assert "exceeded gdp_filter(worst_case)" in to_html(Released.public(report))


def test_a_report_of_a_run_from_before_is_what_it_was(bare: PrivacyReport) -> None:
    """Its total was composed as a whole, and it does not know what was left."""
    events = (FORTY, FORTY)
    total = data_independent_epsilon(RepeatedEvent(event=FORTY.event, count=80), 1e-5, "worst_case")
    own = data_independent_epsilon(FORTY, 1e-5, "worst_case")
    content = content_of(replace(bare, event=FORTY, campaign=own, charges=events, total=total, budget=2.0))
    assert content["budget_left"] == 2.0 - total.epsilon
    assert content["charges"][-1]["after"] == total.epsilon


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp", "gaussian"])
@pytest.mark.parametrize("budget", [1.5, 40.0, 400.0])
def test_the_page_shows_every_kind_of_total(bare: PrivacyReport, accountant: str, budget: float) -> None:
    report = with_total(bare, accountant, budget=budget)
    assert report.total.accountant in to_html(Released.public(report))

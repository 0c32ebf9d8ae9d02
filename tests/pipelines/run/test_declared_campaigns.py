"""Campaigns that are declared with the budget in the configuration, and what they leave for others."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pate.accounting import ComposedEvent, GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.data import Study
from pate.errors import InputError
from pipelines.config.experiment import Config, load
from pipelines.data.sources import load_study
from pipelines.run.labels import account_of

SMOKE = yaml.safe_load((Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text())
OWN = {"mechanism": {"kind": "gnmax", "sigma": 5}, "max_asked": 40}
LATER = {"mechanism": {"kind": "gnmax", "sigma": 40}, "max_asked": 60}
EVENTS = (RepeatedEvent(event=GNMaxEvent(sigma=5.0), count=40), RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=60))


def configured(folder: Path, campaigns: list[object] | None, **privacy: object) -> Config:
    content = {**SMOKE, "privacy": {**SMOKE["privacy"], **privacy}}
    if campaigns is not None:
        content["privacy"]["campaigns"] = campaigns
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump(content))
    return load(path)


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(load(Path(__file__).parents[3] / "configs" / "smoke.yaml"))


def test_the_account_knows_what_was_declared(tmp_path: Path, study: Study) -> None:
    assert account_of(configured(tmp_path, [OWN, LATER]), study).declared == EVENTS
    assert account_of(configured(tmp_path, None), study).declared == ()


def test_a_run_that_declares_nothing_keeps_its_id(tmp_path: Path) -> None:
    without, empty, declared = (configured(tmp_path, part) for part in (None, [], [OWN, LATER]))
    assert "campaigns" not in without.content()["privacy"]
    assert without.run_id == empty.run_id != declared.run_id


def test_more_than_the_budget_cannot_be_declared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected privacy\.campaigns within privacy\.epsilon=10 together"):
        configured(tmp_path, [OWN, OWN, OWN, LATER])


def test_a_campaign_beside_a_declaration_that_uses_the_budget_up_is_refused(tmp_path: Path) -> None:
    whole = data_independent_epsilon(ComposedEvent(events=EVENTS), 1e-5, "worst_case").epsilon
    tight = {"accountant": "worst_case", "epsilon": whole}
    assert configured(tmp_path, [OWN, LATER], **tight).account_rule().bound
    other = {"mechanism": {"kind": "gnmax", "sigma": 5.01}, "max_asked": 40}
    with pytest.raises(InputError, match=r"Expected a campaign out of privacy\.campaigns, got another"):
        configured(tmp_path, [other, LATER, {**LATER, "max_asked": 1}], **tight)
    assert not configured(tmp_path, [other, LATER], accountant="worst_case").account_rule().bound

"""The account of one's own data: found again under another name, warned about a large delta, never overspent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pate.aggregation import Answers
from pate.data import EvaluationSet, PrivateRecords, PublicPool, Study
from pate.errors import BudgetExceeded
from pate.ledger import Account, PrivacyLedger
from pate.values import Released
from pipelines import campaign
from pipelines.config import Config, load
from pipelines.holders import units_of

SMOKE = (Path(__file__).parents[2] / "configs" / "smoke.yaml").read_text()


def config(folder: Path, data_id: str, delta: str = "1e-5") -> Config:
    path = folder / "c.yaml"
    path.write_text(SMOKE.replace("data_id: digits", f"data_id: {data_id}").replace("delta: 1e-5", f"delta: {delta}"))
    return load(path)


def study(records: int = 30, *, ids: str | None = None, flip: bool = False) -> Study:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 4)).astype(np.float32)[:records]
    labels = (np.arange(60) % 2)[:records].astype(np.int64)
    private = PrivateRecords(
        features=features,
        labels_N=1 - labels if flip else labels,
        units_N=None if ids is None else np.array([f"{ids}{i}" for i in range(records)]),
    )
    pool = rng.normal(size=(50, 4)).astype(np.float32)
    held = EvaluationSet(inputs=rng.normal(size=(10, 4)).astype(np.float32), labels_E=np.zeros(10, dtype=np.int64))
    return Study(task="t", classes=("a", "b"), private=private, pool=PublicPool(inputs=pool), evaluation=held)


def open_account(ledger: PrivacyLedger, config: Config, study: Study) -> Account:
    return campaign.open_account(ledger, config, study, list(range(40)), units_of(study.held_here, ledger.key))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[PrivacyLedger]:
    opened = PrivacyLedger(tmp_path / "ledger")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "again",
    [study(31), study(29), study(ids="p"), study(flip=True), study(ids="q", flip=True)],
    ids=["one more", "one fewer", "with ids", "another label", "ids and another label"],
)
def test_the_same_patients_under_another_name_have_no_fresh_budget(
    ledger: PrivacyLedger, tmp_path: Path, again: Study
) -> None:
    first = config(tmp_path, "first")
    account = open_account(ledger, first, study())
    event = first.campaign_event()
    queries = ledger.key.queries([bytes([i]) for i in range(40)])
    ledger.reserve(account.name, campaign="c", task="t", event=event, queries=queries, max_answered=40)
    with pytest.raises(BudgetExceeded):
        open_account(ledger, config(tmp_path, "second"), again)


def test_other_patients_have_a_budget_of_their_own(ledger: PrivacyLedger, tmp_path: Path) -> None:
    open_account(ledger, config(tmp_path, "first"), study())
    other = study()
    private = PrivateRecords(features=other.private.features + 1, labels_N=other.private.labels_N)
    moved = Study(task="t", classes=other.classes, private=private, pool=other.pool, evaluation=other.evaluation)
    open_account(ledger, config(tmp_path, "second"), moved)
    assert ledger.linked("second") == []


@pytest.mark.parametrize(("delta", "warned"), [("0.05", True), ("0.01", False)])
def test_a_delta_of_one_over_the_units_is_warned_about_without_their_number(
    ledger: PrivacyLedger, tmp_path: Path, capsys: pytest.CaptureFixture[str], delta: str, warned: bool
) -> None:
    open_account(ledger, config(tmp_path, "ward", delta), study(30))
    said = capsys.readouterr()
    assert ("privacy.delta is not below one over the number of privacy units" in said.err) is warned
    assert "30" not in said.err + said.out


def test_the_spend_ends_at_the_campaigns_cost_with_its_figure(tmp_path: Path) -> None:
    """All asked and answered: planned, spent and the charge agree, and the figure is in every row."""
    path = tmp_path / "c.yaml"
    figure = "accountant: gaussian\n  sanitised: {order: 4, beta: 0.05, sigma_ss: 8, tau_s: 0.3}"
    path.write_text(SMOKE.replace("accountant: gaussian", figure))
    bought, plain = load(path), config(tmp_path, "ward")
    total = bought.campaign_epsilon()
    answers = Released.public(Answers(labels_Q=np.zeros(40, dtype=np.int64), event=None, total=total, secure=True))
    rows, without = campaign.spend_curve(bought, answers).value, campaign.spend_curve(plain, answers).value
    assert rows[-1]["planned"] == rows[-1]["spent"] == total.epsilon
    assert all(row["spent"] > other["spent"] for row, other in zip(rows, without, strict=True))

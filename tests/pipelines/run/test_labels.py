"""The account of one's own data: found again under another name, warned about a large delta, never overspent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pate.aggregation import Answers
from pate.data import EvaluationSet, PrivateRecords, PublicPool, Study
from pate.data.ids import canonical_ids, match_keys
from pate.errors import RecordsRefused
from pate.ledger import Account, PrivacyLedger
from pate.values import Released
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config, load
from pipelines.outcome.spend import cost_of, spend_curve, track_spend
from pipelines.progress import Quiet
from pipelines.run import account
from pipelines.run.labels import charge_and_answer
from pipelines.teachers.holders import units_of
from pipelines.tracking.outbox import read_events
from pipelines.tracking.tracker import CAMPAIGN, TRACKING_FOLDER, Tracker

SMOKE = (Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text()


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
    return account.open_account(ledger, config, study, list(range(40)), units_of(study.held_here, ledger.key))


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
    with pytest.raises(RecordsRefused):
        open_account(ledger, config(tmp_path, "second"), again)


@pytest.mark.parametrize("written", ["7", "7.0", "007", " 7"])
def test_a_patient_whose_id_was_written_otherwise_has_no_fresh_budget(
    ledger: PrivacyLedger, tmp_path: Path, written: str
) -> None:
    """``id:TEXT`` is what ledgers held before ids had one form."""
    elder = Account(name="elder", epsilon=0.001, delta=1e-5, accountant="gaussian", unit="patient")
    form = written if written == "7.0" else str(canonical_ids([written])[0])
    known = [f"id:{form}".encode(), *(b"match:" + key.encode() for key in match_keys([written]).tolist())]
    ledger.register(elder, units=ledger.key.units(known if written == "007" else known[:1]))
    other = study()
    units = canonical_ids([7.0, *range(100, 129)])
    private = PrivateRecords(features=other.private.features + 1, labels_N=other.private.labels_N, units_N=units)
    moved = Study(task="t", classes=other.classes, private=private, pool=other.pool, evaluation=other.evaluation)
    with pytest.raises(RecordsRefused):
        open_account(ledger, config(tmp_path, "second"), moved)


def test_other_patients_have_a_budget_of_their_own(ledger: PrivacyLedger, tmp_path: Path) -> None:
    open_account(ledger, config(tmp_path, "first"), study())
    other = study()
    private = PrivateRecords(features=other.private.features + 1, labels_N=other.private.labels_N)
    moved = Study(task="t", classes=other.classes, private=private, pool=other.pool, evaluation=other.evaluation)
    open_account(ledger, config(tmp_path, "second"), moved)
    assert ledger.linked("second") == []


@pytest.mark.parametrize(("delta", "warned"), [("0.05", True), ("0.01", False)])
@pytest.mark.parametrize("records", [30, 300])
def test_a_large_delta_is_warned_about_whatever_the_number_of_records(
    ledger: PrivacyLedger,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    delta: str,
    warned: bool,
    records: int,
) -> None:
    open_account(ledger, config(tmp_path, "ward", delta), study(records))
    said = capsys.readouterr()
    assert ("privacy.delta is not below one over the number of teachers" in said.err) is warned
    assert said.out == ""


TABLE = """data:
  source: table
  data_id: NAME
  task: t
  private_files: [a.csv]
  pool_files: [b.csv]
  pool: 200
  evaluation: 10
  label: {column: y, positive: [x]}
  UNIT
  features: {numeric: [{columns: [v]}]}
"""


@pytest.mark.parametrize(("unit", "warned"), [("unit: patient", False), ("task: t", True)])
def test_records_without_ids_are_warned_about(
    ledger: PrivacyLedger, tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: str, warned: bool
) -> None:
    text = SMOKE[: SMOKE.index("data:")] + TABLE.replace("  UNIT\n", "" if warned else f"  {unit}\n")
    rest = SMOKE[SMOKE.index("partition:") :].replace("by: site", "by: random")
    (tmp_path / "ward.yaml").write_text(text.replace("NAME", "ward") + rest)
    open_account(ledger, load(tmp_path / "ward.yaml"), study())
    assert ("names no ids of privacy units" in capsys.readouterr().err) is warned


CONFIDENT = "mechanism: {kind: confident-gnmax, threshold: 12, sigma_threshold: 12, sigma: 6, max_answered: 30}"


def released(ledger: PrivacyLedger, config: Config, study: Study, queries: list[int]) -> Released[Answers]:
    """A campaign through the real door: the even inputs get 20 votes of one class, the odd ones none."""
    open_account(ledger, config, study)
    votes_TQ = np.full((20, len(queries)), -1, dtype=np.int8)
    votes_TQ[:, [at for at, query in enumerate(queries) if query % 2 == 0]] = 1
    return charge_and_answer(ledger, config, study, VoteMatrix(labels_TQ=votes_TQ, classes=2), queries, Quiet())


def metrics_of(folder: Path, config: Config, answers: Released[Answers]) -> dict[str, dict[int, float]]:
    """What the tracker was told of the spend under the run itself: name -> step -> value."""
    with Tracker.open(folder, run_id="run", insecure=False) as tracker:
        track_spend(tracker, config, answers)
    found: dict[str, dict[int, float]] = {}
    for event in read_events(folder / TRACKING_FOLDER):
        if event.kind == "metrics" and event.phase == CAMPAIGN:
            for name, step, value in event.body["points"]:
                found.setdefault(name, {})[step] = value
    return found


def test_no_metric_named_epsilon_lies_below_the_charge_where_answers_are_fewer_than_were_paid_for(
    ledger: PrivacyLedger, tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    plain = SMOKE[SMOKE.index("  mechanism:") :].splitlines()[0]
    path.write_text(SMOKE.replace(plain, f"  {CONFIDENT}"))
    own = load(path)
    answers = released(ledger, own, study(), list(range(40)))
    assert 0 < answers.value.answered < 30, "some of what was paid for was not used"
    charged = ledger.spent(own.data.data_id).epsilon
    found = metrics_of(tmp_path / "public", own, answers)
    for name in (name for name in found if "epsilon" in name):
        assert set(found[name].values()) == {charged}, name
    assert spend_curve(own, answers).value[-1]["spent"] == charged
    assert cost_of(own, answers).value == own.campaign_epsilon()


def test_answers_of_an_earlier_campaign_are_not_said_to_cost_what_the_later_one_does(
    ledger: PrivacyLedger, tmp_path: Path
) -> None:
    """The first campaign has little noise, the second much and finds most answers there: their cost stays high."""
    line = next(line for line in SMOKE.splitlines() if "mechanism:" in line)
    first, second = (
        config(tmp_path, "ward").model_copy(update={"labelling": load_with(tmp_path, line, sigma).labelling})
        for sigma in (8, 60)
    )
    released(ledger, first, study(), list(range(40)))
    answers = released(ledger, second, study(), list(range(5, 45)))
    assert second.campaign_epsilon().epsilon < first.campaign_epsilon().epsilon
    cost = cost_of(second, answers).value.epsilon
    assert cost == ledger.spent("ward").epsilon >= first.campaign_epsilon().epsilon
    assert {row["spent"] for row in spend_curve(second, answers).value} == {cost}


def load_with(folder: Path, line: str, sigma: int) -> Config:
    path = folder / f"{sigma}.yaml"
    path.write_text(
        SMOKE.replace(line, f"  mechanism: {{kind: gnmax, sigma: {sigma}}}").replace("epsilon:", "epsilon: 999 #")
    )
    return load(path)


def test_the_spend_ends_at_the_campaigns_cost_with_its_figure(tmp_path: Path) -> None:
    """All asked and answered: planned, spent and the charge agree, and the figure is in every row."""
    path = tmp_path / "c.yaml"
    figure = "accountant: gaussian\n  sanitised: {order: 4, beta: 0.05, sigma_ss: 8, tau_s: 0.3}"
    path.write_text(SMOKE.replace("accountant: gaussian", figure))
    curves = []
    for own in (load(path), config(tmp_path, "ward")):
        total = own.campaign_epsilon()
        labels_Q = np.zeros(40, dtype=np.int64)
        answers = Answers(labels_Q=labels_Q, event=own.campaign_event(), total=total, secure=True)
        curves.append(spend_curve(own, Released.public(answers)).value)
        assert curves[-1][-1]["planned"] == curves[-1][-1]["spent"] == total.epsilon
    for row, other in zip(*curves, strict=True):
        assert row["spent"] > other["spent"]
        assert row["planned"] > other["planned"]

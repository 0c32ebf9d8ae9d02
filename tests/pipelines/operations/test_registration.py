"""What may be named as the student in use, on a run that was put together from its parts."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from pate.accounting import GNMaxEvent, RepeatedEvent
from pate.errors import RecordsRefused
from pate.ledger import Account, PrivacyLedger
from pate.student.export import save_exported
from pate.values import Released
from pipelines.cli.app import run
from pipelines.operations.registration import check, check_alias
from pipelines.outcome import summary
from pipelines.storage.audit_file import keep_audit
from pipelines.storage.run_folder import RunFolder
from pipelines.tracking.tracker import Evaluation, ModelCard, Tracker

PUBLIC = Released.public
RUN = "study-1234abcd"
ROWS = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
EVENT = RepeatedEvent(event=GNMaxEvent(sigma=30.0), count=2)


def charge(home: Path, account: str, campaign: str, units: list[bytes]) -> str:
    """Two answers, charged and given; returns the chain's head."""
    ledger = PrivacyLedger(home / "ledger")
    ledger.register(
        Account(name=account, epsilon=0.3, delta=1e-5, accountant="gaussian", unit="patient"),
        units=ledger.key.units(units),
    )
    queries = ledger.key.queries([f"{account} {i}".encode() for i in range(2)])
    intent = ledger.reserve(account, campaign=campaign, task="ill", event=EVENT, queries=queries, max_answered=2)
    ledger.persist(intent, [(query, 1) for query in queries])
    ledger.settle(intent)
    head = str(ledger.head())
    ledger.close()
    return head


def finish(home: Path, *, run_id: str = RUN, head: str, insecure: bool = False) -> RunFolder:
    """What a run leaves behind, as far as registering looks at it."""
    store = RunFolder(home, run_id)
    store.create()
    (store.private / "tracking.json").write_text("{}")
    (store.public / "config.json").write_text(json.dumps({"data": {"data_id": "ward"}}))
    report = store.public / "report.json"
    report.write_text("{}")
    store.stages.complete("report", "inputs", [report], {})
    save_exported(PUBLIC(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()), PUBLIC(ROWS), store.public / "student")
    card = ModelCard(
        name="pate-study", epsilon=0.4, delta=1e-5, privacy_unit="patient", accountant="gaussian", benchmark=None,
        insecure=False, ledger=head, description="# pate-study\n\nepsilon 0.400",
    )  # fmt: skip
    evaluation = Evaluation(dataset="pool", fingerprint="f" * 32, metrics={"student_accuracy": 0.75})
    with Tracker.open(store.public, run_id=run_id, insecure=insecure) as tracker:
        if not insecure:
            tracker.model(PUBLIC("student"), PUBLIC(card), PUBLIC(evaluation))
    summary.save(store, PUBLIC({"run_id": run_id, "secure_noise": not insecure}))
    return store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def refused(capsys: pytest.CaptureFixture[str], home: Path, *mentions: str) -> None:
    assert run(["register", RUN, "--alias", "champion"]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.count("\n") == 1
    for text in mentions:
        assert text in seen.err
    assert not (home / "mlflow").exists(), "refused before MLflow is asked"


def test_a_run_without_report_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = finish(home, head=charge(home, "ward", "c", [b"anna"]))
    marker = store.private / "stages" / "report.json"
    content = marker.read_text()
    marker.unlink()
    refused(capsys, home, "privacy report")
    marker.write_text(content)
    (store.public / "report.json").write_text('{"epsilon": 0}')
    refused(capsys, home, "'report'", "altered")
    (store.public / "report.json").unlink()
    refused(capsys, home, "'report'", "missing")


def test_insecure_noise_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(home, head=charge(home, "ward", "c", [b"anna"]), insecure=True)
    refused(capsys, home, "insecure", "labelling.insecure_seeded_noise")


def test_a_student_with_alarms_is_refused_but_for_an_explicit_option(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = finish(home, head=charge(home, "ward", "c", [b"anna"]))
    alarm = "class 8 is never predicted on the public pool; 6 of 60 released labels name it"
    facts = {"run_id": RUN, "secure_noise": True, "student_check": {"alarms": [alarm]}}
    summary.save(store, PUBLIC(facts))
    refused(capsys, home, alarm, "--despite-alarms")
    assert check(store, home, despite_alarms=True).run_id == RUN
    summary.save(store, PUBLIC({**facts, "student_check": {"alarms": []}}))
    assert check(store, home).run_id == RUN


def test_after_an_audit_that_found_more_leakage_than_is_claimed_no_student_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(home, head=charge(home, "ward", "c", [b"anna"]))
    keep_audit(home, [{"broken": False}, {"broken": True}])
    refused(capsys, home, "audit", "more leakage")


def test_data_over_their_budget_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two accounts each within their budget turn out to hold the same patient."""
    finish(home, head=charge(home, "ward", "c", [b"anna"]))
    charge(home, "clinic", "d", [b"berta"])
    ledger = PrivacyLedger(home / "ledger")
    ledger.register(ledger.account("clinic"), units=ledger.key.units([b"anna", b"berta"]))
    assert ledger.spent("ward", linked=True).epsilon > 0.3
    ledger.close()
    refused(capsys, home, RecordsRefused.SENTENCE)


def test_a_broken_chain_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(home, head=charge(home, "ward", "c", [b"anna"]))
    db = sqlite3.connect(home / "ledger" / "ledger.sqlite3")
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute("UPDATE entries SET body = replace(body, '30.0', '90.0') WHERE kind = 'reserve'")
    db.commit()
    db.close()
    refused(capsys, home, "altered", "ledger row")


def test_another_chain_than_that_of_the_release_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = charge(home, "ward", "c", [b"anna"])
    finish(home, head=head.partition(":")[0] + ":" + "0" * 64)
    refused(capsys, home, "anchored hash")


def test_without_the_ledger_it_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(home, head=charge(home, "ward", "c", [b"anna"]))
    (home / "ledger" / "ledger.sqlite3").unlink()
    refused(capsys, home, "ledger")


def test_a_student_other_than_the_recorded_one_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = finish(home, head=charge(home, "ward", "c", [b"anna"]))
    save_exported(PUBLIC(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()), PUBLIC(ROWS), store.public / "student")
    refused(capsys, home, "recorded")


def test_an_unfinished_run_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = finish(home, head=charge(home, "ward", "c", [b"anna"]))
    (store.public / "summary.json").unlink()
    refused(capsys, home, "finished run")


@pytest.mark.parametrize("alias", ["latest", "v3", "", "Champion", "a b", "x/y", "a" * 64])
def test_an_alias_that_means_something_else_is_refused(alias: str) -> None:
    with pytest.raises(ValueError, match="alias"):
        check_alias(alias)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
def test_a_student_is_registered_with_card_tags_and_figures_and_once(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipelines.tracking.mlflow.sink import MlflowClient

    head = charge(home, "ward", "c", [b"anna"])
    finish(home, head=head)

    def register(run_id: str, alias: str) -> dict[str, Any]:
        assert run(["register", run_id, "--alias", alias, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    first = register(RUN, "champion")
    assert (first["name"], first["version"], first["alias"], first["changed"]) == ("pate-study", 1, "champion", True)
    again = register(RUN, "champion")
    assert again == {**first, "changed": False}
    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow/mlflow.db")
    version = client.get_model_version("pate-study", "1")
    assert len(client.search_model_versions("name = 'pate-study'")) == 1
    assert version.description == "# pate-study\n\nepsilon 0.400"
    assert (version.tags["epsilon"], version.tags["ledger"], version.tags["pate.run_id"]) == ("0.4", head, RUN)
    (output,) = client.get_run(version.run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert logged.tags["mlflow.note.content"] == version.description
    assert [(m.key, m.value, m.dataset_name, m.run_id) for m in logged.metrics] == [
        ("student_accuracy", 0.75, "pool", version.run_id)
    ]
    (point,) = client.get_metric_history(version.run_id, "student_accuracy")
    assert point.value == 0.75

    finish(home, run_id="study-2", head=head)
    assert register("study-2", "champion")["version"] == 2
    assert register(RUN, "champion")["changed"]
    for cursor in home.glob("runs/*/public/tracking/cursor-*"):
        cursor.unlink()
    assert register(RUN, "champion") == again
    assert client.get_registered_model("pate-study").aliases == {"candidate": 2, "champion": 1}
    assert len(client.get_logged_model(output.model_id).metrics) == 1

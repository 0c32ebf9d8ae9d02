"""``pate ledger`` as an auditor uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pate.accounting import GNMaxEvent, RepeatedEvent
from pate.ledger import Account, PrivacyLedger
from pipelines.cli.app import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    ledger = PrivacyLedger(tmp_path / "home" / "ledger")
    ledger.register(Account(name="ward", epsilon=1.0, delta=1e-5, accountant="gaussian", unit="patient"))
    ledger.close()
    return tmp_path / "home"


def test_an_export_is_verified_without_the_ledger(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "export"]) == 0
    text = capsys.readouterr().out
    file = tmp_path / "ledger.jsonl"
    file.write_text(text)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "elsewhere"))
    assert run(["ledger", "verify", "--file", str(file)]) == 0
    assert capsys.readouterr().out.startswith("export: 2 rows, unbroken")
    file.write_text(text.replace("ward", "wart"))
    assert run(["ledger", "verify", "--file", str(file)]) == 2
    assert "ledger row 2" in capsys.readouterr().err


def test_the_ledger_is_compared_with_an_anchor_published_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ledger", "export"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert run(["ledger", "verify", "--anchor", f"2:{last['hash']}"]) == 0
    for wrong in (f"3:{last['hash']}", f"1:{last['hash']}", "2:nonsense"):
        assert run(["ledger", "verify", "--anchor", wrong]) == 2
    assert "older copy" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["show"], ["verify"], ["export"]])
def test_without_a_ledger_nothing_is_made(words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "empty"))
    assert run(["ledger", *words]) == 2
    assert not (tmp_path / "empty" / "ledger").exists()


def test_a_file_that_cannot_be_read_is_one_line(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ledger", "verify", "--file", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_on_a_narrow_terminal_no_name_is_cut_off(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a-ward-with-quite-a-long-name-of-its-own"
    ledger = PrivacyLedger(home / "ledger")
    ledger.register(Account(name=name, epsilon=1.0, delta=1e-5, accountant="worst_case_rdp", unit="patient"))
    ledger.close()
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["ledger", "show"]) == 0
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert name in shown, "on one line, to be copied"


def test_the_rule_that_holds_an_account_and_what_it_leaves_are_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forty = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=40)
    ledger = PrivacyLedger(home / "ledger")
    plain = {"delta": 1e-5, "accountant": "worst_case", "unit": "patient"}
    ledger.register(Account(name="later", epsilon=2.0, **plain))  # type: ignore[arg-type]
    ledger.register(Account(name="fixed", epsilon=0.955, declared=(forty, forty), **plain))  # type: ignore[arg-type]
    for name in ("later", "fixed"):
        for number in range(2):
            queries = ledger.key.queries([f"{name}/{number}/{i}".encode() for i in range(40)])
            ledger.reserve(name, campaign=f"{name}{number}", task="t", event=forty, queries=queries, max_answered=40)
    left = {name: ledger.left(name) for name in ("later", "fixed")}
    ledger.close()
    assert run(["ledger", "show", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["later"]["enforced_by"] == "gdp_filter(worst_case)"
    assert rows["fixed"]["enforced_by"] == "worst_case"
    assert {name: rows[name]["left"] for name in left} == left
    assert rows["later"]["spent"] > rows["fixed"]["spent"]
    assert [event["count"] for event in rows["fixed"]["declared"]] == [40, 40]
    assert run(["ledger", "show"]) == 0
    assert "gdp_filter" in capsys.readouterr().out

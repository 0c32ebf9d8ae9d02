"""What a run says at its end: the next commands, ready to be copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pate.values import Released
from pipelines.outcome.summary import Summary

FACTS: dict[str, Any] = {
    "run_id": "ward-1a2b3c4d", "teachers": 20, "asked": 40, "answered": 40, "epsilon": 1.5, "delta": 1e-5,
    "unit": "patient", "accountant": "worst_case", "budget": 2.0, "student_accuracy": 0.8, "evaluation_records": 100,
    "report": "/home/of/report.html", "tracking": "the local MLflow store", "secure_noise": True,
}  # fmt: skip


def lines(**changes: Any) -> dict[str, str]:
    return dict(Summary(released=Released.public({**FACTS, **changes}), metrics=None).lines())


def test_the_next_commands_can_be_copied_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(tmp_path / ".venv" / "bin" / "pate"), "run"])
    monkeypatch.delenv("PATE_HOME", raising=False)
    assert lines()["tracking"].endswith(": .venv/bin/pate ui")
    assert lines()["next"].endswith(": .venv/bin/pate register ward-1a2b3c4d")
    monkeypatch.setenv("PATE_HOME", "/elsewhere")
    assert lines()["next"].endswith(": PATE_HOME=/elsewhere .venv/bin/pate register ward-1a2b3c4d")
    assert lines(tracking="https://mlflow.example")["tracking"] == "https://mlflow.example"


def test_a_student_of_insecure_noise_is_not_offered_for_use() -> None:
    found = lines(secure_noise=False)
    assert "next" not in found
    assert "no guarantee" in found["warning"]


def test_an_alarm_and_the_worst_classes_are_on_the_screen() -> None:
    shares = {"a": 0.9, "b": 0.0, "c": None, "d": 0.5, "e": 0.7}
    rows = [{"class": name, "records": 3, "accuracy": own} for name, own in shares.items()]
    alarms = ["class b is never predicted on the public pool; 3 of 40 released labels name it"]
    facts = {**FACTS, "student_by_class": rows, "student_check": {"alarms": alarms}}
    found = Summary(released=Released.public(facts), metrics=None).lines()
    assert ("worst classes", "b 0%, d 50%, e 70% correct") in found
    assert ("ALARM", alarms[0]) in found
    assert dict(found)["next"].endswith("register ward-1a2b3c4d --despite-alarms")
    assert "ALARM" not in lines(), "a summary of an older run"

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

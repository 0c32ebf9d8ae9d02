"""What the report gathers beside its own campaign: comparable runs, an audit, where public data come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.app import run
from pipelines.config.experiment import Config, load
from pipelines.run.report_facts import comparable_runs
from pipelines.storage.audit_file import keep_audit, read_audit
from pipelines.storage.home import Home

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture(scope="module")
def config() -> Config:
    return load(CONFIGS / "smoke.yaml")


def finish(base: Path, config: Config, run_id: str, *, data: dict[str, Any] | None = None, **changes: Any) -> None:
    """The public files that a finished run leaves."""
    folder = base / "runs" / run_id / "public"
    folder.mkdir(parents=True)
    settings = config.model_dump(mode="json")
    settings["data"] |= data or {}
    facts = {
        "run_id": run_id, "epsilon": 2.0, "delta": config.privacy.delta, "accountant": "gaussian",
        "unit": config.privacy.unit, "student_accuracy": 0.8, "evaluation_records": 200, "secure_noise": True,
        **changes,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(facts))
    (folder / "config.json").write_text(json.dumps(settings))


def test_only_finished_runs_of_the_same_task_delta_and_unit_are_compared(tmp_path: Path, config: Config) -> None:
    assert comparable_runs(Home(tmp_path), config) == []
    finish(tmp_path, config, "same-1")
    finish(tmp_path, config, "same-2", data={"private": 500}, epsilon=3.0)
    finish(tmp_path, config, config.run_id)
    finish(tmp_path, config, "other-data", data={"data_id": "elsewhere"})
    finish(tmp_path, config, "other-source", data={"source": "mnist"})
    finish(tmp_path, config, "other-delta", delta=1e-6)
    finish(tmp_path, config, "other-unit", unit="image")
    finish(tmp_path, config, "seeded", secure_noise=False)
    (tmp_path / "runs" / "unfinished" / "public").mkdir(parents=True)
    found = comparable_runs(Home(tmp_path), config)
    assert [(row["run_id"], row["epsilon"]) for row in found] == [("same-1", 2.0), ("same-2", 3.0)]
    assert found[0]["accuracy"] == 0.8
    assert found[0]["records"] == 200


def test_an_audit_is_kept_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "home"
    monkeypatch.setenv("PATE_HOME", str(base))
    assert run(["audit", "--samples", "8", "--json"]) == 0
    assert read_audit(base) is None
    assert run(["audit", "--samples", "8", "--keep", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    kept = read_audit(base)
    assert kept is not None
    assert kept["findings"] == printed
    keep_audit(base, printed[:1])
    again = read_audit(base)
    assert again is not None
    assert len(again["findings"]) == 1


def test_the_schema_of_reports_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--report"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "pate privacy report"

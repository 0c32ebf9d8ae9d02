"""The main job on real input, as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import mlflow
import pytest

from pate.accounting import GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.ledger import PrivacyLedger
from pate.report import json_schema
from pate.report.wording import up
from pipelines.config.experiment import load

pytestmark = pytest.mark.xdist_group("finished")  # they look at one run
CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_summary_says_what_was_done_and_what_it_cost(finished) -> None:
    _, summary = finished
    expected = data_independent_epsilon(RepeatedEvent(event=GNMaxEvent(sigma=5.0), count=40), 1e-5, "gaussian")
    assert (summary["teachers"], summary["asked"], summary["answered"]) == (20, 40, 40)
    assert summary["epsilon"] == pytest.approx(expected.epsilon)
    assert (summary["delta"], summary["accountant"]) == (1e-5, "gaussian")
    figures = summary["benchmark_only"]
    assert figures["source"] == "digits"
    assert 0.3 < figures["label_accuracy"] <= 1
    assert figures["pooled_accuracy"] > figures["single_teacher_accuracy"]
    assert Path(summary["report"]).is_file()


def test_the_charge_in_the_ledger_is_the_charge_in_the_summary(finished) -> None:
    shell, summary = finished
    ledger = PrivacyLedger(shell.home / "ledger")
    (account,) = ledger.accounts()
    assert ledger.spent(account.name).epsilon == pytest.approx(summary["epsilon"])
    assert account.benchmark
    ledger.verify()
    ledger.close()


def test_released_labels_are_the_ledgers_answers(finished) -> None:
    shell, summary = finished
    rows = json.loads((shell.home / "runs" / summary["run_id"] / "public" / "labels.json").read_text())["answers"]
    assert len(rows) == 40
    assert {row["class"] for row in rows} <= {str(c) for c in range(10)}


def test_a_finished_run_is_printed_again_and_changes_nothing(finished) -> None:
    shell, summary = finished
    before = shell.files()
    assert shell.json("run", str(CONFIGS / "smoke.yaml")) == summary
    assert shell.json("report", summary["run_id"]) == summary
    assert shell.files() - {"private/native.log"} == before - {"private/native.log"}


def test_the_tracker_holds_phases_curves_inputs_report_and_a_candidate(finished) -> None:
    shell, summary = finished
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    assert len(runs) == 4, "the campaign, teachers, labels and student: never a run for each teacher"
    curve = client.get_metric_history(parents[0].info.run_id, "epsilon_spent")
    values = [point.value for point in sorted(curve, key=lambda point: point.step)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(summary["epsilon"])
    assert {i.dataset.name for i in parents[0].inputs.dataset_inputs} == {"digits-pool", "digits-evaluation"}
    version = client.get_model_version_by_alias("pate-smoke", "candidate")
    assert float(version.tags["epsilon"]) == pytest.approx(summary["epsilon"])
    wanted = {"delta": "1e-05", "privacy_unit": "patient", "accountant": "gaussian", "benchmark": "true"}
    assert {name: version.tags[name] for name in wanted} == wanted


def test_no_private_figure_reaches_the_public_side(finished) -> None:
    shell, summary = finished
    figures = summary["benchmark_only"]
    public = shell.home / "runs" / summary["run_id"] / "public"
    secrets = [repr(figures[name]) for name in ("label_accuracy", "single_teacher_accuracy", "plurality_accuracy")]
    texts = [path.read_text(errors="ignore") for path in public.rglob("*") if path.is_file()]
    texts += [path.read_text(errors="ignore") for path in (shell.home / "mlflow").rglob("*") if path.is_file()]
    joined = "\n".join(texts)
    for name in (
        "label_accuracy",
        "single_teacher",
        "plurality",
        "pooled_accuracy",
        "votes.npy",
        str(shell.home / "runs"),
    ):
        hits = [line[:200] for line in joined.splitlines() if name in line and '"report"' not in line]
        assert not hits, f"{name}: {hits[:2]}"
    assert not [s for s in secrets if len(s) > 6 and s in joined]


def test_the_report_states_guarantee_unit_and_meaning(finished) -> None:
    shell, summary = finished
    public = shell.home / "runs" / summary["run_id"] / "public"
    report = json.loads((public / "report.json").read_text())
    assert report["campaign"]["epsilon"] == pytest.approx(summary["epsilon"])
    jsonschema.validate(report, json_schema())
    assert report["meaning"]["largest_log_odds"] > summary["epsilon"]
    assert report["evaluation"]["accuracy"] == summary["student_accuracy"]
    assert sum(row["count"] for row in report["evaluation"]["calibration"]) == summary["evaluation_records"]
    assert report["spend"][-1]["spent"] == report["charges"][-1]["after"] == report["total"]["epsilon"]
    page = (public / "report.html").read_text()
    assert up(summary["epsilon"]) in page
    assert "patient" in page
    assert "Simulation" in page
    assert not re.search(r"(src|href)\s*=(?!\"#)", page), "the page refers to nothing outside itself"


def test_the_report_opens_in_the_browser_that_is_asked_for(finished, tmp_path: Path) -> None:
    shell, summary = finished
    asked = tmp_path / "asked"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {asked}\n')
    browser.chmod(0o700)
    done = shell.run("report", summary["run_id"], "--open", BROWSER=str(browser))
    assert done.returncode == 0, done.stderr
    assert asked.read_text().strip() == Path(summary["report"]).as_uri()


def test_a_run_uses_its_own_ray_and_leaves_none_behind(finished) -> None:
    assert not list(Path.home().glob(".ray/auth_token"))
    assert not [p for p in Path("/tmp").glob("pate-ray-*") if not Path(f"/proc/{p.name.split('-')[2]}").exists()]


def test_insecure_noise_is_said_and_never_registered(shell, tmp_path: Path) -> None:
    text = (
        (CONFIGS / "smoke.yaml").read_text().replace("  max_asked: 40", "  max_asked: 10\n  insecure_seeded_noise: 7")
    )
    config = tmp_path / "insecure.yaml"
    config.write_text(text.replace("name: smoke", "name: insecure"))
    summary: dict[str, Any] = shell.json("run", str(config))
    assert not summary["secure_noise"]
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    assert client.search_registered_models() == []
    page = Path(summary["report"]).read_text()
    assert "Insecure noise" in page
    assert load(config).labelling.insecure_seeded_noise == 7

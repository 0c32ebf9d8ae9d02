"""A run that buys a sanitised figure: it is paid, shown beside the guarantee, and drawn once whatever is deleted."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pate.accounting.rounding import up
from pate.accounting.sanitised.gap_sensitivity import gap_inputs
from pate.aggregation.mechanisms import estimable_query
from pate.ledger import PrivacyLedger
from pate.votes import VoteMatrix
from pipelines.config.experiment import Config, load

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sanitised")]
FIGURE = "accountant: gaussian, sanitised: {order: 3, beta: 0.05, sigma_ss: 8, tau_s: 0.3}}"


@dataclass(frozen=True)
class Bought:
    """A finished run with made-up votes."""

    home: Path
    path: Path
    summary: dict[str, Any]

    @property
    def run(self) -> Path:
        return self.home / "runs" / str(self.summary["run_id"])

    @property
    def config(self) -> Config:
        return load(self.path)

    def ledger(self) -> PrivacyLedger:
        return PrivacyLedger(self.home / "ledger")


def begin(home: Path, path: Path, votes: int) -> str:
    """``pate run`` in a process of its own, with votes from a seed; its standard output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "MLFLOW_"))}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("same_answers_driver.py")), str(path), str(votes)],
        capture_output=True, text=True, check=False, env={**kept, "PATE_HOME": str(home), "COLUMNS": "300"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def summary_of(home: Path) -> dict[str, Any]:
    (path,) = home.glob("runs/*/public/summary.json")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.fixture(scope="module")
def bought(tables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bought, str]:
    folder = tmp_path_factory.mktemp("bought")
    (folder / "CANARY-PATH").mkdir()
    (folder / "configs").mkdir()
    tables.write(folder / "CANARY-PATH" / "good.csv", tables.rows(120, True, 3))
    tables.write(folder / "pool.csv", tables.rows(60, False, 1))
    tables.write(folder / "evaluation.csv", tables.rows(40, False, 2))
    path = folder / "configs" / "bought.yaml"
    text = tables.CONFIG.replace("NAME", "bought").replace("FILE", "good.csv")
    assert "accountant: gaussian}" in text
    path.write_text(text.replace("accountant: gaussian}", FIGURE).replace("sigma: 2}", "sigma: 1.5}"))
    said = begin(folder / "home", path, 1)
    return Bought(home=folder / "home", path=path, summary=summary_of(folder / "home")), said


def test_the_figure_stands_beside_the_guarantee_and_is_paid_for(bought) -> None:
    run, said = bought
    privacy = run.config.privacy.model_copy(update={"sanitised": None})
    without = run.config.model_copy(update={"privacy": privacy}).campaign_epsilon().epsilon
    assert run.summary["epsilon"] == pytest.approx(run.config.campaign_epsilon().epsilon)
    assert run.summary["epsilon"] > without
    shown = run.summary["sanitised"]
    assert 0 <= shown["epsilon"] <= shown["upper"]
    assert shown["standard_deviation"] > 0
    assert (shown["order"], shown["delta"], shown["confidence"]) == (3.0, 1e-5, 0.95)
    assert " ± ".join(up(shown[name], 2) for name in ("epsilon", "standard_deviation")) in said
    assert f"below {up(shown['upper'], 2)}" in said
    assert "no guarantee" in said


def test_ledger_report_and_tracker_tell_the_same_figure(bought) -> None:
    run, _ = bought
    ledger = run.ledger()
    (account,) = ledger.accounts()
    (figure,) = ledger.estimates(account.name)
    assert ledger.spent(account.name).epsilon == pytest.approx(run.summary["epsilon"])
    ledger.verify()
    ledger.close()
    shown = figure.epsilon(1e-5)
    assert run.summary["sanitised"] == asdict(shown)
    report = json.loads((run.run / "public" / "report.json").read_text())
    assert report["sanitised"] == run.summary["sanitised"]
    assert report["campaign"]["epsilon"] == pytest.approx(run.summary["epsilon"])
    client = mlflow.MlflowClient(f"sqlite:///{run.home}/mlflow/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [found for found in runs if "mlflow.parentRunId" not in found.data.tags]
    wanted = {"": shown.epsilon, "_standard_deviation": shown.standard_deviation, "_upper": shown.upper}
    for name, value in wanted.items():
        (point,) = client.get_metric_history(parent.info.run_id, f"epsilon_sanitised{name}")
        assert point.value == pytest.approx(value)


def test_neither_the_true_cost_nor_the_width_stands_in_a_public_file(bought) -> None:
    run, said = bought
    note = json.loads((run.run / "private" / "stages" / "votes.json").read_text())["note"]
    votes = VoteMatrix.load(run.run / "private" / "votes" / "votes.npy", 2, note["sha256"]).histogram()
    release = run.config.sanitised_release()
    assert release is not None
    answers = run.config.labelling.mechanism.build().worst_case_event(queries=30, moved_votes=1)
    cost, sensitivity = gap_inputs(votes, estimable_query(answers), release, fixed_in_advance=True)
    width = release.sigma_ss * (sensitivity + release.floor)
    secrets = [cost, sensitivity, width, math.log(width), width / (release.floor / 16)]
    files = [*(run.run / "public").rglob("*"), *(run.home / "mlflow").rglob("*")]
    ledger = run.ledger()
    texts = [said, *(path.read_text(errors="ignore") for path in files if path.is_file()), *ledger.export()]
    ledger.close()
    joined = "\n".join(texts)
    released = repr(run.summary["sanitised"]["upper"])[
        :10
    ]  # cut, not rounded: a rounded figure is no part of the whole one
    assert released in joined, "what is released does stand there"
    for secret in secrets:  # ten digits: megabytes of hashes and weights hold any seven by chance
        assert f"{secret:.10g}" not in joined
        assert repr(secret)[:13] not in joined


def test_a_run_whose_folder_was_deleted_shows_the_stored_figure_whatever_the_votes_are_now(bought) -> None:
    run, _ = bought
    ledger = run.ledger()
    charged = [entry.seq for entry in ledger.entries() if entry.kind != "extend"]
    shutil.rmtree(run.run)
    begin(run.home, run.path, 2)
    again = summary_of(run.home)
    assert again["sanitised"] == run.summary["sanitised"]
    assert again["epsilon"] == run.summary["epsilon"]
    now = [entry.seq for entry in ledger.entries() if entry.kind != "extend"]
    assert now == charged, "nothing was charged or drawn"
    ledger.close()

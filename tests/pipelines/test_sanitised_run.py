"""A run that buys a sanitised figure: it is paid, shown beside the guarantee, and drawn once whatever is deleted."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest

from pate.accounting.data_dependent import VoteCounts
from pate.aggregation.sanitised import private_inputs
from pate.ledger import PrivacyLedger
from pate.votes import VoteMatrix
from pipelines.config import Config, load

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
SMOKE = Path(__file__).parents[2] / "configs" / "smoke.yaml"
FIGURE = "accountant: gaussian\n  sanitised: {order: 4, beta: 0.05, sigma_ss: 8, tau_s: 0.3}"


@pytest.fixture(scope="module")
def bought(shells, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, dict[str, Any]]:
    """The smoke configuration with a figure, run to its end."""
    folder = tmp_path_factory.mktemp("bought")
    path = folder / "bought.yaml"
    path.write_text(SMOKE.read_text().replace("accountant: gaussian", FIGURE).replace("name: smoke", "name: bought"))
    shell = shells(folder / "home")
    return shell, path, shell.json("run", str(path))


def whole(path: Path) -> tuple[Config, float, float]:
    """The configuration, and what it costs with its figure and without."""
    config = load(path)
    without = config.model_copy(update={"privacy": config.privacy.model_copy(update={"sanitised": None})})
    return config, config.campaign_epsilon().epsilon, without.campaign_epsilon().epsilon


def test_the_figure_stands_beside_the_guarantee_and_is_paid_for(bought) -> None:
    shell, path, summary = bought
    _, with_figure, without = whole(path)
    assert summary["epsilon"] == pytest.approx(with_figure)
    assert with_figure > without
    shown = summary["sanitised"]
    assert 0 <= shown["epsilon"] <= shown["upper"]
    assert shown["standard_deviation"] > 0
    assert (shown["order"], shown["delta"], shown["confidence"]) == (4.0, 1e-5, 0.95)
    printed = shell.run("report", summary["run_id"]).stdout
    assert f"{shown['epsilon']:.2f} ± {shown['standard_deviation']:.2f}, below {shown['upper']:.2f}" in printed
    assert "no guarantee" in printed


def test_ledger_report_and_tracker_tell_the_same_figure(bought) -> None:
    shell, _, summary = bought
    ledger = PrivacyLedger(shell.home / "ledger")
    (account,) = ledger.accounts()
    (figure,) = ledger.figures(account.name)
    assert ledger.spent(account.name).epsilon == pytest.approx(summary["epsilon"])
    ledger.verify()
    ledger.close()
    shown = figure.epsilon(1e-5)
    assert summary["sanitised"] == {name: getattr(shown, name) for name in type(shown).__slots__}
    report = json.loads((shell.home / "runs" / summary["run_id"] / "public" / "report.json").read_text())
    assert report["sanitised"] == summary["sanitised"]
    assert report["campaign"]["epsilon"] == pytest.approx(summary["epsilon"])
    (kept,) = shell.json("ledger", "show")
    assert kept["sanitised"] == [summary["sanitised"]]
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    (run,) = [
        run for run in client.search_runs([experiment.experiment_id]) if "mlflow.parentRunId" not in run.data.tags
    ]
    wanted = {"": shown.epsilon, "_standard_deviation": shown.standard_deviation, "_upper": shown.upper}
    for name, value in wanted.items():
        (point,) = client.get_metric_history(run.info.run_id, f"epsilon_sanitised{name}")
        assert point.value == pytest.approx(value)


def test_neither_the_true_cost_nor_the_width_stands_in_a_public_file(bought) -> None:
    shell, path, summary = bought
    config, _, _ = whole(path)
    run = shell.home / "runs" / summary["run_id"]
    note = json.loads((run / "private" / "stages" / "votes.json").read_text())["note"]
    votes = VoteMatrix.load(run / "private" / "votes" / "votes.npy", 10, note["sha256"]).histogram()
    counts = VoteCounts(counts_QC=votes.counts_QC, teachers=votes.teachers, fixed_in_advance=True)
    release = config.sanitised_release()
    assert release is not None
    answers = config.labelling.mechanism.build().worst_case_event(queries=40, moved_votes=1)
    cost, sensitivity = private_inputs(counts, answers, release)
    width = release.sigma_ss * (sensitivity + release.floor)
    secrets = [cost, sensitivity, width, math.log(width), width / (release.floor / 16)]
    texts = [path.read_text(errors="ignore") for path in (run / "public").rglob("*") if path.is_file()]
    texts += [path.read_text(errors="ignore") for path in (shell.home / "mlflow").rglob("*") if path.is_file()]
    ledger = PrivacyLedger(shell.home / "ledger")
    texts += list(ledger.export())
    ledger.close()
    joined = "\n".join(texts)
    assert f"{summary['sanitised']['upper']:.10g}" in joined, "what is released does stand there"
    for secret in secrets:
        assert f"{secret:.7g}" not in joined
        assert repr(secret)[:9] not in joined


def test_a_run_whose_folder_was_deleted_shows_the_stored_figure(bought) -> None:
    shell, path, summary = bought
    head = shell.json("ledger", "show")
    shutil.rmtree(shell.home / "runs" / summary["run_id"])
    again = shell.json("run", str(path))
    assert again["sanitised"] == summary["sanitised"]
    assert again["epsilon"] == summary["epsilon"]
    assert shell.json("ledger", "show") == head

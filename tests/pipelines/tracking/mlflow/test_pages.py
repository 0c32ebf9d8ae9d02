"""MLflow's own pages of a finished run in a real browser, opened by ``pate ui``: the curve of the spend, tags, card.

Screenshots lie in ``build/screenshots``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("finished")]
SHOTS = Path(__file__).parents[4] / "build" / "screenshots"
TRAINING = "?workflowType=machine_learning"
PATIENCE = 90_000
"""Milliseconds to wait for a page, on a busy machine."""


@pytest.fixture(scope="module")
def printed(finished, tmp_path_factory: pytest.TempPathFactory, free_port) -> Iterator[str]:
    """``pate ui`` on the finished run; the address that it prints."""
    shell, _ = finished
    port = free_port()
    said = tmp_path_factory.mktemp("ui") / "stderr"
    with said.open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "ui", "--port", str(port)],
            env=shell.environment(),
            cwd=shell.home.parent,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + 240
    while True:
        assert server.poll() is None
        assert time.monotonic() < end
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            break
        except OSError:
            time.sleep(0.3)
    (found,) = re.findall(r"^MLflow at (\S+) \(end with Ctrl-C\)$", said.read_text(), re.MULTILINE)
    yield found
    os.killpg(server.pid, signal.SIGTERM)
    server.wait(timeout=30)


@pytest.fixture(scope="module")
def address(printed: str) -> str:
    """Of the server."""
    return printed.partition("/#")[0]


@pytest.fixture(scope="module")
def campaign(finished) -> Any:
    shell, _ = finished
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`pate.phase` = 'campaign'")
    return run


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that may ask this server only."""
    context = browser.new_context(viewport={"width": 1400, "height": 1600})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert asked
    assert elsewhere == []


def runs_of(address: str, campaign: Any) -> str:
    return f"{address}/#/experiments/{campaign.info.experiment_id}/runs"


def shoot(page: Any, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"mlflow-{name}.png"))


def test_the_address_that_is_printed_lists_campaigns_as_training_and_not_as_language_models(
    page: Any, printed: str, campaign: Any
) -> None:
    page.goto(printed)
    page.get_by_role("link", name=campaign.info.run_name).first.wait_for()
    shown = page.inner_text("body")
    for text in ("Runs", "Models", "Model registry"):
        assert text in shown
    for text in ("Judges", "Prompts", "Sessions", "AI Gateway"):
        assert text not in shown
    shoot(page, "runs")


def test_the_address_that_is_printed_shows_campaigns_alone_with_cost_and_accuracy(
    page: Any, printed: str, campaign: Any
) -> None:
    page.goto(printed)
    page.get_by_role("link", name=campaign.info.run_name).first.wait_for()
    for column in ("epsilon_spent", "student_accuracy", "delta"):
        page.locator(".ag-header-cell", has_text=column).first.wait_for(state="attached")
    page.get_by_text("1 matching run").wait_for()
    assert page.locator(".ag-cell", has_text=re.compile(f"^{campaign.data.metrics['epsilon_spent']:.3f}")).count() == 1
    for phase in ("teachers", "labels", "student"):
        assert page.get_by_role("link", name=phase, exact=True).count() == 0, phase
    shoot(page, "campaigns")


def test_the_runs_page_shows_the_curve_of_the_spend(page: Any, address: str, campaign: Any, finished) -> None:
    shell, _ = finished
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    names = ("cost_by_queries", "epsilon_spent")
    points = sum(len(client.get_metric_history(campaign.info.run_id, name)) for name in names)
    page.goto(f"{runs_of(address, campaign)}/{campaign.info.run_id}/model-metrics{TRAINING}")
    for name in names:
        page.get_by_text(name, exact=True).first.wait_for()
    drawn = page.locator(".js-plotly-plot .scatterlayer path.point")
    drawn.nth(points - 1).wait_for(state="attached")
    assert drawn.count() == points >= 10
    shoot(page, "curve")


def test_the_runs_page_says_what_it_cost_and_from_which_public_data(page: Any, address: str, campaign: Any) -> None:
    page.goto(f"{runs_of(address, campaign)}/{campaign.info.run_id}{TRAINING}")
    page.get_by_role("heading", name="Privacy", exact=True).first.wait_for()
    shown = page.inner_text("body")
    for text in (campaign.data.tags["epsilon"], "accountant", "gaussian", "digits-pool", "pate-smoke"):
        assert text in shown
    for phase in ("teachers", "labels", "student"):
        assert page.get_by_role("link", name=re.compile(f"^{phase},?$")).count() >= 1, phase
    shoot(page, "run")


def test_the_versions_page_shows_its_tags_alias_and_card(page: Any, address: str, campaign: Any) -> None:
    page.goto(f"{address}/#/models/pate-smoke/versions/1")
    for heading in ("Privacy", "Evaluation", "Limits"):
        page.get_by_role("heading", name=heading, exact=True).first.wait_for()
    page.get_by_text("pate.model_digest").first.wait_for()
    shown = page.inner_text("body")
    for text in ("candidate", campaign.data.tags["epsilon"], "privacy_unit", "benchmark_set", "ledger"):
        assert text in shown
    shoot(page, "version")


def test_the_contents_of_the_report_work_inside_the_viewer_of_artifacts(page: Any, address: str, campaign: Any) -> None:
    page.goto(f"{runs_of(address, campaign)}/{campaign.info.run_id}/artifacts/report.html{TRAINING}")
    frame = page.frame_locator("iframe.mlflow-html-iframe")
    link = frame.get_by_role("navigation").get_by_role("link", name="Glossary")
    link.wait_for()
    shoot(page, "report-top")
    link.click()
    heading = frame.get_by_role("heading", name="Glossary")
    heading.wait_for()
    page.wait_for_timeout(1000)
    shown = page.locator("iframe.mlflow-html-iframe").bounding_box()
    assert shown["y"] <= heading.bounding_box()["y"] < shown["y"] + shown["height"]
    shoot(page, "report-glossary")

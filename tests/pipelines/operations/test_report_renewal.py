"""An audit that was made after a run gets into its report, on the page and in the JSON, and from there to MLflow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from pate.report import json_schema

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("finished")]


@pytest.fixture
def copy(finished, tmp_path: Path):
    """A PATE_HOME of its own with the finished run, and no MLflow store yet."""
    shell, _ = finished
    own = type(shell)(tmp_path / "home")
    shutil.copytree(shell.home, own.home, ignore=shutil.ignore_patterns("mlflow"))
    return own


def test_a_later_audit_is_in_the_report_and_nothing_else_changed(copy, finished) -> None:
    _, summary = finished
    run = summary["run_id"]
    public = copy.home / "runs" / run / "public"
    before = json.loads((public / "report.json").read_text())
    page = (public / "report.html").read_text()
    assert before["audit"] is None
    assert "No audit is on file" in page

    done = copy.run("audit", "--samples", "400", "--keep", "--json")
    assert done.returncode == 0, done.stderr
    assert f"`pate sync {run}`" in done.stderr
    after = json.loads((public / "report.json").read_text())
    assert after["audit"]["findings"] == json.loads(done.stdout)
    assert {**after, "audit": None} == before
    jsonschema.validate(after, json_schema())
    renewed = (public / "report.html").read_text()
    assert "No audit is on file" not in renewed
    assert all(str(finding["pair"]) in renewed for finding in after["audit"]["findings"])

    copy.json("register", run)
    (tracked,) = (copy.home / "mlflow").glob("artifacts/*/artifacts/report.html")
    assert tracked.read_text() == renewed
    assert copy.json("sync", run)["delivered"] == 0


def test_a_report_that_was_altered_is_left_alone_and_named(copy, finished) -> None:
    _, summary = finished
    file = copy.home / "runs" / summary["run_id"] / "public" / "report.json"
    file.write_text(file.read_text().replace("patient", "hospital"))
    found = file.read_bytes()
    done = copy.run("audit", "--samples", "8", "--keep", "--json")
    assert done.returncode == 0
    assert f"warning: report of {summary['run_id']} not renewed" in done.stderr
    assert "altered" in done.stderr
    assert file.read_bytes() == found

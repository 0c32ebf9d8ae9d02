"""What is unsafe is named, with the command that mends it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pate.ledger import Account, PrivacyLedger
from pipelines.cli.app import run
from pipelines.cluster.safety import Finding
from pipelines.config.experiment import Config, load
from pipelines.operations.doctor import examine
from pipelines.storage.incidents import write_incident
from pipelines.storage.run_folder import RunFolder

SMOKE = (Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text()
SAFE = SMOKE.replace("  delta: 1e-5", "  delta: 1e-5\n  retention_days: 30")


def config(folder: Path, *changes: tuple[str, str]) -> Config:
    text = SAFE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "c.yaml"
    path.write_text(text)
    return load(path)


def found(findings: list[Finding], about: str) -> list[str]:
    return [finding.fix for finding in findings if finding.about == about]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    base = tmp_path / "home"
    ledger = PrivacyLedger(base / "ledger")
    ledger.register(Account(name="ward", epsilon=1.0, delta=1e-5, accountant="gaussian", unit="patient"))
    ledger.close()
    RunFolder(base, "study-1").create()
    write_incident(base / "private", "text")
    (base / "private").chmod(0o700)
    return base


@pytest.fixture(autouse=True)
def no_token_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_safe_home_and_configuration_have_no_findings(home: Path, tmp_path: Path) -> None:
    assert examine(home, config(tmp_path), {}) == []


@pytest.mark.parametrize("name", ["ledger", "ledger/key", "private", "runs/study-1/private", "private/incidents/*"])
def test_what_others_may_read_is_found_and_the_command_mends_it(home: Path, name: str) -> None:
    (path,) = home.glob(name)
    path.chmod(0o755)
    (fix,) = found(examine(home, None, {}), "modes")
    assert fix.startswith("chmod ")
    subprocess.run(["bash", "-c", fix], env={"PATE_HOME": str(home), "PATH": "/usr/bin:/bin"}, check=True)
    assert found(examine(home, None, {}), "modes") == []


def test_a_tampered_ledger_is_found(home: Path) -> None:
    shutil.copy(home / "ledger" / "ledger.sqlite3", home / "old")
    ledger = PrivacyLedger(home / "ledger")
    ledger.record_purge("ward", run="r", retention_days=1, removed=[])
    ledger.close()
    shutil.copy(home / "old", home / "ledger" / "ledger.sqlite3")
    assert found(examine(home, None, {}), "ledger") == ["restore the ledger's folder from its newest backup"]


REMOTE = {"RAY_ADDRESS": "ray://10.0.0.7:10001"}


@pytest.mark.parametrize(
    ("environment", "fix"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "export RAY_AUTH_MODE=token"),
        ({**REMOTE, "RAY_AUTH_MODE": "disabled"}, "export RAY_AUTH_MODE=token"),
        (REMOTE, "export RAY_AUTH_TOKEN_PATH=/path/to/the/cluster's/token"),
    ],
)
def test_ray_without_a_token_is_found(home: Path, environment: dict[str, str], fix: str) -> None:
    assert found(examine(home, None, environment), "ray") == [fix]


@pytest.mark.parametrize(
    "environment", [{}, {"RAY_ADDRESS": "auto"}, {"RAY_ADDRESS": "127.0.0.1:6379"}, {**REMOTE, "RAY_AUTH_TOKEN": "t"}]
)
def test_this_machine_and_a_cluster_with_a_token_are_safe(home: Path, environment: dict[str, str]) -> None:
    assert examine(home, None, environment) == []


def test_a_token_that_others_may_read_is_found(home: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    token.chmod(0o644)
    (fix,) = found(examine(home, None, {**REMOTE, "RAY_AUTH_TOKEN_PATH": str(token)}), "ray")
    assert fix == f"chmod 600 {token}"


@pytest.mark.parametrize(
    ("uri", "environment", "fix"),
    [
        ("http://mlflow.example.org:5000", {}, "https"),
        ("https://anna:secret@mlflow.example.org", {}, "MLFLOW_TRACKING_PASSWORD"),
        ("https://mlflow.example.org", {"MLFLOW_TRACKING_INSECURE_TLS": "true"}, "unset"),
    ],
)
def test_an_unsafe_tracking_server_is_found(home: Path, tmp_path: Path, uri: str, environment, fix: str) -> None:
    unsafe = config(tmp_path, ("name: smoke", f"name: smoke\ntracking: {{uri: '{uri}'}}"))
    findings = examine(home, unsafe, environment)
    (line,) = found(findings, "tracking")
    assert fix in line
    assert "secret" not in str(findings)


def test_plain_http_to_this_machine_is_no_finding(home: Path, tmp_path: Path) -> None:
    local = config(tmp_path, ("name: smoke", "name: smoke\ntracking: {uri: 'http://127.0.0.1:5000'}"))
    assert examine(home, local, {}) == []


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        (("  max_asked: 40", "  max_asked: 40\n  insecure_seeded_noise: 3"), "insecure_seeded_noise"),
        (("  max_asked: 40", "  max_asked: 40\n  batch_size: 1"), "batch_size"),
        (("  retention_days: 30", ""), "retention_days"),
    ],
)
def test_unsafe_settings_are_found(home: Path, tmp_path: Path, change: tuple[str, str], fix: str) -> None:
    (line,) = found(examine(home, config(tmp_path, change), {}), "settings")
    assert fix in line


def test_the_command_says_what_to_do_and_ends_with_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(home))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    assert run(["doctor"]) == 0
    assert "nothing unsafe found" in capsys.readouterr().out
    (home / "ledger" / "key").chmod(0o644)
    assert run(["doctor"]) == 2
    assert 'fix: chmod 600 "${PATE_HOME:-.pate}/ledger/key"' in capsys.readouterr().out
    assert run(["doctor", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)[0]["about"] == "modes"

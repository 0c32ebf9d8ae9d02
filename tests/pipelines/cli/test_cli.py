"""Bad input is one line, exit code 2, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("finished")  # they look at one run
CONFIGS = Path(__file__).parents[3] / "configs"
SMOKE = (CONFIGS / "smoke.yaml").read_text()


def edited(folder: Path, old: str, new: str) -> str:
    assert old in SMOKE
    path = folder / "bad.yaml"
    path.write_text(SMOKE.replace(old, new))
    return str(path)


def refused(shell, *arguments: str, mentions: list[str], **environment: str) -> None:
    done = shell.run(*arguments, **environment)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    for text in mentions:
        assert text in done.stderr
    assert shell.files() <= {name for name in shell.files() if "incidents" in name}, (
        "nothing is written but an incident"
    )


@pytest.mark.parametrize(
    ("old", "new", "mentions"),
    [
        ("name: smoke", "name: smoke\nsurprise: 1", ["unknown key surprise=1"]),
        ("sigma: 5", "sigma: 0", ["labelling.mechanism.sigma=0"]),
        ("epsilon: 10", "epsilon: .nan", ["privacy.epsilon=nan"]),
        ("teachers: 20", "teachers: 601", ["partition.teachers <= data.private=600", "got 601", "use fewer"]),
        ("private: 600", "private: 1600", ["1797"]),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(shell, tmp_path: Path, old, new, mentions) -> None:
    refused(shell, "run", edited(tmp_path, old, new), mentions=mentions)


def test_an_unreachable_mlflow_server_is_refused_before_anything_is_written(shell, tmp_path: Path, free_port) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    config = edited(tmp_path, "name: smoke", f"name: smoke\ntracking: {{uri: '{uri}'}}")
    refused(shell, "run", config, mentions=["tracking.uri", uri])


def test_an_unreachable_ray_is_refused_before_anything_is_written(shell, free_port) -> None:
    address = f"127.0.0.1:{free_port()}"
    refused(shell, "run", str(CONFIGS / "smoke.yaml"), mentions=["ray.address", address], RAY_ADDRESS=address)


@pytest.mark.parametrize("arguments", [["report", "nothing"], ["run", "nowhere.yaml"], ["ledger", "show"], ["dance"]])
def test_what_is_not_there_is_refused(shell, arguments: list[str]) -> None:
    refused(shell, *arguments, mentions=["pate: error:"])


def test_validate_prints_the_worst_case_cost_and_writes_nothing(shell) -> None:
    facts = shell.json("validate", str(CONFIGS / "smoke.yaml"))
    assert 0 < facts["epsilon"] <= facts["budget"]
    assert shell.files() == set()


def test_help_has_an_example_for_each_command(shell) -> None:
    for command in ("run", "validate", "report", "sync", "ui", "schema", "incident", "ledger show", "ledger verify"):
        text = shell.run(*command.split(), "--help").stdout
        assert f"Example: pate {command}" in text, command
    top = shell.run("--help").stdout
    assert "Example: pate run" in top


def test_the_ledger_is_shown_and_verified(finished) -> None:
    shell, summary = finished
    (row,) = shell.json("ledger", "show")
    assert row["spent"] == pytest.approx(summary["epsilon"])
    assert 0.9 * (row["epsilon"] - row["spent"]) < row["left"] <= row["epsilon"] - row["spent"], "by its filter's order"
    assert "unbroken" in shell.run("ledger", "verify").stdout


def test_an_unforeseen_error_shows_its_kind_and_keeps_its_text_private(shell) -> None:
    run = shell.home / "runs" / "broken-12345678"
    (run / "private").mkdir(parents=True)
    (run / "public").mkdir()
    (run / "public" / "summary.json").write_text('{"patient anna')
    done = shell.run("report", "broken-12345678")
    assert (done.returncode, done.stdout) == (1, "")
    assert "JSONDecodeError" in done.stderr
    assert str(shell.home) not in done.stderr
    incident = done.stderr.split("pate incident ")[1].split("`")[0]
    assert "Traceback" in shell.run("incident", incident).stdout


def test_a_broken_ledger_is_one_line_without_its_path(shell) -> None:
    (shell.home / "ledger" / "ledger.sqlite3").mkdir(parents=True)
    done = shell.run("ledger", "show")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert str(shell.home) not in done.stderr

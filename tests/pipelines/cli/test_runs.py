"""``pate runs``, ``--set`` and ``pate configs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pate.errors import InputError
from pipelines.cli.app import run
from pipelines.cli.runs import _options
from pipelines.config.experiment import load
from pipelines.config.shipped import shipped
from pipelines.config.yaml_file import assigned
from pipelines.results.run_list import run_rows
from pipelines.storage.home import Home

SMOKE = shipped()["smoke"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def begun(home: Path, run_id: str, *stages: str) -> Path:
    folder = home / "runs" / run_id
    (folder / "private" / "stages").mkdir(parents=True)
    (folder / "public").mkdir()
    for stage in stages:
        (folder / "private" / "stages" / f"{stage}.json").write_text("{}")
    return folder


def test_runs_are_listed_in_every_state(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(home, "begun-1")
    begun(home, "voted-1", "partition", "queries", "teachers", "votes")
    (begun(home, "broken-1") / "public" / "summary.json").write_text("{")
    done = begun(home, "done-1", "report") / "public"
    (done / "config.json").write_text(json.dumps({"name": "done", "seed": 3}))
    facts = {"epsilon": 2.5, "delta": 1e-5, "unit": "patient", "secure_noise": True, "student_accuracy": 0.875}
    (done / "summary.json").write_text(json.dumps(facts))
    event = {"sequence": 1, "kind": "status", "phase": "campaign", "timestamp_ms": 1_700_000_000_000, "body": {}}
    (done / "tracking").mkdir()
    (done / "tracking" / "outbox.jsonl").write_text(json.dumps(event) + "\n")
    rows = {row.run_id: row for row in run_rows(Home(home))}
    assert {name: row.state for name, row in rows.items()} == {
        "begun-1": "begun", "voted-1": "votes", "broken-1": "unreadable", "done-1": "finished",
    }  # fmt: skip
    found = rows["done-1"]
    assert (found.config, found.seed, found.epsilon, found.accuracy) == ("done", 3, 2.5, 0.875)
    assert found.started == "2023-11-14T22:13:20+00:00"
    assert run(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["done-1", "finished", "2.500", "1e-05", "87.5%", "2023-11-14", "22:13"]
    assert run(["runs", "--json"]) == 0
    assert {row["run_id"] for row in json.loads(capsys.readouterr().out)} == set(rows)


def test_no_runs_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 0
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "no runs" in seen.err


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["a.b=12"], {"a": {"b": 12}}),
        (["a.b=1e-5", "a.c=text", "a.b=2"], {"a": {"b": 2, "c": "text"}}),
        (["a=[1, 2]", "b="], {"a": [1, 2], "b": None}),
        (["a={x: 1}", "a.y=2"], {"a": {"x": 1, "y": 2}}),
        (["uri=http://h:1/?a=b"], {"uri": "http://h:1/?a=b"}),
    ],
)
def test_settings_are_nested_values_in_yaml(settings: list[str], expected: dict[str, Any]) -> None:
    assert assigned(settings) == expected


@pytest.mark.parametrize("setting", ["sigma", "=3", "a..b=1", "a.b.=1", "a=[1", "a={b: 1, b: 2}"])
def test_a_setting_of_another_form_is_refused(setting: str) -> None:
    with pytest.raises(InputError, match="--set"):
        assigned([setting])


def test_a_replaced_value_is_the_one_that_is_hashed_and_recorded() -> None:
    plain, changed = load(SMOKE), load(SMOKE, assigned(["labelling.mechanism.sigma=12"]))
    assert changed.run_id != plain.run_id
    content = plain.content()
    content["labelling"]["mechanism"]["sigma"] = 12
    assert changed.content() == content
    assert load(SMOKE, assigned([])).content() == plain.content()


def test_a_mapping_replaces_the_whole_section() -> None:
    changed = load(SMOKE, assigned(["labelling.mechanism={kind: lnmax, scale: 40}"]))
    assert changed.content()["labelling"]["mechanism"] == {"kind": "lnmax", "scale": 40}


@pytest.mark.parametrize("command", [["run"], ["validate", "--no-data"], ["doctor"]])
def test_a_misspelt_key_is_named_with_the_one_that_was_meant(
    command: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, str(SMOKE), "--set", "labelling.mechanism.sigm=12"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "unknown key labelling.mechanism.sigm=12; did you mean sigma?" in error
    assert not (home / "runs").exists()


def test_a_shipped_configuration_is_copied_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["configs", "copy", "smoke", "--to", "mine.yaml"]) == 0
    assert (tmp_path / "mine.yaml").read_bytes() == SMOKE.read_bytes()
    assert load(tmp_path / "mine.yaml").run_id == load(SMOKE).run_id
    assert run(["configs", "copy", "smoke", "--to", "mine.yaml"]) == 2
    assert "a file that does not exist yet" in capsys.readouterr().err
    assert run(["configs", "copy", "smok"]) == 2
    assert "did you mean smoke?" in capsys.readouterr().err
    assert run(["configs", "copy", "smoke", "--to", "nowhere/mine.yaml"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_configs_alone_lists_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["configs", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert run(["configs", "list", "--json"]) == 0
    assert alone == json.loads(capsys.readouterr().out)
    assert [row["name"] for row in alone] == list(shipped())
    assert run(["configs"]) == 0
    assert capsys.readouterr().out.startswith("name ")


@pytest.mark.parametrize(
    ("seed", "shown"), [(None, ["--set", "seed=3"]), (0, ["--set", "seed=3", "--seed", "0"])], ids=["none", "zero"]
)
def test_the_command_that_resumes_names_the_options_as_typed(seed: int | None, shown: list[str]) -> None:
    assert _options(["seed=3"], seed) == shown

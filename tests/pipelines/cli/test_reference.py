"""All commands speak with one voice, and the pages that list them are those of the program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.app import root, run
from pipelines.cli.commands import loaded
from pipelines.cli.output import EXIT_CODES
from pipelines.cli.reference import page

ROOT = Path(__file__).parents[3]
COMMANDS = dict(loaded(root()))
WITHOUT_JSON = {
    "pate ui",  # does not end
    "pate schema", "pate ledger export",  # print JSON anyway
}  # fmt: skip


def options(command: Any) -> dict[str, Any]:
    return {option: parameter for parameter in command.params for option in parameter.opts}


def test_the_page_of_commands_is_the_programs() -> None:
    remedy = "python -m pipelines.cli.reference > docs/reference/commands.md"
    assert (ROOT / "docs" / "reference" / "commands.md").read_text() == page(), remedy


def test_the_page_begins_with_every_command() -> None:
    overview, _, _ = page().partition("\n## `pate ")
    assert re.findall(r"^\| \[`(pate [a-z ]+)`\]\(#[a-z-]+\) \|", overview, flags=re.MULTILINE) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_an_example_and_json(name: str) -> None:
    command = COMMANDS[name]
    assert f"\n\nExample: {name}" in command.help
    assert f"Example: {name}" in (command.short_help or command.help)
    assert all(parameter.help for parameter in command.params if parameter.name != "help")
    found = options(command).get("--json")
    assert (found is None) == (name in WITHOUT_JSON), name
    if found is not None:
        assert found.help == "print one JSON document on standard output"


def test_exit_codes_are_those_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """3 and 130, lost sites and an interrupt, are tested on runs."""
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    broken = tmp_path / "runs" / "broken-1"
    (broken / "private").mkdir(parents=True)
    (broken / "public").mkdir()
    (broken / "public" / "summary.json").write_text("{")
    calls = {0: ["--version"], 1: ["report", "broken-1"], 2: ["report", "nothing"]}
    assert {code: run(words) for code, words in calls.items()} == {0: 0, 1: 1, 2: 2}
    assert set(EXIT_CODES) == {*calls, 3, 130}
    seen = capsys.readouterr()
    assert re.fullmatch(r"pate \d+\.\d+\.\d+\n", seen.out)
    assert [line.startswith("pate: error: ") for line in seen.err.splitlines()] == [True, True]


@pytest.mark.parametrize(
    "words",
    [
        ["validate", str(ROOT / "configs" / "smoke.yaml")],
        ["plan", "--sigma", "20", "--labels", "50", "--teachers", "100", "--classes", "3", "--accountant", "gaussian"],
        ["data", "list"],
        ["doctor"],
    ],
)
def test_json_is_one_document_and_nothing_else(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    assert run([*words, "--json"]) in {0, 2}
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "words",
    [
        ["report", "nothing"],
        ["register", "nothing"],
        ["register", "nothing", "--alias", "latest"],
        ["sync", "nothing"],
        ["purge", "nothing"],
        ["results", "nothing"],
        ["ledger", "show"],
        ["ui"],
        ["incident", "nothing"],
        ["validate", "nowhere.yaml"],
        ["data", "fetch", "nothing"],
        ["cost"],
        ["plan", "--labels", "5", "--teachers", "5", "--classes", "2"],
        ["run"],
        ["run", "nowhere.yaml", "--seed", "-1"],
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATE_HOME", str(tmp_path))
    assert run(words) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.count("\n") == 1
    assert re.match(r"pate: error: .*(; |See `pate( [a-z]+)* --help`)", seen.err), seen.err

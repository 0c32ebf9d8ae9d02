"""What the README shows works as shown, and it stays short."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.results.brief import END, ROWS, START, brief

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def holds(whole: Any, shown: Any) -> bool:
    """Whether all that is shown is in the whole, at the same place."""
    if isinstance(shown, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], shown[key]) for key in shown)
    return bool(whole == shown)


def rows_of(text: str) -> list[str]:
    """Return the names in the first column of a result."""
    return re.findall(r"^(\w+(?: \w+)?)  +\S", text, flags=re.MULTILINE)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_the_python_example_runs_and_repeats_its_answers_for_free(tmp_path: Path) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    votes = "\n".join(["0,1,2"] * 390 + ["1,1,nan"] * 10)  # a gap of 13 deviations: a wrong label once in 1e38 runs
    (tmp_path / "votes.csv").write_text(votes)
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith("[0 1 2] ")


def test_the_configuration_shown_is_part_of_the_shipped_one() -> None:
    (shown,) = blocks("yaml")
    whole = yaml.safe_load((ROOT / "configs" / "digits.yaml").read_text())
    assert holds(whole, yaml.safe_load(shown))


def test_the_results_are_those_of_the_rows() -> None:
    rows = json.loads(ROWS.read_text(encoding="utf-8"))
    assert f"{START}\n\n{brief(rows)}\n\n{END}" in README, "python -m pipelines.results.brief README.md"


@pytest.mark.xdist_group("finished")
def test_the_demo_prints_the_rows_shown(finished: Any) -> None:
    shell, summary = finished
    printed = rows_of(shell.run("report", summary["run_id"]).stdout)
    shown = rows_of(next(block for block in blocks("") if block.startswith("run  ")))
    whole = rows_of((ROOT / "docs" / "tutorials" / "first_run.md").read_text().split("```")[3])
    assert printed == whole
    assert shown == whole[: len(shown)]


def test_every_make_target_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z-]+)", README))
    assert {"demo", "test", "docs"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target

"""The notebooks hold no definitions and no outputs, and run from top to bottom on a finished run."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def executed(path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a notebook with its own kernel; all that its cells print and show, as text."""
    monkeypatch.setenv("PATE_HOME", str(home))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]), prepend=":")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    book = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(book, timeout=400, kernel_name="python3", resources=resources).execute()
    return "\n".join(str(output) for cell in book.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_definitions_and_no_outputs(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        assert (cell.outputs, cell.execution_count) == ([], None), "strip the outputs"
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, DEFINITIONS)]


def test_each_notebook_is_executed_here_or_by_the_documentation_site() -> None:
    site = (ROOT / "docs" / "index.md").read_text()
    shown = {path.stem for path in NOTEBOOKS if f"notebooks/{path.stem}\n" in site}
    assert {path.stem for path in NOTEBOOKS} == shown | {"choose_noise", "consortium", "privacy_spend"}
    assert {"my_hospitals_csv", "own_sklearn_votes", "own_pytorch_teacher", "reading_a_report"} <= shown


@pytest.mark.slow
@pytest.mark.xdist_group("finished")
def test_the_spend_of_a_run_is_shown(finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell, summary = finished
    assert shell.run("ledger", "show").returncode == 0  # any command starts the log of native output
    before = shell.files()
    shown = executed(ROOT / "notebooks" / "privacy_spend.ipynb", shell.home, monkeypatch)
    assert summary["run_id"] in shown
    assert f"{summary['epsilon']:.6f}"[:-1] in shown
    assert "pate-smoke" in shown
    meaning = json.loads((shell.home / "runs" / summary["run_id"] / "public" / "report.json").read_text())["meaning"]
    for number in (
        meaning["best_guess"][0]["with"],
        meaning["attack"]["true_positive"],
        meaning["largest_odds_factor"],
    ):
        assert str(number)[:5] in shown, "the report's numbers, not others"
    assert shell.files() == before, "an analyst changes nothing"


@pytest.mark.slow
def test_noise_is_chosen_without_any_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed(ROOT / "notebooks" / "choose_noise.ipynb", tmp_path / "nowhere", monkeypatch)
    assert "label accuracy" in shown
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_consortium_is_simulated_run_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed(ROOT / "notebooks" / "consortium.ipynb", tmp_path / "home", monkeypatch)
    assert "student_accuracy" in shown
    for name in ("alike", "unequal"):
        (run,) = (tmp_path / "home" / "rehearsals" / name / "runs").iterdir()
        assert (run / "public" / "report.html").is_file()

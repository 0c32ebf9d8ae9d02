"""The table of results is made from finished runs and written between its markers, nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("finished")


def test_the_table_is_written_between_its_markers_and_replaced(finished, tmp_path: Path) -> None:
    from pipelines.results.table import END, START

    shell, summary = finished
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nold table\n{END}\nafter\n")
    for _ in range(2):
        done = shell.run("results", summary["run_id"], "--readme", str(readme))
        assert done.returncode == 0, done.stderr
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old table" not in text
    assert text.count("| `smoke`, seed 0 |") == 1
    assert f"{summary['student_accuracy']:.1%}" in text


def test_tables_in_the_docs_have_the_columns_of_today() -> None:
    from pipelines.results.table import COLUMNS, START

    reference = Path(__file__).parents[3] / "docs" / "reference"
    for page in ("results.md", "eicu.md"):
        _, _, rest = (reference / page).read_text().partition(START)
        assert rest.split("\n")[2] == "| " + " | ".join(COLUMNS) + " |"


def test_a_file_without_markers_is_left_alone(finished, tmp_path: Path) -> None:
    shell, summary = finished
    readme = tmp_path / "README.md"
    readme.write_text("no markers")
    done = shell.run("results", summary["run_id"], "--readme", str(readme))
    assert done.returncode == 2
    assert readme.read_text() == "no markers"

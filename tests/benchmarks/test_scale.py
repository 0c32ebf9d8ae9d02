"""The measurements of teachers at scale work, on a small setting; real ones are made by `make bench-scale`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.xdist_group("ray")]
HERE = Path(__file__).parent


def run(script: str, *words: str) -> None:
    subprocess.run([sys.executable, str(HERE / script), *words], cwd=HERE.parents[1], check=True, timeout=500)


def test_every_way_trains_the_same_teachers(tmp_path: Path) -> None:
    figures, readme = tmp_path / "figures.json", tmp_path / "README.md"
    readme.write_text(
        "a\n<!-- teachers at scale: written by a benchmark -->\n<!-- end of teachers at scale -->\nb\n",
        encoding="utf-8",
    )
    run("teachers_at_scale.py", "--seconds", "1", "--teachers", "8", "--json", str(figures), "--readme", str(readme))
    rows = json.loads(figures.read_text())
    assert len(rows) == 6
    assert all(row["same_votes"] > 0.9 for row in rows)
    assert readme.read_text().count("times**") == 6


def test_the_curve_is_measured_fitted_and_drawn(tmp_path: Path) -> None:
    plot, readme = tmp_path / "scaling.svg", tmp_path / "README.md"
    readme.write_text("<!-- scaling: written by a benchmark -->\n<!-- end of scaling -->\n", encoding="utf-8")
    words = ["--epochs", "2", "--teachers", "10", "40", "--plot", str(plot), "--readme", str(readme)]
    run("scaling_curve.py", *words)
    assert "A prediction, not a measurement" in readme.read_text()
    assert plot.read_text().startswith("<?xml")


def test_what_many_teachers_know_is_measured_on_the_split_for_development(tmp_path: Path, data_dir: Path) -> None:
    figures, readme = tmp_path / "figures.json", tmp_path / "README.md"
    readme.write_text(
        "<!-- many teachers: written by a benchmark -->\n<!-- end of many teachers -->\n", encoding="utf-8"
    )
    small = ["--teachers", "20", "--records", "60", "--epochs", "1", "--votes", "40", "100"]
    run("many_teachers.py", *small, "--json", str(figures), "--readme", str(readme))
    found = json.loads(figures.read_text())
    assert found["plurality"] > found["mean_teacher"] > 0.3
    assert found["votes"] == 40 * 100
    assert "20 x 60" in readme.read_text()

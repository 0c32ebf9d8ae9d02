"""The example of docs/how_to/own_parts.md, from its files to a published student."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pate.errors import InputError
from pipelines.config.experiment import Config, load
from pipelines.config.own_parts import own_student, own_teachers, require_importable

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how_to" / "own_parts.md").read_text()
SMOKE: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def pate(*words: str, folder: Path, importable: bool = True) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)] if importable else [str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pipelines", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **paths, "PATE_HOME": str(folder / "home")},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example's two files."""
    (tmp_path / "my_parts.py").write_text(blocks("python")[0])
    (tmp_path / "own.yaml").write_text(blocks("yaml")[0])
    return tmp_path


def test_the_example_runs_and_its_student_needs_no_class_of_the_users(folder: Path) -> None:
    done = pate("run", "own.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    (student,) = folder.glob("home/runs/*/public/student")
    for name in ("report.html", "report.json", "model_card.md"):
        assert "my_parts:build" in (student.parent / name).read_text().replace("\\", ""), name
    script = f"""
import sys, torch
from pathlib import Path
from pate.student.export import load_exported
network = load_exported(Path({str(student)!r}))
assert "my_parts" not in sys.modules
print(tuple(network(torch.zeros(3, 1, 8, 8)).shape))
"""
    loaded = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert loaded.stdout.strip() == "(3, 10)"
    for name in ("report.json", "report.html", "model_card.md"):
        assert "user-defined (my_parts:" in (student.parent / name).read_text().replace("\\", ""), name
    report = json.loads((student.parent / "report.json").read_text())
    assert report["own_parts"] == {"teacher model": "my_parts:build"}
    assert report["student"]["student learner"] == "user-defined (my_parts:learner)"
    assert not any("my_parts:build" in value for value in report["student"].values())
    weights = [path.suffix for path in folder.glob("home/**/bundle-*")]
    assert set(weights) == {".safetensors", ".sha256"}


@pytest.mark.slow
def test_an_estimator_as_the_teacher_runs_and_its_pickles_stay_private(folder: Path) -> None:
    content = yaml.safe_load(blocks("yaml")[0])
    content["teachers"] = yaml.safe_load(blocks("yaml")[1])["teachers"]
    (folder / "own.yaml").write_text(yaml.safe_dump(content))
    done = pate("run", "own.yaml", folder=folder)
    assert done.returncode == 0, done.stderr
    holders = [path for path in folder.rglob("*") if path.is_file() and b"pate pickled estimators" in path.read_bytes()]
    assert holders
    assert all("private" in path.relative_to(folder).parts for path in holders)


def test_a_part_that_cannot_be_imported_is_found_before_anything_is_written(folder: Path) -> None:
    for word in ("validate", "run"):
        done = pate(word, "own.yaml", folder=folder, importable=False)
        assert done.returncode != 0
        assert "teachers.model.builder" in done.stderr
        assert "PYTHONPATH" in done.stderr
    assert not list(folder.glob("home/runs/*"))


def configured(folder: Path, **changes: Any) -> Config:
    (folder / "c.yaml").write_text(yaml.safe_dump({**SMOKE, **changes}))
    return load(folder / "c.yaml")


def test_a_configuration_names_its_own_parts(tmp_path: Path) -> None:
    assert own_teachers(configured(tmp_path)) == own_student(configured(tmp_path)) == {}
    config = configured(
        tmp_path,
        teachers={"model": {"kind": "estimator", "estimator": "mine.parts:make"}},
        student={"learner": "custom", "builder": "mine:learner"},
    )
    assert own_teachers(config) == {"teacher estimator": "mine.parts:make"}
    assert own_student(config) == {"student learner": "user-defined (mine:learner)"}
    with pytest.raises(InputError, match=r"teachers\.model\.estimator"):
        require_importable(config)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"teachers": {"model": {"kind": "custom"}}}, ["missing key teachers.model.builder"]),
        ({"teachers": {"model": {"kind": "custom", "builder": "no path"}}}, ["teachers.model", "import path"]),
        ({"teachers": {"model": {"kind": "custom", "builder": "a:b"}}}, ["add teachers.training"]),
        (
            {
                "teachers": {
                    "model": {"kind": "custom", "builder": "a:b"},
                    "training": {"steps": 1},
                    "strategy": "fused",
                }
            },
            ["strategy: sequential or auto", "'fused'"],
        ),
        (
            {"teachers": {"model": {"kind": "estimator", "estimator": "a:b"}, "training": {"steps": 1}}},
            ["remove teachers.training"],
        ),
        ({"student": {"learner": "custom", "builder": "nothing"}}, ["student.builder", "import path"]),
        ({"student": {"learner": "custom", "bilder": "a:b"}}, ["student.b"]),
    ],
    ids=str,
)
def test_a_wrong_own_part_is_one_line(tmp_path: Path, changes: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as error:
        configured(tmp_path, **changes)
    assert "\n" not in str(error.value)
    for piece in parts:
        assert piece in str(error.value), str(error.value)

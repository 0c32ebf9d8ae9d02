"""The wheel, installed into a new environment outside any checkout: commands, shipped configurations, ``import pate``.

Dependencies are those of the present environment, on the path of the new one without the checkout; with
``PATE_WHEEL_INSTALL=1`` they are installed from the package index, which takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
ROOT = Path(__file__).parents[1]
SOURCES = ("pate", "pipelines", "configs", "pate_labelling.py", "pyproject.toml", "README.md", "LICENSE")
EXAMPLE = """
import numpy as np, pate
from pathlib import Path
votes = pate.VoteMatrix.collect(np.array([[0, 1, 2]] * 400), classes=3)
with pate.PrivacyLedger(Path("ledger")) as ledger:
    ledger.register(pate.Account(name="ward", epsilon=2.0, delta=1e-5, unit="patient", accountant="gaussian"))
    print(pate.release(ledger, account="ward", task="t", mechanism=pate.GNMax(sigma=20.0), votes=votes.histogram(),
                       query_keys=[b"1", b"2", b"3"], noise=pate.ExactNoise(), moved_votes=1).value.labels_Q)
print(pate.__file__, pate.epsilon(pate.GNMax(sigma=20.0), 1e-5, queries=3).accountant)
print(pate.run("smoke", quiet=True).run_id)
"""


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build gets in."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", copy / "dist", copy, cwd=copy)
    (built,) = (copy / "dist").glob("pate_labelling-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment ``venv`` that holds the wheel."""
    folder = tmp_path_factory.mktemp("elsewhere")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet")
    if os.environ.get("PATE_WHEEL_INSTALL"):
        run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=folder)
    else:
        run(*pip, "--no-deps", wheel, cwd=folder)
        (own,) = (folder / "venv").glob("lib/python*/site-packages")
        (own / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")  # its own .pth files stay unread
    return folder


def pate(installed: Path, *words: str) -> str:
    return run(installed / "venv" / "bin" / "pate", *words, cwd=installed, PATE_HOME=str(installed / "home"))


def test_the_wheel_holds_the_shipped_configurations_and_the_parts_of_the_report(wheel: Path) -> None:
    import zipfile

    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {f"pipelines/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}
    assert shipped
    assert names >= shipped | {"pate/py.typed"}
    assert names >= {f"pate/report/report.{end}" for end in ("css", "html.j2", "schema.json")}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "pate", "pipelines", "pate_labelling.py",
    }  # fmt: skip


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    import zipfile

    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        path.relative_to(ROOT).as_posix() for top in ("pate", "pipelines") for path in (ROOT / top).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules | {"pate_labelling.py"}


def test_help_and_names_of_configurations(installed: Path) -> None:
    assert "Example: pate run digits" in " ".join(pate(installed, "--help").split())
    names = {row["name"] for row in json.loads(pate(installed, "configs", "--json"))}
    assert names == {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    assert json.loads(pate(installed, "validate", "digits", "--json"))["run_id"].startswith("digits-")


def test_a_shipped_configuration_runs_by_its_name(installed: Path) -> None:
    summary = json.loads(pate(installed, "run", "smoke", "--json"))
    assert summary["run_id"].startswith("smoke-")
    report = Path(summary["report"])
    assert report.is_relative_to(installed)
    assert "<style>" in report.read_text()


def test_the_package_from_python(installed: Path) -> None:
    home = str(installed / "home")
    lines = run(installed / "venv" / "bin" / "python", "-c", EXAMPLE, cwd=installed, PATE_HOME=home).splitlines()
    assert lines[0] == "[0 1 2]"
    assert lines[1].startswith(str(installed / "venv"))
    assert lines[1].endswith("worst_case")
    assert lines[2].startswith("smoke-")


def test_the_distribution_has_a_name_of_its_own(installed: Path) -> None:
    code = "from importlib.metadata import metadata; found = metadata('pate-labelling'); print(found['Version'])"
    version = run(installed / "venv" / "bin" / "python", "-c", code, cwd=installed).strip()
    assert pate(installed, "--version") == f"pate {version}\n"


def test_another_package_of_the_same_name_is_named_in_one_line(installed: Path, tmp_path: Path) -> None:
    other = tmp_path / "pipelines" / "__init__.py"
    other.parent.mkdir()
    other.touch()
    done = subprocess.run(
        [installed / "venv" / "bin" / "pate", "configs"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(other) in done.stderr

"""Names: other packages `pate` or `pipelines` are reported, and no document installs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pate
import pate_labelling

ROOT = Path(__file__).parents[1]
COMMAND = "import sys; sys.argv[1:] = ['--version']; from pate_labelling import main; main()"

INSTALLED = (
    "import sys; sys.meta_path = [one for one in sys.meta_path if 'Editable' not in getattr(one, '__name__', '')]"
)
"""An editable installation finds modules of ours inside any package of that name; an installed wheel does not."""


def started(path: Path, code: str = COMMAND) -> subprocess.CompletedProcess[str]:
    """The command in a process whose path of modules begins with a folder of the user's."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, cwd=path, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", pate_labelling.PACKAGES)
@pytest.mark.parametrize("file", ["NAME/__init__.py", "NAME.py"])
def test_another_package_is_named_in_one_line(name: str, file: str, tmp_path: Path) -> None:
    other = tmp_path / file.replace("NAME", name)
    other.parent.mkdir(exist_ok=True)
    other.write_text("raise SystemExit('the other package was run')\n")
    done = started(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"pate: error: Expected the package {name} of pate-labelling, got another one in {other}; "
        f"remove {tmp_path} from PYTHONPATH\n"
    )


def test_the_command_starts_beside_other_folders(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert started(tmp_path).stdout == f"pate {pate.__version__}\n"


def copied(name: str, folder: Path) -> None:
    shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def test_a_copy_of_both_packages_is_used(tmp_path: Path) -> None:
    for name in pate_labelling.PACKAGES:
        copied(name, tmp_path)
    code = COMMAND.replace("main()", "import pate; sys.stderr.write(pate.__file__); main()")
    done = started(tmp_path, code)
    assert (done.stdout, done.stderr) == (f"pate {pate.__version__}\n", str(tmp_path / "pate" / "__init__.py"))


@pytest.mark.parametrize("name", pate_labelling.PACKAGES)
def test_a_copy_of_one_package_beside_the_other_is_refused(name: str, tmp_path: Path) -> None:
    """It may be of another version."""
    copied(name, tmp_path)
    done = started(tmp_path)
    assert done.returncode == 2
    assert f"Expected the package {name} of pate-labelling, got another one in {tmp_path / name}" in done.stderr


def test_python_names_a_package_that_hides_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").touch()
    code = f"{INSTALLED}; import pate\ntry: pate.run('smoke')\nexcept pate.errors.InputError as error: print(error)"
    assert "Expected the package pipelines of pate-labelling, got another one" in started(tmp_path, code).stdout


def test_no_page_installs_another_project() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").rglob("*.ipynb")]
    for page in pages:
        assert not re.search(r"pip3? install (-\S+ )*(pate|pipelines)(?![\w/.-])", page.read_text()), page

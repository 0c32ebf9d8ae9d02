"""Which heavy packages a command may import: none for help, and only what it needs for its work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.app import root
from pipelines.cli.commands import Deferred, loaded
from pipelines.storage.home import Home

HEAVY = (
    "numpy", "scipy", "opendp", "torch", "torchvision", "ray", "mlflow", "pandas", "sklearn", "matplotlib", "pyarrow",
    "xgboost", "jinja2",
)  # fmt: skip
COUNTS = {"numpy", "scipy"}
"""Packages of the accountants."""
ALLOWED = {
    "validate digits": COUNTS | {"opendp"},
    "plan --epsilon 1 --labels 20 --teachers 50 --classes 3 --accountant gaussian": COUNTS,
    "ledger show": COUNTS,
    "ledger verify": COUNTS,
    "ledger export": COUNTS,
    "report RUN": COUNTS,
    "results RUN": COUNTS,
    "purge RUN --days 3000": COUNTS,
    "schema": COUNTS | {"opendp"},
    "schema --report": COUNTS | {"jinja2"},
    "doctor digits": COUNTS | {"opendp"},
    "configs": set(),
    "data list": set(),
    "incident nothing": set(),
}
"""Command lines whose work needs neither torch nor Ray nor MLflow, with the heavy packages that each may load."""
HELP = "HELP"
SCRIPT = f"""
import json, sys
from pipelines.cli.app import run
found = {{}}
for words in json.loads(sys.argv[1]):
    run(words)
    found[" ".join(words)] = sorted(set({HEAVY}) & set(sys.modules))
print(json.dumps(found), file=sys.stderr)
"""


def loaded_by(lines: list[list[str]], home: Path) -> dict[str, set[str]]:
    """Heavy packages that are loaded after each of some command lines, run one after the other in one process."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(lines)],
        capture_output=True, text=True, env={**os.environ, "PATE_HOME": str(home)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {line: set(found) for line, found in json.loads(done.stderr.splitlines()[-1]).items()}


def test_no_help_loads_a_heavy_package(tmp_path: Path) -> None:
    names = [name.split()[1:] for name, _ in loaded(root())]
    lines = [["--help"], ["ledger", "--help"], ["data", "--help"], *([*name, "--help"] for name in names)]
    found = loaded_by(lines, tmp_path)
    assert len(found) == len(names) + 3
    assert {line: packages for line, packages in found.items() if packages} == {}


def test_the_list_of_commands_loads_no_module_of_a_command(tmp_path: Path) -> None:
    script = "import sys; from pipelines.cli.app import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stderr.split())
    assert {name for name in modules if name.startswith("pipelines.cli.")} == {
        "pipelines.cli.app", "pipelines.cli.commands",
    }  # fmt: skip


@pytest.mark.xdist_group("finished")
@pytest.mark.parametrize("line", sorted(ALLOWED))
def test_a_command_loads_what_its_work_needs(line: str, finished) -> None:
    shell, summary = finished
    words = line.replace("RUN", summary["run_id"]).split()
    (packages,) = loaded_by([words], shell.home).values()
    assert packages <= ALLOWED[line]


def test_a_deferred_command_is_the_one_that_is_listed() -> None:
    for name, command in root().commands.items():
        if isinstance(command, Deferred):
            found = command.load()
            assert (found.name, found.short_help, found.hidden) == (name, command.short_help, command.hidden)


def test_names_and_folders_in_pate_home_need_no_heavy_package(tmp_path: Path) -> None:
    script = f"""
import sys
import pipelines.storage.home, pipelines.storage.run_folder, pipelines.config.shipped, pipelines.tracking.destination
print(*sorted(set({HEAVY}) & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"
    assert list(Home(tmp_path).runs()) == []

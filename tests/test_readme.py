"""What the README shows works as shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_python_example_runs_and_repeats_its_answers_for_free(tmp_path: Path) -> None:
    code, *_ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    votes = "\n".join(["0,1,2"] * 390 + ["1,1,nan"] * 10)  # a gap of 13 deviations: a wrong label once in 1e38 runs
    (tmp_path / "votes.csv").write_text(votes)
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0].startswith("[0 1 2] ")


def test_every_make_target_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text())):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_command_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text()
    words = {tuple(found.split()) for found in re.findall(r"`pate ((?:ledger )?[a-z]+)", text)}
    for command in words:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", *command, "--help"], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, command

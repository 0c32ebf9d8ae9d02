"""A table in the shape of hospital encounters, from ``pate new`` to a registered student, by the printed commands.

Three classes, patients with several encounters, columns of codes with hundreds of values, ``?`` for missing.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
ENCOUNTERS, PATIENTS, CODES = 100_000, 70_000, 700
AGES = [f"[{10 * decade}-{10 * (decade + 1)})" for decade in range(10)]
OUTCOMES = np.array(["NO", ">30", "<30"])


def encounters(rows: int, patients: int, first: int) -> pd.DataFrame:
    """A table of encounters whose outcome depends on age, earlier stays and the group of the code."""
    rng = np.random.default_rng(first)
    owner = np.concatenate([np.arange(patients), rng.integers(0, patients, rows - patients)])
    age, code = rng.integers(0, 10, rows), np.minimum(rng.zipf(1.3, rows) - 1, CODES - 1)
    stays, drugs, days = rng.poisson(0.6, rows), rng.integers(1, 40, rows), rng.integers(1, 15, rows)
    risk = 0.5 * (age - 5) + 2 * (stays - 0.6) + 0.1 * (drugs - 20) + 2 * (code % 7 == 3) + rng.logistic(size=rows)
    outcome = OUTCOMES[np.digitize(risk, np.quantile(risk, [0.54, 0.89]))]
    table = pd.DataFrame(
        {
            "encounter_id": first * 10 + np.arange(rows),
            "patient_nbr": first + owner,
            "race": np.array(["Caucasian", "AfricanAmerican", "Hispanic", "Other", "?"])[rng.integers(0, 5, rows)],
            "gender": np.array(["Female", "Male"])[rng.integers(0, 2, rows)],
            "age": np.array(AGES)[age],
            "weight": np.where(rng.random(rows) < 0.97, "?", "[75-100)"),
            "time_in_hospital": days,
            "num_medications": drugs,
            "number_inpatient": stays,
            "diag_1": [f"{250 + number}" if number % 5 else f"V{number}" for number in code],
            "insulin": np.array(["No", "Steady", "Up", "Down"])[rng.integers(0, 4, rows)],
            "readmitted": outcome,
        }
    )
    table.loc[rng.random(rows) < 0.02, "diag_1"] = "?"
    return table


def printed(text: str) -> list[list[str]]:
    """The commands that ``pate new`` prints as the next steps, without the program's name."""
    lines = [line.strip() for line in text.splitlines()]
    return [
        shlex.split(found[1]) for line in lines if (found := re.match(r"(?:\d+\.\s+)?(?:\S*/)?pate (\w+ .*)", line))
    ]


@pytest.mark.slow
def test_a_hundred_thousand_encounters_become_a_registered_student_by_the_printed_commands(tmp_path: Path) -> None:
    encounters(ENCOUNTERS, PATIENTS, 10**6).to_csv(tmp_path / "encounters.csv", index=False)
    encounters(3_000, 2_400, 10**8).to_csv(tmp_path / "public.csv", index=False)
    environment = {**os.environ, "PATE_HOME": str(tmp_path / "home"), "COLUMNS": "200"}

    def pate(*words: str) -> str:
        command = [sys.executable, "-m", "pipelines", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        assert "warning" not in done.stderr.lower(), f"{words}: {done.stderr}"
        return done.stdout

    said = pate(
        "new", "readmission", "--from", "encounters.csv", "--public", "public.csv", "--label", "readmitted",
        "--unit", "patient_nbr",
    )  # fmt: skip
    written = (tmp_path / "readmission" / "readmission.yaml").read_text()
    assert '# left out: "encounter_id"' in written
    assert written.count("balanced: true") == 2, "one class is a tenth of the records"
    steps = printed(said)
    assert [step[0] for step in steps] == ["validate", "run", "report"]
    pate(*steps[0])
    pate("doctor", "readmission/readmission.yaml")
    result = pate(*steps[1])
    assert "ALARM" not in result
    (step,) = (line for line in result.splitlines() if line.startswith("next"))
    assert "--despite-alarms" not in step
    run_id = step.split()[-1]
    assert steps[2][1] == run_id
    assert run_id in pate(*steps[2])
    pate("register", run_id)
    pate("predict", run_id, "public.csv", "--output", "scores.csv")
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores.columns) == ["row", "prediction", *(f"probability_{name}" for name in sorted(OUTCOMES))]
    assert len(scores) == 3_000
    assert set(scores["prediction"]) == set(OUTCOMES)

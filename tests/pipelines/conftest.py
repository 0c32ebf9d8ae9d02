"""Private tables full of canaries, and the configuration of a study of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

LAB, AGE = 7319.8246, 4871.3902

CONFIG = """
name: NAME
data:
  source: table
  data_id: NAME
  task: ill
  private_files: [../CANARY-PATH/FILE]
  pool_files: [../pool.csv]
  evaluation_files: [../evaluation.csv]
  pool: 60
  evaluation: 40
  label: {column: ill, classes: ["no", "yes"]}
  unit: patient
  features:
    numeric: [{columns: [lab, age], scale: none}]
    categorical: [{columns: [ward], unknown: ignore}]
partition: {teachers: 6, by: unit}
privacy: {epsilon: 100, delta: 1e-5, accountant: gaussian}
teachers:
  model: {kind: logistic}
  training: {steps: 20, learning_rate: 0.05}
  bundle_size: 3
labelling:
  max_asked: 30
  mechanism: {kind: gnmax, sigma: 2}
student:
  learner: supervised
  spec: {model: {kind: logistic}, train: {steps: 20, learning_rate: 0.05}}
"""


class Tables:
    """What the tests need to write a study."""

    CONFIG = CONFIG

    def rows(self, rows: int, private: bool, seed: int) -> list[list[str]]:
        rng = np.random.default_rng(seed)
        lines = [["patient", "lab", "age", "ward", "ill"]]
        for i in range(rows):
            lab, age = (
                (f"{LAB}", f"{AGE}") if private and i % 5 == 0 else (f"{rng.normal():.4f}", f"{rng.normal():.4f}")
            )
            ward = "CANARY-WARD" if private and i % 3 == 0 else "abc"[i % 3]
            lines.append([f"CANARY-PATIENT-{i}" if private else f"p{i}", lab, age, ward, "yes" if i % 2 else "no"])
        return lines

    def write(self, path: Path, lines: list[list[str]]) -> None:
        path.write_text("".join(",".join(line) + "\n" for line in lines))


@pytest.fixture(scope="session")
def tables() -> Tables:
    return Tables()

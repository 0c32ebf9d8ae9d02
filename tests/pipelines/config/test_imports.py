"""A configuration is read without loading anything heavy."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "torchvision", "sklearn", "xgboost", "pandas", "ray", "mlflow", "pyarrow", "safetensors"}


def loaded(script: str) -> set[str]:
    """Heavy packages that are loaded after ``script``."""
    end = f"\nimport sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script + end], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_configurations_load_nothing_heavy() -> None:
    script = """
from pathlib import Path
from pipelines.config.experiment import json_schema, load
for path in Path("configs").glob("*.yaml"):
    config = load(path)
    config.run_id
json_schema()
"""
    assert loaded(script) == set()


def test_settings_load_nothing_heavy_and_what_computes_is_loaded_when_it_is_asked_for() -> None:
    assert loaded("import pate.models, pate.student, pate.features, pate.data") == set()
    assert "torch" in loaded("from pate.models import build")

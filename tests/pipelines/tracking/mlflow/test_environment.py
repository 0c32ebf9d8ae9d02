from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("module", ["sink", "events", "model"])
def test_mlflow_is_imported_with_telemetry_off_and_leaves_nothing_behind(tmp_path: Path, module: str) -> None:
    code = (
        f"import json, os, sys, pipelines.tracking.mlflow.{module}\n"
        "from mlflow.telemetry import get_telemetry_client\n"
        "names = ('MLFLOW_DISABLE_TELEMETRY', 'MLFLOW_HTTP_REQUEST_MAX_RETRIES', 'MLFLOW_HTTP_REQUEST_TIMEOUT')\n"
        "print(json.dumps([[os.environ[n] for n in names], get_telemetry_client() is None, 'torch' in sys.modules]))"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    environment |= {"HOME": str(tmp_path), "MLFLOW_HTTP_REQUEST_TIMEOUT": "7"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == [["true", "0", "7"], True, False]
    assert found.stderr == ""
    assert not list(tmp_path.iterdir())

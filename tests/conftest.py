"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def golden_dir() -> Path:
    """Small tables of reference values that travel with the tests."""
    return Path(__file__).parent / "golden"


@pytest.fixture
def data_dir() -> Path:
    """The folder of real public data; tests that need it are skipped where it is absent."""
    folder = os.environ.get("PATE_DATA_DIR")
    if folder is None or not Path(folder).is_dir():
        pytest.skip("PATE_DATA_DIR names no folder: this test needs the public data sets")
    return Path(folder)

"""Code, example and names of columns that travel in a student's MLflow model; needs neither torch nor MLflow."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pate.scoring.preprocessing import TableInput

PREDICTION = "prediction"
IMAGE_COLUMN = "image"
"""Column of encoded images."""
LOADER = "pate_student"
"""Module that opens a student, in the folder of its code."""
ARCHIVE = "pate.zip"
_MIDNIGHT = (1980, 1, 1, 0, 0, 0)


def score_columns(classes: Sequence[str]) -> list[str]:
    """Names of the columns of scores: the predicted class, and the probability of each."""
    return [PREDICTION, *(f"probability_{name}" for name in classes)]


def travelling_code() -> dict[str, bytes]:
    """Name -> content of the files in the folder of code: all of ``pate`` as a zip of source, and the loader.

    The same source gives the same bytes.
    """
    root = Path(__file__).parents[1]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(root.rglob("*.py")):
            name = zipfile.ZipInfo((Path("pate") / path.relative_to(root)).as_posix(), _MIDNIGHT)
            name.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(name, path.read_bytes())
    loader = Path(__file__).with_name("loader.py").read_bytes()
    return {ARCHIVE: content.getvalue(), f"{LOADER}.py": loader}


def example_rows(raw: TableInput) -> pd.DataFrame:
    """A row that the student takes: medians or zeros, and the first category of each column."""
    row: dict[str, object] = {}
    for number in raw.encoder.numeric:
        row[number.name] = number.mean if number.fill is None else number.fill
    for code in raw.encoder.categorical:
        row[code.name] = code.categories[0]
    return pd.DataFrame([row])

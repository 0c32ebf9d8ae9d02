"""What a student that takes raw records adds to the folder of its MLflow model."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pipelines.tracking.mlflow.environment  # noqa: F401 - before MLflow, which reads the environment when it is imported

# isort: split
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import AnyType

from pate.scoring.pictures import encoded_picture
from pate.scoring.preprocessing import ImageInput, Preprocessing, TableInput
from pate.scoring.travelling import (
    IMAGE_COLUMN,
    LOADER,
    PREDICTION,
    example_rows,
    score_columns,
    travelling_code,
)
from pate.student.export import PREPROCESSING_FILE, SPEC_FILE

CODE_FOLDER = "code"
RAW_PACKAGES = ("torch", "pandas", "pyarrow", "pillow", "scipy")
"""Packages that the code which travels needs."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RawModel:
    """A model's raw inputs in MLflow's terms.

    Attributes:
        signature: of its inputs and outputs; ``None`` for arrays, whose tensors describe themselves.
        example: input as the table of an example, likewise.
        described: for people and programs, in the model's metadata.
    """

    signature: ModelSignature | None
    example: dict[str, Any] | None
    described: dict[str, Any]


def copy_raw_files(source: Path, target: Path) -> RawModel:
    """Copy preprocessing and code into a model's folder, and return what describes them.

    Args:
        source: the exported student, with its preprocessing.
        target: the model's folder.
    """
    for name in (SPEC_FILE, PREPROCESSING_FILE):
        shutil.copyfile(source / name, target / name)
    (target / CODE_FOLDER).mkdir()
    for name, content in travelling_code().items():
        (target / CODE_FOLDER / name).write_bytes(content)
    return _described(Preprocessing.from_json((source / PREPROCESSING_FILE).read_text(encoding="utf-8")))


def pyfunc_fields() -> dict[str, Any]:
    """Fields of the flavour ``python_function`` of such a model."""
    return {"loader_module": LOADER, "code": CODE_FOLDER}


def _described(found: Preprocessing) -> RawModel:
    described: dict[str, Any] = {"kind": found.kind, "classes": list(found.classes)}
    if isinstance(found.raw, TableInput):
        # MLflow's own types would refuse whole numbers as numbers, and texts that mean missing; the model checks cells
        inputs = Schema([ColSpec(AnyType(), name=name) for name in found.raw.columns()])
        example = json.loads(example_rows(found.raw).to_json(orient="split", index=False))
        described["columns"] = found.raw.columns()
    elif isinstance(found.raw, ImageInput):
        inputs = Schema([ColSpec(DataType.binary, name=IMAGE_COLUMN)])
        picture = encoded_picture(np.zeros((found.raw.pixels.height, found.raw.pixels.width), dtype=np.uint8))
        example = {"columns": [IMAGE_COLUMN], "data": [[base64.b64encode(picture).decode()]]}
    else:
        return RawModel(signature=None, example=None, described=described)
    outputs = [
        ColSpec(DataType.string if name == PREDICTION else DataType.double, name=name)
        for name in score_columns(found.classes)
    ]
    signature = ModelSignature(inputs=inputs, outputs=Schema(outputs))
    return RawModel(signature=signature, example=example, described=described)

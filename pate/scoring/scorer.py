"""A published student together with its preprocessing: raw records in, class names and probabilities out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.data.records import FloatArray
from pate.errors import expected
from pate.scoring.pictures import Picture
from pate.scoring.preprocessing import ROWS, ImageInput, Preprocessing, TableInput
from pate.scoring.travelling import score_columns
from pate.student.export import PREPROCESSING_FILE, load_exported, read_spec
from pate.student.student import Student

RawRecords: TypeAlias = pd.DataFrame | Iterable[Mapping[str, Any]] | Sequence[Picture] | npt.NDArray[np.generic]
"""Rows by column name, images, or arrays, as the student takes them."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A student that takes raw records.

    Attributes:
        student: from encoded inputs to probabilities.
        preprocessing: from raw records to encoded inputs.
    """

    student: Student
    preprocessing: Preprocessing

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of probabilities."""
        return self.preprocessing.classes

    def encode(self, records: RawRecords, *, key: str = ROWS) -> FloatArray:
        """Inputs of the student, as in training. Shape ``[N, ...]``, float32.

        Args:
            records: for a table a ``DataFrame`` or mappings by column name; bytes of image files, or arrays of bytes;
                otherwise one array of all records.
            key: their name, for errors.

        Raises:
            InputError: records that the student does not take.
        """
        raw = self.preprocessing.raw
        if isinstance(raw, TableInput):
            return raw.encode(_frame(records, key), key=key)
        if isinstance(raw, ImageInput):
            return raw.encode(list(records), key=key)  # type: ignore[arg-type]  # each is checked
        return raw.encode(np.asarray(records), key=key)

    def predict_proba(self, records: RawRecords, *, key: str = ROWS) -> npt.NDArray[np.float32]:
        """Class probabilities ``[N, C]``."""
        return self.student.predict_proba(self.encode(records, key=key))

    def predict(self, records: RawRecords) -> list[str]:
        """The name of the most likely class of each record."""
        return [self.classes[index] for index in self.predict_proba(records).argmax(axis=1)]

    def scores(self, records: RawRecords, *, key: str = ROWS) -> pd.DataFrame:
        """Predicted class and probabilities, one row per record; see ``score_columns``."""
        return score_table(self.predict_proba(records, key=key), self.classes)


def score_table(proba_NC: npt.NDArray[np.float32], classes: Sequence[str]) -> pd.DataFrame:
    """Predicted class and probabilities, one row per record."""
    names = np.array(classes, dtype=object)[proba_NC.argmax(axis=1)]
    columns = [names, *proba_NC.astype(np.float64).T]
    return pd.DataFrame(dict(zip(score_columns(classes), columns, strict=True)))


def load_student(folder: str | Path, model_file: Path | None = None) -> Scorer:
    """Open a published student with its preprocessing.

    Args:
        folder: the public folder of a run, or its subfolder ``student``.
        model_file: the student's own file, where it lies elsewhere.

    Raises:
        InputError: there is no student, it was altered, or it has no preprocessing.
    """
    place = Path(folder)
    place = place / "student" if (place / "student").is_dir() else place
    spec = read_spec(place, model_file)
    if spec.preprocessing_digest is None:
        raise expected(
            "a student with its preprocessing",
            "one trained by an older version takes encoded inputs only (pate.student.export.load_exported); run the "
            "experiment again under another seed or name",
            folder=place.name,
        )
    preprocessing = Preprocessing.from_json((place / PREPROCESSING_FILE).read_text(encoding="utf-8"))
    raw = preprocessing.raw
    student = Student(
        network=load_exported(place, model_file),
        classes=len(preprocessing.classes),
        input_shape=spec.input_shape if isinstance(raw, TableInput) else raw.shape,
        curve=(),
    )
    return Scorer(student=student, preprocessing=preprocessing)


def _frame(records: Any, key: str) -> pd.DataFrame:
    if isinstance(records, pd.DataFrame):
        return records
    if isinstance(records, Mapping):
        records = [records]
    try:
        rows = list(records)
    except TypeError:
        rows = [None]
    if not all(isinstance(row, Mapping) for row in rows):
        raise expected(f"rows by column name in {key}", "give a DataFrame or a list of mappings")
    return pd.DataFrame(rows, dtype=object)

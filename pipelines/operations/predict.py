"""Scores of a file by the student of a run: its rows or images as in the study, predicted class and probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pate.data.files.archive import read_arrays
from pate.data.files.image_listing import ImageSource, image_files, listing
from pate.data.files.images import read_images
from pate.data.files.table_file import read_rows, signs_of
from pate.data.refusal import refused
from pate.errors import expected
from pate.npy_file import load_npy
from pate.scoring.preprocessing import ImageInput, TableInput
from pate.scoring.scorer import Scorer, load_student, score_table
from pate.scoring.travelling import score_columns
from pipelines.storage.run_folder import RunFolder

KEY = "FILE"
ROW = "row"
"""Column with the number of a row: from 0, the header not counted, blank lines counted."""
_CHUNK = 512


def predict(folder: RunFolder, file: Path, *, id_column: str | None = None) -> pd.DataFrame:
    """Score a file.

    Args:
        folder: of a run.
        file: a table in the format of the study's public files, a folder or a list of images, or an array.
        id_column: column of the table that is kept beside each score.

    Returns:
        One row per record: its number or name, the id if wanted, the predicted class and the probabilities.

    Raises:
        InputError: a run without such a student, a missing column, or records that the student does not take.
    """
    if not folder.student.is_dir():
        raise expected("a run with a student", "resume it: `pate run` with its configuration", run=folder.run_id)
    if not file.exists():
        raise expected(f"{KEY} that exists", "correct the path", file=str(file))
    scorer = load_student(folder.student)
    raw = scorer.preprocessing.raw
    if id_column is not None and not isinstance(raw, TableInput):
        raise expected("no id column for images and arrays", "remove the option; each has its name or number")
    if isinstance(raw, TableInput):
        return _table(scorer, raw, file, id_column)
    if isinstance(raw, ImageInput):
        return _images(scorer, raw, file)
    return _arrays(scorer, folder, file)


def _table(scorer: Scorer, raw: TableInput, file: Path, id_column: str | None) -> pd.DataFrame:
    rows = read_rows(file, raw.style, key=KEY)
    if len(rows) == 0:
        raise expected(f"records in {KEY}", "name a file with rows", records=0)
    if id_column is not None and id_column not in rows.columns:
        raise expected(f"column {id_column!r} in {KEY}", "name a column of the file, or none", id=id_column)
    taken = {ROW, *score_columns(scorer.classes)}
    if id_column in taken:
        raise expected("an id column of another name", "rename the column in the file", id=id_column)
    inputs = raw.encode(rows, key=KEY, style=signs_of(file, raw.style))
    found = score_table(scorer.student.predict_proba(inputs), scorer.classes)
    if id_column is not None:
        found.insert(0, id_column, rows[id_column].to_numpy())
    found.insert(0, ROW, rows.index.to_numpy())
    return found


def _images(scorer: Scorer, raw: ImageInput, file: Path) -> pd.DataFrame:
    if file.is_dir():
        paths, strange = image_files(file)
        if strange or not paths:
            raise refused(
                f"a folder of images at {KEY}",
                "remove other files",
                detail=f"{file}: {len(paths)} images, other files: {[str(path) for path in strange]}",
                images=len(paths),
                other_files=len(strange),
            )
        names = [path.relative_to(file).as_posix() for path in paths]
    else:
        listed = file.suffix.lower() in {".csv", ".tsv", ".parquet", ".xlsx"}
        paths = [Path(path) for path in listing(ImageSource(path=file), key=KEY)["path"]] if listed else [file]
        names = [str(path) for path in paths] if listed else [file.name]
    proba = [
        scorer.student.predict_proba(read_images([str(path) for path in some], raw.pixels, key=KEY))
        for some in _chunks(paths)
    ]
    found = score_table(np.concatenate(proba), scorer.classes)
    found.insert(0, "file", names)
    return found


def _chunks(paths: list[Path]) -> Iterator[list[Path]]:
    return (paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK))


def _arrays(scorer: Scorer, folder: RunFolder, file: Path) -> pd.DataFrame:
    found = score_table(scorer.predict_proba(_array(folder, file), key=KEY), scorer.classes)
    found.insert(0, ROW, np.arange(len(found)))
    return found


def _array(folder: RunFolder, file: Path) -> npt.NDArray[np.generic]:
    """The array of a ``.npy`` file, or that of images in a ``.npz`` file."""
    if file.suffix.lower() == ".npz":
        name = str(folder.settings()["data"].get("image_array", "images"))
        found = read_arrays(file, {"image": name}, key=KEY, role_keys={"image": "data.image_array"})["image"]
        array: npt.NDArray[np.generic] = found
        return array
    try:
        return load_npy(file)
    except (ValueError, OSError) as error:
        raise refused(f"a .npy or .npz file at {KEY}", "save the inputs by numpy.save", detail=str(error)) from None

"""Raw records become the inputs that the study's own files become, whatever the cells' types."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pate.data.categories import CategoricalColumns
from pate.data.encoding import Missing, NumericColumns, fit_encoder
from pate.data.files.file_format import FileFormat
from pate.data.files.images import Pixels, read_images
from pate.data.files.table_file import read_table
from pate.errors import InputError
from pate.scoring.preprocessing import ArrayInput, ImageInput, Preprocessing, TableInput

NUMERIC = (NumericColumns(columns=("lab", "age"), missing=Missing(strategy="public_median", indicator=True)),)
CATEGORICAL = (CategoricalColumns(columns=("ward",), unknown="ignore", missing="category"),)
MISSING = ("NA", "?", "-9")
STYLES = {
    "point": FileFormat(missing=MISSING, replace={"lab": {"<5": "4.5"}, "other": {"a": "b"}}),
    "comma": FileFormat(
        separator=";", decimal=",", thousands=".", missing=MISSING, replace={"lab": {"<5": "4,5"}, "other": {"a": "b"}}
    ),
}
CELLS = ["1.5", "2", "2.0", "-9", "-9", "NA", "", "<5", "1234.5", "1e-3"]
WARDS = ["a", "7", "7.0", "", "unknown", "NA", "?", " a ", "b", "a"]


def written(text: str, style: FileFormat) -> str:
    return text.replace(".", style.decimal)


def study(style: FileFormat, folder: Path) -> tuple[TableInput, pd.DataFrame, np.ndarray]:
    """The input of a study with such files; one of its files as text, and as the study encodes it."""
    path, sign = folder / "rows.csv", style.separator
    lines = [sign.join(["lab", "age", "ward", "ill", "other"])]
    lines += [sign.join([written(cell, style), "40", ward, "x", "a"]) for cell, ward in zip(CELLS, WARDS, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    table = read_table(path, style, key="the file", numeric=("lab", "age"))
    encoder = fit_encoder(table, NUMERIC, CATEGORICAL)
    text = pd.read_csv(path, sep=sign, dtype=str, keep_default_na=False)
    return TableInput.of(style, encoder), text, encoder.encode(table, key="the file")


def typed(cell: str) -> object:
    """A cell as JSON or a data frame has it."""
    if cell == "":
        return None
    try:
        number = float(cell)
    except ValueError:
        return cell
    return int(number) if number.is_integer() and "." not in cell else number


@pytest.mark.parametrize("name", STYLES)
def test_text_typed_cells_and_json_give_the_features_of_the_studys_file(name: str, tmp_path: Path) -> None:
    style = STYLES[name]
    raw, text, features = study(style, tmp_path)
    kept = Preprocessing.from_json(Preprocessing(classes=("no", "yes"), raw=raw).to_json()).raw
    assert isinstance(kept, TableInput)
    assert kept == raw
    np.testing.assert_array_equal(kept.encode(text), features)
    lab, ward = [typed(cell) for cell in CELLS], [typed(cell) for cell in WARDS]
    frame = pd.DataFrame({"ward": ward, "age": 40, "surplus": 1, "lab": lab})  # another order, and more
    np.testing.assert_array_equal(kept.encode(frame), features)
    for row, expected in zip(json.loads(frame.to_json(orient="records")), features, strict=True):
        np.testing.assert_array_equal(kept.encode(pd.DataFrame([row])), expected[None])


def test_only_columns_that_are_features_travel(tmp_path: Path) -> None:
    raw, _, _ = study(STYLES["point"], tmp_path)
    assert raw.columns() == {"lab": "number", "age": "number", "ward": "category"}
    assert set(raw.style.replace) == {"lab"}


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        (pd.DataFrame({"lab": [1.0], "age": [2]}), "ward"),
        (pd.DataFrame({"lab": ["high"], "age": [2], "ward": ["a"]}), "'lab'"),
        (pd.DataFrame({"lab": [np.inf], "age": [2], "ward": ["a"]}), "'lab'"),
        (pd.DataFrame([[1, 2, "a", 3]], columns=["lab", "age", "ward", "lab"]), "once"),
        (pd.DataFrame({"lab": [1e300], "age": [2], "ward": ["a"]}), "precision"),
    ],
)
def test_wrong_columns_and_cells_are_refused_by_name_and_never_quoted(
    rows: pd.DataFrame, named: str, tmp_path: Path
) -> None:
    raw, _, _ = study(STYLES["point"], tmp_path)
    with pytest.raises(InputError) as refused:
        raw.encode(rows)
    assert named in str(refused.value)
    assert "high" not in str(refused.value)


def picture(path: Path) -> bytes:
    grey = np.random.default_rng(0).integers(0, 256, size=(20, 30), dtype=np.uint8)
    Image.fromarray(grey).save(path)
    return path.read_bytes()


def test_the_bytes_of_an_image_and_an_array_give_what_its_file_gives(tmp_path: Path) -> None:
    raw = ImageInput(pixels=Pixels(height=8, width=8, channels=1))
    content = picture(tmp_path / "one.png")
    expected = read_images([str(tmp_path / "one.png")], raw.pixels, key="file")
    array = np.asarray(Image.open(io.BytesIO(content)))
    kept = Preprocessing.from_json(Preprocessing(classes=("a", "b"), raw=raw).to_json()).raw
    assert kept == raw
    assert isinstance(kept, ImageInput)
    np.testing.assert_array_equal(kept.encode([content, array, array[..., None]]), np.repeat(expected, 3, axis=0))


@pytest.mark.parametrize(
    "wrong", [b"no picture", b"", np.zeros((4, 4)), np.zeros((4, 4, 2), dtype=np.uint8), "text", None]
)
def test_what_is_no_image_is_refused_with_a_count(wrong: object) -> None:
    raw = ImageInput(pixels=Pixels(height=8, width=8, channels=1))
    with pytest.raises(InputError, match="1 of 1"):
        raw.encode([wrong])  # type: ignore[list-item]


def test_arrays_are_checked_for_shape_type_and_range() -> None:
    raw = ArrayInput(shape=(1, 2, 2), bounds=(0.0, 1.0))
    kept = Preprocessing.from_json(Preprocessing(classes=("a", "b"), raw=raw).to_json()).raw
    assert kept == raw
    assert isinstance(kept, ArrayInput)
    assert kept.encode(np.ones((3, 1, 2, 2))).dtype == np.float32
    for wrong, said in (
        (np.ones((3, 2, 2)), "shape"),
        (np.full((3, 1, 2, 2), 255), "divide by 255"),
        (np.full((3, 1, 2, 2), np.nan), "from 0 to 1"),
        (np.full((3, 1, 2, 2), "a"), "dtype"),
    ):
        with pytest.raises(InputError, match=said):
            kept.encode(wrong)


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2, "kind": "table"}', '{"version": 1, "kind": "pickle"}'])
def test_what_another_program_wrote_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Preprocessing.from_json(text)

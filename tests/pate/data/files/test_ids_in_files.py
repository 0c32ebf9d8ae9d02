"""One patient is one unit in every kind of file, whatever the file makes of ids."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pate.data.columns import LabelRule, ids, plain
from pate.data.files.images import ImageSource, _body
from pate.data.files.npz import NpzArrays, NpzFile, _bodies
from pate.data.files.table_file import FileFormat, Join, join_tables, read_table
from pate.errors import InputError

KEY = "data.private_files[0]"
LONG = 1234567890123456789
COMPOSED, APART = (unicodedata.normalize(kind, "Zo\u00eb") for kind in ("NFC", "NFD"))
WRITINGS = [("7", "7.0"), ("7", " 7 "), ("7", "\u00a07"), (COMPOSED, APART), ("\ufeffA", "A"), ("A  1", "A 1")]


def units(path: Path) -> list[str]:
    found: list[str] = ids(read_table(path, FileFormat(), key=KEY), "id", declared="data.unit", key=KEY).tolist()
    return found


@pytest.mark.parametrize("pair", WRITINGS)
def test_a_patient_written_twice_is_one_unit_in_every_kind_of_file(tmp_path: Path, pair: tuple[str, str]) -> None:
    (tmp_path / "t.csv").write_text(f"x,id\n1,{pair[0]}\n2,{pair[1]}\n", encoding="utf-8")
    pq.write_table(pa.table({"x": [1, 2], "id": list(pair)}), tmp_path / "t.parquet")
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 2, 2)), labels=np.array([0, 1]), who=np.array(pair))
    for number in range(2):
        Image.new("L", (2, 2)).save(tmp_path / f"{number}.png")
    (tmp_path / "list.csv").write_text(f"path,unit,label\n0.png,{pair[0]},a\n1.png,{pair[1]},b\n", encoding="utf-8")
    _, body = _bodies((NpzFile(path=tmp_path / "a.npz"),), NpzArrays(unit="who"), 2, "data.private_files")
    listed = _body((ImageSource(path=tmp_path / "list.csv"),), ("a", "b"), "private")
    found = [units(tmp_path / "t.csv"), units(tmp_path / "t.parquet"), list(body.units_N), list(listed.units_N)]
    assert found == [[plain(unicodedata.normalize("NFC", pair[0].strip("\ufeff").replace("  ", " ")))] * 2] * 4


@pytest.mark.parametrize(
    "column",
    [
        pa.array([7, 8, 9]),
        pa.array([7.0, 8.0, 9.0]),
        pa.array([7.0, 8.0, 9.0], type=pa.float32()),
        pa.array([Decimal("7.00"), Decimal("8.00"), Decimal("9.00")]),
        pa.array(["7", "8.0", "9 "]),
        pa.array([b"7", b"8", b"9"]),
        pa.array([7, 8, 9]).dictionary_encode(),
        pa.array(["7", "8", "9"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_every_type_of_a_parquet_column_gives_the_same_ids(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"id": column}), tmp_path / "t.parquet")
    assert units(tmp_path / "t.parquet") == ["7", "8", "9"]


@pytest.mark.parametrize("column", [[LONG, LONG + 1, None], [Decimal(LONG), Decimal(LONG + 1), None]])
def test_long_numbers_beside_a_missing_one_stay_two_patients(tmp_path: Path, column: list[Any]) -> None:
    pq.write_table(pa.table({"id": pa.array(column), "x": [1, 2, 3]}), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", FileFormat(), key=KEY)
    assert ids(table[:2], "id", declared="data.unit", key=KEY).tolist() == [str(LONG), str(LONG + 1)]
    with pytest.raises(InputError, match="an id in every record"):
        units(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    "column",
    [
        pa.array([float(LONG), float(LONG + 1)]),
        pa.array([2.0**53, 1.0]),
        pa.array([2.0**24, 1.0], type=pa.float32()),
        pa.array(np.array([2048, 1], dtype=np.float16)),
    ],
    ids=lambda column: str(column.type),
)
def test_numbers_in_which_two_patients_are_one_are_refused(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"id": column}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="ids with all of their digits"):
        units(tmp_path / "t.parquet")
    array = column.to_numpy(zero_copy_only=False)
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 2, 2)), labels=np.array([0, 1]), who=array)
    with pytest.raises(InputError, match="ids with all of their digits"):
        _bodies((NpzFile(path=tmp_path / "a.npz"),), NpzArrays(unit="who"), 2, "data.private_files")


@pytest.mark.parametrize(
    "array",
    [
        np.array([7, 8]),
        np.array([7.0, 8.0]),
        np.array([7, 8], dtype=np.float32),
        np.array([7, 8], dtype=np.uint8),
        np.array([b"7", b"8.0"]),
        np.array(["7.0", "8"]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_every_type_of_array_gives_the_same_ids(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 2, 2)), labels=np.array([0, 1]), who=array)
    file = NpzFile(path=tmp_path / "a.npz", site=" north\u00a0")
    _, body = _bodies((file,), NpzArrays(unit="who"), 2, "data.private_files")
    assert list(body.units_N) == ["7", "8"]
    assert set(body.sites_N) == {"north"}


@pytest.mark.parametrize("missing", ["", " ", "nan", "NaN", "None", "NaT", "<NA>", "null"])
def test_what_readers_write_for_a_missing_id_is_none(tmp_path: Path, missing: str) -> None:
    (tmp_path / "t.csv").write_text(f"x,id\n1,a\n2,{missing}\n")
    with pytest.raises(InputError, match="an id in every record"):
        units(tmp_path / "t.csv")
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 2, 2)), labels=np.array([0, 1]), who=np.array(["a", missing]))
    with pytest.raises(InputError, match="an id in every record"):
        _bodies((NpzFile(path=tmp_path / "a.npz"),), NpzArrays(unit="who"), 2, "data.private_files")


def joined(folder: Path, own: list[str | None], other: str, **changes: Any) -> dict[str, list[Any]]:
    (folder / "more.csv").write_text(other, encoding="utf-8")
    table = pd.DataFrame({"id": own, "x": [str(number) for number in range(len(own))]}, dtype="str")
    joins = (Join(path=folder / "more.csv", column="id", **changes),)
    return join_tables(table, joins, key=KEY).drop(columns="id").to_dict("list")


def test_joins_match_ids_in_any_writing_and_missing_ones_with_nothing(tmp_path: Path) -> None:
    other = f"id,y\n7.0,seven\n{APART},name\n,nobody\n"
    assert joined(tmp_path, ["7", COMPOSED, "8", None], other) == {"x": ["0", "1"], "y": ["seven", "name"]}
    kept = joined(tmp_path, [" 7", APART, "8", None], other, unmatched="keep")
    assert kept["x"] == ["0", "1", "2", "3"]
    assert kept["y"][:2] == ["seven", "name"]
    assert pd.isna(kept["y"][2:]).all()
    assert joined(tmp_path, ["7", "7.0"], "id,y,z\n7,seven,1\n", take=("y",))["y"] == ["seven", "seven"]


@pytest.mark.parametrize(("own", "other"), [("7", "007"), ("abc", "ABC"), ("A2", "A\u00b2")])
def test_joins_refuse_ids_that_match_but_for_their_writing(tmp_path: Path, own: str, other: str) -> None:
    for unmatched in ("keep", "drop"):
        with pytest.raises(InputError, match="the same writing") as caught:
            joined(tmp_path, [own, "z"], f"id,y\n{other},1\nz,2\n", unmatched=unmatched)
        assert repr(own) in (caught.value.private_detail or "")
    assert joined(tmp_path, [own, "z"], f"id,y\n{other},1\n{own},3\nz,2\n")["y"] == ["3", "2"]


def test_classes_are_the_same_in_composed_form_and_stay_as_they_are_else() -> None:
    table = pd.DataFrame({"y": [APART, COMPOSED, "-0.0", "0"]}, dtype="str")
    assert LabelRule(column="y", positive=(COMPOSED,)).labels(table, ("n", "p"), key="k").tolist() == [1, 1, 0, 0]
    assert LabelRule(column="y", classes=(COMPOSED, "0")).labels(table, (COMPOSED, "0"), key="k").tolist() == [
        0,
        0,
        1,
        1,
    ]
    kept = ["a  b", "7e+0", "+7", "007", "ABC", "7.50", "\uff17", "1e5", "<=50K", "> 89"]
    assert [plain(text) for text in kept] == kept

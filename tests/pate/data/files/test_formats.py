"""One table in the formats that hospitals send is one study; another format than declared is refused in private."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from pate.data import Study
from pate.data.body import Split
from pate.data.categories import CategoricalColumns
from pate.data.columns import LabelRule
from pate.data.encoding import Missing, NumericColumns
from pate.data.files.file_format import FileFormat
from pate.data.files.table import TableColumns, TableFile, table_study
from pate.data.files.table_file import read_table
from pate.errors import InputError, RecordsRefused

COLUMNS = TableColumns(
    label=LabelRule(column="Befund", positive=("bösartig",)),
    unit="pid",
    numeric=(NumericColumns(columns=("hb", "kosten"), missing=Missing(strategy="public_median")),),
    categorical=(CategoricalColumns(columns=("geschlecht",), unknown="ignore"),),
)


def records(first: int) -> pd.DataFrame:
    rng = np.random.default_rng(first)
    return pd.DataFrame(
        {
            "pid": [f"P{first + row:05d}" for row in range(30)],
            "hb": rng.normal(14, 2, 30).round(1),
            "kosten": rng.normal(5000, 1500, 30).round(2),
            "geschlecht": rng.choice(["männlich", "weiblich"], 30),
            "Befund": ["bösartig", "gutartig", "gutartig"] * 10,
        }
    )


def text(table: pd.DataFrame, *, separator: str = ",", decimal: str = ".", thousands: str = "") -> str:
    """The table as text, with its numbers in a written form."""
    written = table.copy()
    for name, digits in (("hb", 1), ("kosten", 2)):
        plain = [f"{value:,.{digits}f}" for value in table[name]]
        written[name] = [one.replace(",", "_").replace(".", decimal).replace("_", thousands) for one in plain]
    return written.to_csv(index=False, sep=separator)


def workbook(path: Path, table: pd.DataFrame, sheet: str | None = None) -> None:
    book = openpyxl.Workbook()
    page = book.active if sheet is None else book.create_sheet(sheet)
    for row in [list(table.columns), *table.to_numpy().tolist()]:
        page.append(row)
    book.save(path)


def study(folder: Path, name: str, write: Callable[[Path, pd.DataFrame], object], style: FileFormat) -> Study:
    for role, first in (("private", 100), ("pool", 500), ("evaluation", 900)):
        write(folder / f"{role}-{name}", records(first))
    private, pool, evaluation = (
        (TableFile(path=folder / f"{role}-{name}", format=style),) for role in ("private", "pool", "evaluation")
    )
    return table_study(
        task="t", private=private, pool=pool, evaluation=evaluation, columns=COLUMNS, split=Split(), sizes=(30, 30)
    )


FORMATS: dict[str, tuple[str, Callable[[Path, pd.DataFrame], object], FileFormat]] = {
    "latin-1": ("a.csv", lambda p, t: p.write_bytes(text(t).encode("latin-1")), FileFormat(encoding="latin-1")),
    "windows": ("a.csv", lambda p, t: p.write_bytes(text(t).encode("cp1252")), FileFormat(encoding="windows-1252")),
    "utf-16": ("a.csv", lambda p, t: p.write_bytes(text(t).encode("utf-16")), FileFormat(encoding="utf-16")),
    "byte order mark": ("a.csv", lambda p, t: p.write_bytes(text(t).encode("utf-8-sig")), FileFormat()),
    "semicolons and decimal commas": (
        "a.csv",
        lambda p, t: p.write_text(text(t, separator=";", decimal=",")),
        FileFormat(separator=";", decimal=","),
    ),
    "tabs": ("a.tsv", lambda p, t: p.write_text(text(t, separator="\t")), FileFormat(separator="\t")),
    "gzip": ("a.csv.gz", lambda p, t: p.write_bytes(gzip.compress(text(t).encode())), FileFormat()),
    "gzip of utf-16": (
        "a.csv.gz",
        lambda p, t: p.write_bytes(gzip.compress(text(t).encode("utf-16"))),
        FileFormat(encoding="utf-16"),
    ),
    "German thousands": (
        "a.csv",
        lambda p, t: p.write_text(text(t, separator=";", decimal=",", thousands=".")),
        FileFormat(separator=";", decimal=",", thousands="."),
    ),
    "English thousands": ("a.csv", lambda p, t: p.write_text(text(t, thousands=",")), FileFormat(thousands=",")),
    "Swiss thousands": ("a.csv", lambda p, t: p.write_text(text(t, thousands="\u2019")), FileFormat(thousands="'")),
    "French thousands": (
        "a.csv",
        lambda p, t: p.write_text(text(t, separator=";", decimal=",", thousands="\u202f")),
        FileFormat(separator=";", decimal=",", thousands=" "),
    ),
    "Excel": ("a.xlsx", workbook, FileFormat()),
    "second sheet of Excel": ("a.xlsx", lambda p, t: workbook(p, t, "Daten"), FileFormat(sheet="Daten")),
    "Excel beside decimal commas": ("a.xlsx", workbook, FileFormat(decimal=",", thousands=".")),
    "Parquet beside decimal commas": (
        "a.parquet",
        lambda p, t: t.to_parquet(p, index=False),
        FileFormat(decimal=",", thousands="."),
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_table_in_any_format_is_one_study(tmp_path: Path, name: str) -> None:
    plain = study(tmp_path, "plain.csv", lambda path, table: path.write_text(text(table)), FileFormat())
    found = study(tmp_path, *FORMATS[name])
    assert found.encoding == plain.encoding
    assert found.held_here.labels_N.tolist() == plain.held_here.labels_N.tolist()
    assert found.held_here.units_N is not None
    assert found.held_here.units_N.tolist() == [f"P{100 + row:05d}" for row in range(30)]
    for one, other in (
        (found.held_here.features, plain.held_here.features),
        (found.pool.inputs, plain.pool.inputs),
        (found.evaluation.inputs, plain.evaluation.inputs),
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "style"),
    [
        (lambda table: text(table).encode("latin-1"), FileFormat()),
        (lambda table: text(table).encode("utf-16"), FileFormat()),
        (lambda table: text(table).encode(), FileFormat(encoding="cp1252")),
        (lambda table: text(table).encode("utf-8-sig"), FileFormat(encoding="latin-1")),
        (lambda table: text(table).encode(), FileFormat(encoding="utf-16")),
        (lambda table: text(table, separator=";").encode(), FileFormat()),
        (lambda table: text(table, separator=";", decimal=",").encode(), FileFormat(separator=";")),
        (lambda table: text(table).encode(), FileFormat(decimal=",")),
        (lambda table: text(table, thousands=",").encode(), FileFormat()),
        (lambda table: gzip.compress(text(table).encode()), FileFormat()),
    ],
)
def test_a_private_file_in_another_format_than_declared_is_refused_in_one_sentence(
    tmp_path: Path, content: Callable[[pd.DataFrame], bytes], style: FileFormat
) -> None:
    (tmp_path / "private.csv").write_bytes(content(records(100)))
    for role, first in (("pool", 500), ("evaluation", 900)):
        (tmp_path / f"{role}.csv").write_text(text(records(first)))
    with pytest.raises(RecordsRefused) as caught:
        table_study(
            task="t",
            private=(TableFile(path=tmp_path / "private.csv", format=style),),
            pool=(TableFile(path=tmp_path / "pool.csv"),),
            evaluation=(TableFile(path=tmp_path / "evaluation.csv"),),
            columns=COLUMNS,
            split=Split(),
            sizes=(30, 30),
        )
    assert str(caught.value) == RecordsRefused.SENTENCE


def test_numbers_with_a_point_are_not_taken_for_others(tmp_path: Path) -> None:
    """With decimal commas, 1.234 may be a thousand or a little more than one."""
    (tmp_path / "a.csv").write_text("x;y\n1.234;a\n1,5;b\n")
    with pytest.raises(InputError, match=r"decimal=',' and thousands=None in column 'x' in k, got 1 of 2 records"):
        read_table(tmp_path / "a.csv", FileFormat(separator=";", decimal=","), key="k", numeric=("x",))
    style = FileFormat(separator=";", decimal=",", thousands=".")
    assert read_table(tmp_path / "a.csv", style, key="k", numeric=("x",))["x"].tolist() == ["1234", "1.5"]
    untouched = read_table(tmp_path / "a.csv", style, key="k", numeric=("z",))
    assert untouched["x"].tolist() == ["1.234", "1,5"], "ids and categories keep their form"


def test_cells_of_excel_keep_their_form(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    page.append(["id", "code", "large", "day", "time", "yes", "x", "text", None])
    day, moment = datetime.date(2024, 3, 1), datetime.datetime(2024, 3, 1, 8, 30)
    page.append(["00378", 378, 1234567890123456, day, moment, True, 14.8, " a ", None])
    page.append([])
    page.append([7, 7.0, 5, None, None, False, 1e-7, "1,5", None])
    page["B2"].number_format = "00000"
    book.save(tmp_path / "a.xlsx")
    table = read_table(tmp_path / "a.xlsx", FileFormat(), key="k")
    assert table["id"].tolist() == ["00378", "7"]
    assert table["code"].tolist() == ["00378", "7"]
    assert table["large"].tolist() == ["1234567890123456.0e+0000", "5"], "as codes these may have lost digits"
    assert table["day"].tolist()[0] == "2024-03-01"
    assert table["time"].tolist()[0] == "2024-03-01 08:30:00"
    assert table["yes"].tolist() == ["True", "False"]
    assert [float(value) for value in table["x"]] == [14.8, 1e-7]
    assert table["text"].tolist() == [" a ", "1,5"]
    assert table["day"].isna().tolist() == [False, True]
    assert table.index.tolist() == [0, 2], "a blank row keeps its number"


def test_a_sheet_that_is_not_there_and_rows_that_are_too_long_are_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, 2], [1, 2, 3]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    for style in (FileFormat(), FileFormat(sheet="Daten")):
        with pytest.raises(InputError, match=r"a readable table at k"):
            read_table(tmp_path / "a.xlsx", style, key="k")


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.parquet"])
def test_a_column_that_is_there_twice_is_refused_and_named_if_public(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame([[1, 2, 3]], columns=["hb", "crp", "hb"])
    path = tmp_path / name
    if name == "a.parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table([[1], [2], [3]], names=list(table.columns)), path)
    elif name == "a.xlsx":
        workbook(path, table)
    else:
        table.to_csv(path, index=False)
    with pytest.raises(InputError, match=r"columns of different names in k, got columns=\['hb'\]"):
        read_table(path, FileFormat(), key="k", public=True)
    with pytest.raises(InputError, match=r"columns of different names in k; rename") as caught:
        read_table(path, FileFormat(), key="k")
    assert "'hb'" in (caught.value.private_detail or "")


@pytest.mark.parametrize("name", ["a.xls", "a.ods", "a.sav", "a.zip", "a.json"])
def test_other_kinds_of_files_are_refused_by_their_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"a table as text, Excel \(\.xlsx\) or Parquet at k; save it as one of these"):
        read_table(tmp_path / name, FileFormat(), key="k")


def test_unknown_encodings_and_equal_signs_are_refused() -> None:
    with pytest.raises(InputError, match=r"a known data\.format\.encoding, got encoding='utf-9'"):
        FileFormat(encoding="utf-9")
    with pytest.raises(InputError, match=r"thousands that differs from data\.format\.decimal"):
        FileFormat(decimal=",", thousands=",")


def test_parquet_files_with_other_orders_and_types_are_read_alike(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, ages, sex, label = [7, 8, 9], [70, 80, 90], ["m", "w", "m"], ["0", "1", "0"]
    whole = {"pid": pa.array(ids, pa.int64()), "age": pa.array(ages, pa.int32())}
    whole |= {"sex": pa.array(sex), "y": pa.array([0, 1, 0], pa.int8())}
    other = {"y": pa.array(label), "sex": pa.array(sex).dictionary_encode()}
    other |= {"age": pa.array([float(age) for age in ages], pa.float32()), "pid": pa.array([7.0, 8.0, 9.0])}
    texts = {"age": pa.array([str(age) for age in ages], pa.large_string()), "y": pa.array([0.0, 1.0, 0.0])}
    texts |= {"pid": pa.array(["7", "8", "9"]), "sex": pa.array(sex, pa.large_string())}
    columns = TableColumns(
        label=LabelRule(column="y", positive=("1",)),
        unit="pid",
        numeric=(NumericColumns(columns=("age",)),),
        categorical=(CategoricalColumns(columns=("sex",), unknown="refuse"),),
    )
    found = []
    for number, table in enumerate((whole, other, texts)):
        pq.write_table(pa.table(table), tmp_path / f"{number}.parquet")
    public = TableFile(path=tmp_path / "public.parquet")
    pq.write_table(pa.table({**other, "pid": pa.array(["a", "b", "c"])}), public.path)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        files = tuple(
            TableFile(path=tmp_path / f"{one}.parquet", site=f"site {n}") for n, one in enumerate((first, second))
        )
        made = table_study(
            task="t", private=files, pool=(public,), evaluation=(public,), columns=columns, split=Split(), sizes=(3, 3)
        )
        found.append((made.held_here.features.tolist(), made.held_here.labels_N.tolist(), made.held_here.units_N))
    assert found[0][:2] == found[1][:2] == found[2][:2]
    assert [units.tolist() for _, _, units in found if units is not None] == [["7", "8", "9"] * 2] * 3

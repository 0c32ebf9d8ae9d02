"""A change of a unit is one of its records alone; files are written as they were read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from pate.auditing.folder_changes import RawFolders
from pate.auditing.raw_table import RawTable
from pate.auditing.record_changes import TWICE, Kind, draw_change, writings
from pate.auditing.table_changes import RawTables, Roles
from pate.data.files.table_file import FileFormat
from pate.errors import InputError

ROLES = Roles(label="ill", unit="patient", site="site", sites=(None,), features=("lab",))
STYLES = {
    "plain.csv": FileFormat(),
    "spaced.csv": FileFormat(separator=";", skip_rows=1),
    "bare.csv": FileFormat(header=False, columns=("patient", "site", "lab", "ill")),
    "utf16.csv": FileFormat(encoding="utf-16"),
    "own.parquet": FileFormat(),
    "own.xlsx": FileFormat(skip_rows=1, sheet="Daten"),
}


def written(path: Path) -> RawTable:
    """Ten records of five patients, two blank lines among them where the file is one of lines."""
    rows = [[f"{100 + n % 5}", "ab"[n % 5 % 2], f"{n}.5", ("no", "yes")[n % 2]] for n in range(10)]
    if path.suffix == ".parquet":
        pd.DataFrame(rows, columns=["patient", "site", "lab", "ill"]).astype({"lab": float}).to_parquet(path)
        return RawTable.read(path, FileFormat())
    style = STYLES[path.name]
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        sheet = book.create_sheet("Daten")
        for row in [["about"], ["patient", "site", "lab", "ill"], *rows[:4], [], [], *rows[4:]]:
            sheet.append([float(cell) if cell.endswith(".5") else cell for cell in row])
        book.save(path)
        return RawTable.read(path, style)
    lines = [style.separator.join(row) for row in rows]
    lines[4:4] = ["", ""]
    head = ["about"] * style.skip_rows + [style.separator.join(["patient", "site", "lab", "ill"])] * style.header
    path.write_bytes(("\n".join([*head, *lines]) + "\n").encode(style.encoding))
    return RawTable.read(path, style)


@pytest.mark.parametrize("name", STYLES)
def test_a_table_is_written_as_it_was_read(tmp_path: Path, name: str) -> None:
    table = written(tmp_path / name)
    assert len(table.rows) == (10 if name == "own.parquet" else 12)
    if name.endswith(".csv"):
        assert table.content(table.rows) == (tmp_path / name).read_bytes()
    again = tmp_path / f"again-{name}"
    again.write_bytes(table.content(table.rows))
    assert RawTable.read(again, table.style).rows == table.rows


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in TWICE])
@pytest.mark.parametrize("name", STYLES)
def test_a_change_is_one_of_one_units_records(tmp_path: Path, name: str, kind: Kind) -> None:
    table = written(tmp_path / name)
    records = RawTables([table], [], ROLES)
    for number in range(8):
        files = draw_change(records, kind, seed=0, number=number)
        if kind in (Kind.NOTHING, Kind.JOINED):
            assert not files
            continue
        assert files is not None
        (tmp_path / "changed").mkdir(exist_ok=True)
        path = tmp_path / "changed" / name
        path.write_bytes(files[tmp_path / name] or b"")
        before, after = ([row for row in found.rows if any(row)] for found in (table, RawTable.read(path, table.style)))
        gone, come = Counter(map(tuple, before)), Counter(map(tuple, after))
        differ = [row[0].strip().lstrip("+\t\ufeff").removesuffix(".0") for row in ((gone - come) + (come - gone))]
        assert len({unit.removesuffix("e+0") for unit in differ if unit.isascii()}) <= 1
        own = set(differ)
        assert [row for row in before if row[0] not in own] == [row for row in after if row[0] not in own] or kind in (
            Kind.REORDERED,
            Kind.RETYPED,
        )
        assert before != after


def test_writings_of_an_id_are_the_same_or_anothers() -> None:
    assert "7.0" in writings("7", same=True)
    assert "07" in writings("7", same=False)
    assert "pat-1" in writings("PAT-1", same=False)
    assert not set(writings("7", same=True)) & set(writings("7", same=False))


def test_without_ids_a_record_that_is_withdrawn_leaves_its_line(tmp_path: Path) -> None:
    table = written(tmp_path / "plain.csv")
    records = RawTables([table], [], Roles(label="ill", unit=None, site=None, sites=(None,), features=("lab",)))
    files = draw_change(records, Kind.WITHDRAWN, seed=0, number=0)
    assert files is not None
    lines = (files[tmp_path / "plain.csv"] or b"").decode().splitlines()
    assert len(lines) == 13
    assert sum(line == "" for line in lines) == 3
    assert draw_change(records, Kind.TAKEN, seed=0, number=0) is None


def test_units_of_which_a_record_is_public_are_left_alone(tmp_path: Path) -> None:
    table = written(tmp_path / "own.parquet")
    assert RawTables([table], [], ROLES, {(0, row) for row in range(10)}).units == 5
    assert RawTables([table], [], ROLES, {(0, row) for row in range(9)}).units == 4
    assert draw_change(RawTables([table], [], ROLES, grows=False), Kind.ADDED, seed=0, number=0) is None


def test_what_cannot_be_read_is_said_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "own.parquet").write_text("SECRET")
    with pytest.raises(InputError) as caught:
        RawTable.read(tmp_path / "own.parquet", FileFormat())
    assert "SECRET" not in str(caught.value)


def test_an_image_that_is_withdrawn_is_a_file_that_is_gone(tmp_path: Path) -> None:
    from PIL import Image

    for n in range(4):
        path = tmp_path / "ab"[n % 2] / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((3, 3), 50 * n, dtype=np.uint8)).save(path)
    folders = RawFolders([tmp_path])
    assert folders.units == 4
    files = draw_change(folders, Kind.WITHDRAWN, seed=0, number=0)
    assert files is not None
    assert list(files.values()) == [None]
    moved = draw_change(folders, Kind.RELABELLED, seed=0, number=0)
    assert moved is not None
    assert sorted(content is None for content in moved.values()) == [False, True]

"""Tables from files: formats, joins, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pate.data.files.table_file import FileFormat, Join, join_tables, read_table
from pate.errors import InputError


def test_files_that_are_no_tables_are_refused_without_their_path(tmp_path: Path) -> None:
    missing = tmp_path / "private" / "none.csv"
    with pytest.raises(InputError, match=r"a file at data\.private_files\[0\], got none") as caught:
        read_table(missing, FileFormat(), key="data.private_files[0]")
    assert str(missing) not in str(caught.value)
    assert str(missing) in (caught.value.private_detail or "")
    empty, header, binary, ragged = (tmp_path / name for name in ("e.csv", "h.csv", "b.parquet", "r.data"))
    empty.write_text("")
    header.write_text("a,b\n")
    binary.write_bytes(b"no parquet")
    ragged.write_text("1,2\n3,4,5\n")
    headerless = FileFormat(header=False, columns=("a", "b"))
    for path, style in ((empty, FileFormat()), (header, FileFormat()), (binary, FileFormat()), (ragged, headerless)):
        with pytest.raises(InputError) as caught:
            read_table(path, style, key="data.private_files[0]")
        assert "data.private_files[0]" in str(caught.value)
        assert str(tmp_path) not in str(caught.value)


def test_headerless_files_markers_and_replacements(tmp_path: Path) -> None:
    path = tmp_path / "x.data"
    path.write_text("junk\n1.0; ?;> 89\n-1;b ; 5\n")
    style = FileFormat(
        header=False,
        columns=("n", "c", "age"),
        separator=";",
        skip_rows=1,
        missing=("?", "-1.0"),
        replace={"age": {"> 89": "90"}},
    )
    table = read_table(path, style, key="k")
    assert table["age"].tolist() == ["90", "5"]
    assert table["n"].isna().tolist() == [False, True]
    assert table["c"].isna().tolist() == [True, False]


def join_file(folder: Path, text: str, **changes: object) -> tuple[pd.DataFrame, tuple[Join, ...]]:
    (folder / "more.csv").write_text(text)
    main = pd.DataFrame({"id": ["1", "2", "3"], "x": ["a", "b", "c"]}, dtype="str")
    return main, (Join(path=folder / "more.csv", column="id", **changes),)  # type: ignore[arg-type]


def test_joined_columns_stand_beside_their_records(tmp_path: Path) -> None:
    main, joins = join_file(tmp_path, "id,v,y\n2,A,20\n1,A,10\n1,B,11\n9,A,90\n", where={"v": "A"}, take=("y",))
    dropped = join_tables(main, joins, key="data.private_files[0]")
    assert dropped.to_dict("list") == {"id": ["1", "2"], "x": ["a", "b"], "y": ["10", "20"]}
    main, joins = join_file(tmp_path, "id,y\n2,20\n", unmatched="keep")
    assert join_tables(main, joins, key="k")["y"].isna().tolist() == [True, False, True]


def test_joins_that_would_multiply_records_or_columns_are_refused(tmp_path: Path) -> None:
    main, joins = join_file(tmp_path, "id,y\n2,20\n2,21\n")
    with pytest.raises(InputError, match=r"at most one row for each 'id' in k\.join\[0\], got 2 of 2"):
        join_tables(main, joins, key="k")
    main, joins = join_file(tmp_path, "id,x\n2,20\n")
    with pytest.raises(InputError, match="list take"):
        join_tables(main, joins, key="k")
    main, joins = join_file(tmp_path, "id,y\n7,20\n")
    with pytest.raises(InputError, match="records with a partner"):
        join_tables(main, joins, key="k")

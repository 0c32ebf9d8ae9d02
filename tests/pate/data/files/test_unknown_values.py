"""Categories that differ by hospital: counted for the hospital, and nothing public changes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pate.data import Study
from pate.data.body import Split
from pate.data.categories import CategoricalColumns
from pate.data.columns import LabelRule
from pate.data.encoding import ColumnEncoder
from pate.data.files.table import TableColumns, TableFile, table_records, table_study

COLUMNS = TableColumns(
    label=LabelRule(column="y", positive=("1",)),
    categorical=(CategoricalColumns(columns=("sex", "smoker"), unknown="ignore", missing="category"),),
)


def study(folder: Path, north: list[str], south: list[str]) -> Study:
    def write(name: str, sex: list[str], smoker: list[str]) -> Path:
        table = pd.DataFrame({"sex": sex, "smoker": smoker, "y": ["0", "1"] * (len(sex) // 2)})
        table.to_csv(folder / name, index=False)
        return folder / name

    private = [
        TableFile(path=write("north.csv", north, ["yes", "no"] * 2), site="north"),
        TableFile(path=write("south.csv", south, ["True", "", "1", "yes"]), site="south"),
    ]
    public = TableFile(path=write("public.csv", ["M", "F"] * 2, ["yes", "no"] * 2))
    return table_study(
        task="t", private=tuple(private), pool=(public,), evaluation=(public,), columns=COLUMNS, split=Split(),
        sizes=(4, 4),
    )  # fmt: skip


def test_each_site_is_told_its_own_unknown_categories(tmp_path: Path) -> None:
    found = study(tmp_path, ["M", "F", "M", "F"], ["m", "f", "m", "M"])
    assert found.held_here.origin is not None
    assert found.held_here.origin.unknown == (
        "site 'south', column 'sex': 3 of 4 values are unknown: 'm' (2), 'f' (1)",
        "site 'south', column 'smoker': 2 of 3 values are unknown: 'True' (1), '1' (1)",
    )
    clean = study(tmp_path, ["M", "F", "M", "F"], ["M", "F", "M", "F"])
    assert clean.encoding == found.encoding
    assert "unknown=" not in repr(found.held_here)


def test_a_site_that_reads_its_own_files_counts_them_there(tmp_path: Path) -> None:
    made = study(tmp_path, ["M"] * 4, ["m"] * 4)
    assert made.encoding is not None
    encoder = ColumnEncoder.from_json(made.encoding)
    own = (TableFile(path=tmp_path / "south.csv"),)
    records = table_records(own, columns=COLUMNS, classes=made.classes, encoder=encoder)
    assert records.origin is not None
    assert records.origin.unknown[0] == "column 'sex': 4 of 4 values are unknown: 'm' (4)"

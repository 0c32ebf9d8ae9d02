"""Tables: encoders fitted on public data alone, joins, and bad input refused with counts only."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pate.data.body import Split
from pate.data.categories import CategoricalColumns
from pate.data.columns import LabelRule
from pate.data.encoding import Missing, NumericColumns, fit_encoder
from pate.data.files.table import TableColumns, TableFile, table_study
from pate.data.files.table_file import FileFormat, read_table
from pate.data.records import Study
from pate.errors import InputError, RecordsRefused

CANARY = "CANARY-7731"


def frame(count: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient": [f"p{seed}-{i // 2}" for i in range(count)],
            "hospital": rng.choice(["north", "south"], count),
            "age": rng.integers(20, 90, count),
            "dose": rng.normal(5, 2, count).round(3),
            "stage": rng.choice(["I", "II", "III"], count),
            "outcome": rng.choice(["well", "ill"], count),
        }
    )


def columns(**changes: object) -> TableColumns:
    parts: dict[str, object] = {
        "label": LabelRule(column="outcome", classes=("well", "ill")),
        "unit": "patient",
        "site": "hospital",
        "numeric": (NumericColumns(columns=("age", "dose")),),
        "categorical": (CategoricalColumns(columns=("stage",), unknown="ignore"),),
    }
    return TableColumns(**{**parts, **changes})  # type: ignore[arg-type]


def study(
    folder: Path, private: pd.DataFrame | None = None, pool: pd.DataFrame | None = None, **changes: object
) -> Study:
    tables = {
        "private": frame(40) if private is None else private,
        "pool": frame(30, 1) if pool is None else pool,
        "evaluation": frame(20, 2),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return table_study(
        task="outcome",
        private=(TableFile(path=folder / "private.csv"),),
        pool=(TableFile(path=folder / "pool.csv"),),
        evaluation=(TableFile(path=folder / "evaluation.csv"),),
        columns=columns(**changes),
        split=Split(),
        sizes=(30, 20),
    )


def refused(folder: Path, mentions: list[str], **arguments: object) -> InputError:
    with pytest.raises(InputError) as caught:
        study(folder, **arguments)  # type: ignore[arg-type]
    text = str(caught.value)
    if isinstance(caught.value, RecordsRefused):
        assert text == RecordsRefused.SENTENCE
    said = (caught.value.private_detail or "") if isinstance(caught.value, RecordsRefused) else text
    for piece in mentions:
        assert piece in said, said
    assert "\n" not in text
    assert CANARY not in text
    assert str(folder) not in text
    return caught.value


def test_a_study_has_features_labels_units_and_sites(tmp_path: Path) -> None:
    found = study(tmp_path)
    assert found.input_shape == (5,)
    assert found.classes == ("well", "ill")
    assert len(set(found.private.units_N)) == 20
    assert set(found.private.sites_N) == {"north", "south"}
    assert found.benchmark is None
    truth = frame(40)
    assert np.array_equal(found.private.labels_N, (truth["outcome"] == "ill").to_numpy().astype(int))
    assert json.loads(found.encoding or "")["features"] == ["age", "dose", "stage = I", "stage = II", "stage = III"]


def test_nothing_is_fitted_on_private_or_evaluation_records(tmp_path: Path) -> None:
    base = study(tmp_path)
    changed = frame(40)
    changed["age"] += 1000
    changed["stage"] = "IV"
    other = study(tmp_path, private=changed)
    assert other.encoding == base.encoding
    assert np.array_equal(other.pool.inputs, base.pool.inputs)
    assert np.array_equal(other.evaluation.inputs, base.evaluation.inputs)
    assert not np.array_equal(other.private.features, base.private.features)
    assert np.allclose(base.pool.inputs[:, :2].mean(axis=0), 0, atol=1e-5)
    assert np.allclose(base.pool.inputs[:, :2].std(axis=0), 1, atol=1e-4)


def test_label_rules(tmp_path: Path) -> None:
    table = pd.DataFrame({"y": ["0", "2", "3", None]}, dtype="str")
    assert LabelRule(column="y", above=1).labels(table, ("a", "b"), key="k").tolist() == [0, 1, 1, -1]
    assert LabelRule(column="y", positive=("3",)).labels(table, ("a", "b"), key="k").tolist() == [0, 0, 1, -1]
    with pytest.raises(InputError, match="exactly one"):
        LabelRule(column="y", above=1, positive=("1",))
    with pytest.raises(InputError, match="exactly one"):
        LabelRule(column="y")
    assert study(tmp_path, label=LabelRule(column="outcome", classes="public")).classes == ("ill", "well")


def test_records_without_a_label_are_refused_or_dropped(tmp_path: Path) -> None:
    gap = frame(40)
    gap.loc[3, "outcome"] = None
    refused(tmp_path, ["'outcome'", "1 of 40", "data.label.missing: drop"], private=gap)
    kept = study(tmp_path, private=gap, label=LabelRule(column="outcome", classes=("well", "ill"), missing="drop"))
    assert len(kept.private) == 39
    assert len(kept.private.units_N) == 39


def test_a_pool_needs_no_labels_and_an_evaluation_set_does(tmp_path: Path) -> None:
    assert len(study(tmp_path, pool=frame(30, 1).drop(columns=["outcome", "patient", "hospital"])).pool) == 30
    refused(tmp_path, ["data.label.column='outcome'"], private=frame(40).drop(columns="outcome"))


@pytest.mark.parametrize(
    ("column", "value", "mentions"),
    [
        ("age", CANARY, ["numbers in column 'age'", "data.private_files", "1 of 40"]),
        ("age", None, ["a value of 'age'", "data.features.numeric.missing", "1 of 40"]),
        ("stage", None, ["a value of 'stage'", "data.features.categorical missing", "1 of 40"]),
        ("outcome", CANARY, ["the 2 classes of the public label set", "data.label.classes", "1 of 40"]),
        ("patient", None, ["data.unit='patient'", "1 of 40", "fill in the missing ids"]),
        ("hospital", None, ["data.site='hospital'", "1 of 40"]),
    ],
)
def test_bad_private_values_are_refused_with_a_count_and_the_row_in_the_private_detail(
    tmp_path: Path, column: str, value: object, mentions: list[str]
) -> None:
    broken = frame(40)
    broken[column] = broken[column].astype(object)
    broken.loc[7, column] = value
    error = refused(tmp_path, mentions, private=broken)
    assert "row 7" in (error.private_detail or "")


def test_unknown_categories_follow_the_declared_policy(tmp_path: Path) -> None:
    odd = frame(40)
    odd.loc[5, "stage"] = CANARY
    assert study(tmp_path, private=odd).private.features[5, 2:].tolist() == [0, 0, 0]
    strict = (CategoricalColumns(columns=("stage",), unknown="refuse"),)
    error = refused(tmp_path, ["known category of 'stage'", "1 of 40"], private=odd, categorical=strict)
    assert CANARY in (error.private_detail or "")


@pytest.mark.parametrize(
    ("changes", "mentions"),
    [
        ({"unit": "nobody"}, ["data.unit='nobody'"]),
        ({"label": LabelRule(column="fate", classes=("a", "b"))}, ["data.label.column='fate'"]),
        ({"numeric": (NumericColumns(columns=("height",)),)}, ["data.features='height'"]),
        ({"numeric": (), "categorical": ()}, ["at least one feature column"]),
        ({"numeric": (NumericColumns(columns=("age", "age")),)}, ["each declared once"]),
    ],
)
def test_undeclared_columns_are_refused_by_key(tmp_path: Path, changes: dict, mentions: list[str]) -> None:
    refused(tmp_path, mentions, **changes)


def test_parquet_and_csv_give_the_same_study(tmp_path: Path) -> None:
    table = frame(40)
    table["dose"] = table["dose"].astype(object)
    table.loc[4, "dose"] = None
    table["dose"] = table["dose"].astype(float)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    one, two = (read_table(tmp_path / f"t.{kind}", FileFormat(), key="k") for kind in ("csv", "parquet"))
    rule = (NumericColumns(columns=("age", "dose"), missing=Missing(strategy="public_median")),)
    kinds = (CategoricalColumns(columns=("stage",), unknown="refuse"),)
    encoder = fit_encoder(one, rule, kinds)
    assert np.array_equal(encoder.encode(one, key="k"), encoder.encode(two, key="k"))
    assert one["patient"].tolist() == two["patient"].tolist()


def test_files_of_several_sites_become_one_body(tmp_path: Path) -> None:
    for number in range(2):
        frame(20, number).drop(columns="hospital").to_csv(tmp_path / f"{number}.csv", index=False)
    frame(30, 5).to_csv(tmp_path / "public.csv", index=False)
    found = table_study(
        task="t",
        private=tuple(TableFile(path=tmp_path / f"{n}.csv", site=f"site {n}") for n in range(2)),
        pool=(TableFile(path=tmp_path / "public.csv"),),
        evaluation=(),
        columns=columns(site=None),
        split=Split(),
        sizes=(20, 10),
    )
    assert found.private.sites_N.tolist() == ["site 0"] * 20 + ["site 1"] * 20
    assert (len(found.pool), len(found.evaluation)) == (20, 10)


@pytest.mark.parametrize("code", [207008, 900_000_000_000_207_008])
def test_an_emptied_cell_of_a_parquet_file_changes_no_other_record(tmp_path: Path, code: int) -> None:
    """Writers make floats of a column of whole numbers where one is missing."""
    whole = pd.DataFrame({"code": [code + n % 2 for n in range(8)], "y": list("ab" * 4)})
    gap = whole.assign(code=whole["code"].astype(object).where(whole.index != 7).astype(float))
    whole.to_parquet(tmp_path / "whole.parquet")
    gap.to_parquet(tmp_path / "gap.parquet")
    one, two = (read_table(tmp_path / f"{name}.parquet", FileFormat(), key="k") for name in ("whole", "gap"))
    encoder = fit_encoder(one, (), (CategoricalColumns(columns=("code",), unknown="ignore", missing="ignore"),))
    before = encoder.encode(one, key="k")
    assert before.sum() == 8
    if code > 2**53:
        with pytest.raises(InputError, match="all of their digits"):
            encoder.encode(two, key="k")
    else:
        assert np.array_equal(encoder.encode(two, key="k")[:7], before[:7])


def test_decimals_do_not_depend_on_the_longest_among_them(tmp_path: Path) -> None:
    for name, last in (("short", "2"), ("long", "2.25")):
        table = pd.DataFrame({"dose": [Decimal("1.5"), Decimal("10"), Decimal(last)]})
        table.to_parquet(tmp_path / f"{name}.parquet")
    one, two = (read_table(tmp_path / f"{name}.parquet", FileFormat(), key="k") for name in ("short", "long"))
    assert one["dose"].tolist()[:2] == two["dose"].tolist()[:2] == ["1.5", "10"]


@pytest.mark.parametrize("line", ["Smith, John,1.5,yes", "a\rb,2,no"])
@pytest.mark.parametrize("where", [1, 3])
def test_a_line_with_too_many_values_or_a_stray_carriage_return_is_refused(
    tmp_path: Path, line: str, where: int
) -> None:
    lines = ["patient,lab,ill", *(f"p{n},{n}.5,yes" for n in range(5))]
    lines.insert(where, line)
    (tmp_path / "t.csv").write_bytes("\n".join(lines).encode() + b"\n")
    with pytest.raises(InputError, match="a readable table"):
        read_table(tmp_path / "t.csv", FileFormat(), key="k")


def test_a_positive_class_without_a_public_label_ends_before_private_files_are_read(tmp_path: Path) -> None:
    private = frame(40).drop(columns="dose")  # unusable, too
    refused(
        tmp_path,
        ["a public label that data.label.positive makes positive, got positive=['sick']", "'well' (", "'ill' ("],
        private=private,
        label=LabelRule(column="outcome", positive=("sick",)),
    )

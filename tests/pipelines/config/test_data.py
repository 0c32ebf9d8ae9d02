"""The data part of a configuration: what is accepted, what is dumped, what YAML must not turn into something else."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipelines.config.data import DataConfig, TableData, VisionData
from pipelines.tracking.cards import to_texts

ADAPTER: TypeAdapter[Any] = TypeAdapter(DataConfig)
TABLE: dict[str, Any] = {
    "source": "table",
    "data_id": "mine",
    "task": "t",
    "private_files": [{"path": "/secret/a.csv", "site": "north"}, "/secret/b.csv"],
    "pool_files": ["/open/c.csv"],
    "pool": 10,
    "evaluation": 5,
    "join": [{"path": "/secret/j.csv", "column": "id", "where": [{"column": "version", "value": 4}]}],
    "format": {"missing": [-1, "?"], "replace": [{"column": "age (years)", "text": "> 89", "by": 90}]},
    "label": {"column": "y", "positive": [1]},
    "features": {
        "numeric": [{"columns": ["age (years)"], "missing": {"strategy": "public_median"}}],
        "categorical": [{"columns": ["c%"], "unknown": "ignore", "categories": [{"column": "c%", "values": [0, "b"]}]}],
    },
}


def test_numbers_stand_for_their_text() -> None:
    data = ADAPTER.validate_python(TABLE)
    assert data.format.missing == ("-1", "?")
    assert data.label.positive == ("1",)
    assert data.join[0].where[0].value == "4"
    assert data.features.categorical[0].categories[0].values == ("0", "b")
    assert data.private_files[1].path == Path("/secret/b.csv")


@pytest.mark.parametrize("value", [True, False])
def test_truth_values_are_no_text(value: bool) -> None:
    changed = copy.deepcopy(TABLE)
    changed["label"]["positive"] = [value]
    with pytest.raises(ValidationError, match="put it in quotes"):
        ADAPTER.validate_python(changed)


def test_no_path_is_in_any_dump_and_what_is_there_suits_a_tracker() -> None:
    data = ADAPTER.validate_python(TABLE)
    for dump in (data.model_dump(mode="json"), data.model_dump()):
        assert "/secret" not in str(dump)
        assert "/open" not in str(dump)
        texts = to_texts({"data": dump})
        assert "age (years)" in str(texts)


def test_the_folder_of_the_configuration_survives_a_trip_to_another_process() -> None:
    data = ADAPTER.validate_python(TABLE, context={"folder": Path("/studies")})
    again = pickle.loads(pickle.dumps(data))
    assert again == data
    assert again.folder == Path("/studies")
    assert ADAPTER.validate_python(TABLE).folder == Path.cwd()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"pool": 0}, "pool"),
        ({"evaluation": 2.5}, "evaluation"),
        ({"split": {"by": "patient"}}, "split.by"),
        ({"label": {"column": "c%", "above": 0}}, "features without the label"),
        ({"format": {"separator": ""}}, "separator"),
        ({"format": {"encoding": "utf-9"}}, r"a known data\.format\.encoding"),
        ({"format": {"decimal": ";"}}, "decimal"),
        ({"format": {"decimal": ",", "thousands": ","}}, "thousands that differs from decimal"),
    ],
)
def test_wrong_values_are_refused(change: dict, match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        ADAPTER.validate_python({**copy.deepcopy(TABLE), **change})


def test_later_keys_at_their_defaults_are_in_no_content() -> None:
    named = {"encoding": "UTF8", "decimal": ".", "thousands": None, "sheet": None}
    label = {**TABLE["label"], "contains": None}
    plain = ADAPTER.validate_python(TABLE).model_dump(mode="json")
    data = ADAPTER.validate_python({**TABLE, "format": {**TABLE["format"], **named}, "label": label})
    assert data.model_dump(mode="json") == plain
    assert not {"encoding", "decimal", "thousands", "sheet"} & set(plain["format"])
    assert "contains" not in plain["label"]
    german = ADAPTER.validate_python({**TABLE, "format": {"decimal": ",", "encoding": "windows-1252"}})
    assert german.model_dump(mode="json")["format"]["decimal"] == ","
    assert german.format.encoding == "cp1252"


def test_sizes_are_known_without_the_data() -> None:
    assert isinstance(ADAPTER.validate_python(TABLE), TableData)
    assert ADAPTER.validate_python(TABLE).pool == 10
    vision = ADAPTER.validate_python({"source": "mnist", "data_id": "m"})
    assert isinstance(vision, VisionData)
    assert (vision.pool, vision.private, vision.rotation) == (9_000, 60_000, 0)

from __future__ import annotations

import hashlib
import json
import math

import pytest

from pate.errors import InputError
from pipelines.tracking.cards import DatasetCard, ModelCard, check_key, to_texts, without_long


def _model(**changes: object) -> ModelCard:
    fields = {"epsilon": 2.0, "delta": 1e-5, "privacy_unit": "record", "accountant": "tight", "benchmark": None}
    return ModelCard(**{"name": "digits", "insecure": False, **fields, **changes})  # type: ignore[arg-type]


def test_nested_settings_become_dotted_keys_and_plain_text() -> None:
    texts = to_texts({"a": {"b": {"c": 1}, "d": [1, "x"]}, "e": None, "f": True, "g": 1e-05})
    assert texts == {"a.b.c": "1", "a.d": '[1, "x"]', "e": "none", "f": "true", "g": "1e-05"}


@pytest.mark.parametrize("key", ["", "a//b", "/a", "a/", "../a", "a/./b", "a\nb", "a;b", "é", " a", "k" * 251])
def test_keys_that_mlflow_would_refuse_are_refused(key: str) -> None:
    with pytest.raises(InputError, match="key"):
        check_key(key)


@pytest.mark.parametrize("key", ["a", "a/b", "a b", "a.b:c-d_e", "mlflow.note.content"])
def test_keys_that_mlflow_accepts_are_accepted(key: str) -> None:
    check_key(key)


def test_a_value_that_mlflow_would_cut_off_is_refused() -> None:
    assert to_texts({"a": "x" * 5000})
    with pytest.raises(InputError, match="length=5001"):
        to_texts({"a": "x" * 5001})


@pytest.mark.parametrize(
    "changes", [{"epsilon": math.inf}, {"epsilon": math.nan}, {"epsilon": -1.0}, {"delta": 1.0}, {"name": "a'b"}]
)
def test_a_model_without_a_bound_or_name_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        _model(**changes)


def test_a_data_set_needs_a_fingerprint_that_fits() -> None:
    DatasetCard(name="pool", fingerprint="f" * 32, source="digits", rows=3, context="pool")
    with pytest.raises(InputError):
        DatasetCard(name="pool", fingerprint="f" * 37, source="digits", rows=3, context="pool")


def test_a_text_too_long_for_a_parameter_names_the_file_and_a_hash() -> None:
    columns = [f"laboratory_value_{number}" for number in range(400)]
    values = {"name": "wide", "features": {"columns": columns, "scale": "public"}}
    short, shortened = without_long(values, file="config.json")
    assert shortened
    texts = to_texts(short)
    digest = hashlib.sha256(json.dumps(columns).encode()).hexdigest()
    assert texts["features.columns"] == f"in config.json, {len(json.dumps(columns))} characters, SHA-256 {digest}"
    assert texts["features.scale"] == "public"
    assert without_long({"a": {"b": None, "c": [1]}}, file="f") == ({"a": {"b": None, "c": [1]}}, False)

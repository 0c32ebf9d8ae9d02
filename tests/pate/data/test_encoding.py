"""Encoders: the formula, and what needs the public pool."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pate.data.categories import CategoricalColumns
from pate.data.encoding import ColumnEncoder, Missing, NumericColumns, fit_encoder
from pate.errors import InputError


def test_the_encoder_follows_its_formula() -> None:
    pool = pd.DataFrame({"x": ["1", "2", "9", None], "c": ["a", "b", "a", "a"]}, dtype="str")
    encoder = fit_encoder(
        pool,
        (NumericColumns(columns=("x",), missing=Missing(strategy="public_median", indicator=True), clip=1.0),),
        (CategoricalColumns(columns=("c",), unknown="ignore", missing="category"),),
    )
    other = pd.DataFrame({"x": [None, "4", "400"], "c": ["b", "z", None]}, dtype="str")
    known = np.array([1.0, 2.0, 9.0])
    expected = np.clip((np.array([2.0, 4.0, 400.0]) - known.mean()) / known.std(), -1, 1)
    encoded = encoder.encode(other, key="k")
    assert np.allclose(encoded[:, 0], expected)
    assert encoded[:, 1].tolist() == [1, 0, 0]
    assert encoded[:, 2:].tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert len(encoder.names()) == encoded.shape[1]


def test_declared_values_need_no_statistics_of_the_pool() -> None:
    pool = pd.DataFrame({"x": [None, None], "c": [None, None]}, dtype="str")
    encoder = fit_encoder(
        pool,
        (NumericColumns(columns=("x",), missing=Missing(strategy="constant", value=-3), scale="none"),),
        (CategoricalColumns(columns=("c",), unknown="refuse", categories={"c": ("u", "v")}, missing="ignore"),),
    )
    assert encoder.encode(pool, key="k").tolist() == [[-3, 0, 0], [-3, 0, 0]]
    with pytest.raises(InputError, match="values of 'x' in the pool"):
        fit_encoder(pool, (NumericColumns(columns=("x",)),), ())


@pytest.mark.parametrize("missing", [{"strategy": "constant"}, {"strategy": "public_median", "value": 1.0}])
def test_a_constant_is_given_exactly_where_it_is_used(missing: dict) -> None:
    with pytest.raises(InputError, match="constant"):
        Missing(**missing)


def test_too_many_categories_are_refused() -> None:
    pool = pd.DataFrame({"c": [f"v{i}" for i in range(300)]}, dtype="str")
    with pytest.raises(InputError, match="1 to 200 categories of 'c'"):
        fit_encoder(pool, (), (CategoricalColumns(columns=("c",), unknown="ignore"),))


def test_the_most_frequent_categories_and_one_for_all_others() -> None:
    pool = pd.DataFrame({"c": ["b"] * 3 + ["a"] * 2 + ["d"] * 2 + ["e", None]}, dtype="str")
    group = CategoricalColumns(columns=("c",), unknown="ignore", missing="category", most_frequent=2)
    encoder = fit_encoder(pool, (), (group,))
    assert encoder.names() == ("c = a", "c = b", "c = (other)", "c = (missing)")
    other = pd.DataFrame({"c": ["a", "b", "d", "never seen", None]}, dtype="str")
    assert encoder.encode(other, key="k").tolist() == [
        [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1],
    ]  # fmt: skip


def test_categories_by_prefix() -> None:
    pool = pd.DataFrame({"c": ["E11.9", "E11.2", "I10", None]}, dtype="str")
    group = CategoricalColumns(columns=("c",), unknown="ignore", missing="ignore", prefix=3)
    encoder = fit_encoder(pool, (), (group,))
    assert encoder.names() == ("c = E11", "c = I10")
    other = pd.DataFrame({"c": ["E11.65", "I10.0", "J45", None]}, dtype="str")
    assert encoder.encode(other, key="k").tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert ColumnEncoder.from_json(encoder.to_json()) == encoder


def test_hundreds_of_codes_are_refused_with_the_remedies_that_work() -> None:
    codes = [f"{group}{number:02}.{number % 7}" for group in "AEIJKM" for number in range(100)]
    pool = pd.DataFrame({"icd": codes + ["I10.3"] * 20}, dtype="str")
    with pytest.raises(InputError, match=r"got found=600; add most_frequent: 100 .* or prefix: 3"):
        fit_encoder(pool, (), (CategoricalColumns(columns=("icd",), unknown="ignore"),))
    frequent = fit_encoder(pool, (), (CategoricalColumns(columns=("icd",), unknown="ignore", most_frequent=100),))
    assert len(frequent.names()) == 101
    assert "icd = I10.3" in frequent.names()
    both = CategoricalColumns(columns=("icd",), unknown="ignore", most_frequent=20, prefix=1)
    assert fit_encoder(pool, (), (both,)).names() == (*(f"icd = {group}" for group in "AEIJKM"), "icd = (other)")


def test_the_file_of_an_encoder_without_these_rules_is_as_it_was() -> None:
    pool = pd.DataFrame({"c": ["a", "b"]}, dtype="str")
    encoder = fit_encoder(pool, (), (CategoricalColumns(columns=("c",), unknown="ignore"),))
    (row,) = json.loads(encoder.to_json())["categorical"]
    assert list(row) == ["name", "categories", "unknown", "missing"]


@pytest.mark.parametrize(
    "changes", [{"unknown": "refuse"}, {"categories": {"c": ("a", "b")}}, {"most_frequent": 0}, {"most_frequent": 201}]
)
def test_a_contradicting_rule_is_refused(changes: dict) -> None:
    with pytest.raises(InputError, match="most_frequent"):
        CategoricalColumns(**{"columns": ("c",), "unknown": "ignore", "most_frequent": 2, **changes})

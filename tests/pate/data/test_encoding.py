"""Encoders: the formula, and what needs the public pool."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pate.data.encoding import CategoricalColumns, Missing, NumericColumns, fit_encoder
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

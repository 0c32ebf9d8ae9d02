"""The three kinds of value hold at run time."""

from __future__ import annotations

import pickle
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pate.errors import PrivacyViolation
from pate.public_sets import PublicSource, recognise
from pate.values import BenchmarkOnly, Private, Released, released_value
from pate.votes import VoteHistogram, VoteMatrix

SECRET = "canary-7f3a"


@pytest.fixture
def digits() -> PublicSource:
    raw = load_digits()
    source = recognise(raw.data.astype(np.uint8), raw.target.astype(np.int64))
    assert source is not None
    return source


def test_private_content_shows_in_no_text() -> None:
    value = Private(SECRET)
    for text in (repr(value), str(value), f"{value}", f"{value:>10}", f"{[value]}"):
        assert SECRET not in text


def test_private_content_cannot_be_pickled_or_decided_on() -> None:
    with pytest.raises(PrivacyViolation):
        pickle.dumps(Private(SECRET))
    with pytest.raises(PrivacyViolation):
        bool(Private(0))


def test_what_is_computed_from_private_is_private() -> None:
    assert isinstance(Private(3).map(lambda x: x + 1), Private)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"a": (1, x)}, lambda x: {x: 1}])
def test_private_content_cannot_be_released_at_any_depth(wrap) -> None:
    with pytest.raises(PrivacyViolation):
        Released.public(wrap(Private(SECRET)))


def test_private_content_inside_a_dataclass_cannot_be_released() -> None:
    @dataclass
    class Holder:
        field: object

    with pytest.raises(PrivacyViolation):
        Released.public(Holder(Private(SECRET)))


def test_votes_are_private() -> None:
    votes = VoteMatrix(labels_TQ=np.zeros((3, 2), dtype=np.int16), classes=2)
    for value in (votes, votes.histogram()):
        with pytest.raises(PrivacyViolation):
            Released.public(value)
        with pytest.raises(PrivacyViolation):
            pickle.dumps(value)
        assert "0" not in repr(value)


def test_a_function_of_released_values_cannot_smuggle_private_ones() -> None:
    with pytest.raises(PrivacyViolation):
        Released.public(1).map(lambda _: Private(SECRET))


@pytest.mark.parametrize("value", [1.0, "text", Private(1)])
def test_an_exit_takes_released_values_only(value: object) -> None:
    with pytest.raises(PrivacyViolation) as error:
        released_value(value)  # type: ignore[arg-type]
    assert "text" not in str(error.value)


def test_benchmark_figures_exist_for_shipped_public_sets_only(digits: PublicSource) -> None:
    assert BenchmarkOnly(0.5, digits).value == 0.5
    with pytest.raises(PrivacyViolation):
        BenchmarkOnly(0.5, "digits")  # type: ignore[arg-type]
    with pytest.raises(PrivacyViolation):
        PublicSource(name="my hospital", fingerprint="0" * 32)
    with pytest.raises(PrivacyViolation):
        Released.public(BenchmarkOnly(0.5, digits))


def test_a_set_that_differs_in_one_value_is_not_recognised() -> None:
    raw = load_digits()
    pixels = raw.data.astype(np.uint8)
    pixels[100, 20] += 1
    assert recognise(pixels, raw.target.astype(np.int64)) is None


def test_histogram_of_more_votes_than_teachers_is_refused() -> None:
    with pytest.raises(ValueError, match="at most the roster"):
        VoteHistogram(counts_QC=np.array([[3, 2]]), teachers=4)


@pytest.mark.parametrize(
    "container",
    [
        lambda secret: deque([secret]),
        lambda secret: {"a": [secret]}.values(),
        lambda secret: np.array([secret], dtype=object),
        lambda secret: iter([secret]),
        lambda secret: (value for value in [secret]),
    ],
    ids=["deque", "dict view", "array of objects", "iterator", "generator"],
)
def test_no_container_smuggles_private_content_out(container) -> None:
    with pytest.raises(PrivacyViolation):
        Released.public(container(Private(3)))


def test_arrays_and_tensors_of_numbers_may_be_released() -> None:
    import torch

    for content in (np.ones((2, 3)), torch.ones(2, 3), torch.nn.Sequential(torch.nn.Linear(2, 1)), np.float32(1)):
        assert Released.public({"content": [content]}).value["content"][0] is content

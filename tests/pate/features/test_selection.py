"""Queries come from the pool alone, each once, and central ones cover it."""

from __future__ import annotations

import numpy as np
import pytest

from pate.errors import InputError
from pate.features.selection import central_queries, random_queries

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(12, 6)) * 10
GROUP_M = np.repeat(np.arange(12), [200, 150, 100, 80, 60, 40, 30, 20, 10, 5, 3, 2])
FEATURES = (CENTRES[GROUP_M] + RNG.normal(size=(len(GROUP_M), 6))).astype(np.float32)


def test_central_queries_reach_every_group_where_random_ones_do_not() -> None:
    assert set(GROUP_M[central_queries(FEATURES, 24, seed=0)]) == set(range(12))
    assert len(set(GROUP_M[random_queries(len(FEATURES), 24, seed=0)])) < 12


def test_central_queries_are_nearer_to_their_groups_centre_than_most() -> None:
    distance_M = np.linalg.norm(FEATURES - CENTRES[GROUP_M], axis=1)
    assert distance_M[central_queries(FEATURES, 12, seed=1)].mean() < np.quantile(distance_M, 0.25)


@pytest.mark.parametrize("choose", ["central", "random"])
@pytest.mark.parametrize("count", [1, 24, 699, 700])
def test_queries_are_different_positions_fixed_by_the_seed(choose: str, count: int) -> None:
    def chosen(seed: int) -> list[int]:
        if choose == "central":
            return central_queries(FEATURES, count, seed)
        return random_queries(len(FEATURES), count, seed)

    first = chosen(3)
    assert len(set(first)) == len(first) == count
    assert set(first) <= set(range(700))
    assert chosen(3) == first
    assert count == 1 or chosen(4) != first


def test_equal_inputs_are_filled_up() -> None:
    same = np.repeat(FEATURES[:3], 10, axis=0)
    assert len(set(central_queries(same, 8, seed=0))) == 8


def test_more_than_the_pool_is_refused() -> None:
    with pytest.raises(InputError, match="max_asked"):
        random_queries(10, 11, seed=0)
    with pytest.raises(InputError, match="max_asked"):
        central_queries(FEATURES, 701, seed=0)

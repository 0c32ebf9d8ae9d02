"""How long accounts take, beside the 2018 bound evaluated query by query, in one process on one core."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from pate.accounting import ConfidentGNMaxEvent, GNMaxEvent, RepeatedEvent, data_independent_epsilon
from pate.accounting.data_dependent.costs import exact
from pate.accounting.data_dependent.exact_epsilon import exact_epsilon
from pate.accounting.data_dependent.papernot18 import gnmax_rdp, log_q_gnmax
from pate.votes import VoteHistogram

pytestmark = pytest.mark.benchmark
QUERIES = 10_000
ORDERS = np.geomspace(1.5, 512, 52)


def distinct_counts(queries: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    found: dict[bytes, np.ndarray] = {}
    while len(found) < queries:
        top = rng.uniform(0.3, 0.99)
        row = rng.permutation(rng.multinomial(250, [top, *rng.dirichlet(np.ones(9)) * (1 - top)]))
        found[row.tobytes()] = row
    return np.array(list(found.values()))


def papernot18_of_one(counts: np.ndarray, sigma: float, orders: np.ndarray) -> None:
    """The 2018 bound of one query: ``log q``, then the smallest of the bounds at every order."""
    row = counts[None].astype(np.float64)
    gnmax_rdp(log_q_gnmax(row, sigma), sigma, orders)


def test_exact_on_10000_histograms_against_the_2018_bound_query_by_query(record: Callable[..., None]) -> None:
    counts = distinct_counts(QUERIES)
    votes = VoteHistogram.strict(counts, 250)
    started = time.perf_counter()
    for row in counts:
        papernot18_of_one(row, 40.0, ORDERS)
    reference = time.perf_counter() - started
    for event in (
        GNMaxEvent(sigma=40.0),
        ConfidentGNMaxEvent(threshold=200, sigma_threshold=150.0, sigma=40.0, max_asked=QUERIES, max_answered=QUERIES),
    ):
        started = time.perf_counter()
        exact(votes, event, orders_A=ORDERS, fixed_in_advance=True)
        seconds = time.perf_counter() - started
        name = f"exact on 10,000 distinct 10-class histograms, 52 orders, {type(event).__name__}"
        record(name, seconds, "s", reference=reference)


def test_exact_on_150_classes_and_5000_teachers(record: Callable[..., None]) -> None:
    rng = np.random.default_rng(0)
    tops = rng.uniform(0.3, 0.99, 60)
    shares = [[top, *rng.dirichlet(np.full(149, 0.3)) * (1 - top)] for top in tops]
    counts = np.array([rng.permutation(rng.multinomial(5000, row)) for row in shares])
    votes = VoteHistogram.strict(counts, 5000)
    started = time.perf_counter()
    exact(votes, GNMaxEvent(sigma=200.0), orders_A=ORDERS, fixed_in_advance=True)
    seconds = (time.perf_counter() - started) * 12_000 / len(counts)
    record("exact on 12,000 histograms of 150 classes and 5,000 teachers, 52 orders, from 60 of them", seconds, "s")


def test_data_independent_recursion_for_1000_releases(record: Callable[..., None]) -> None:
    event = RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=1000)
    started = time.perf_counter()
    data_independent_epsilon(event, 1e-5, "worst_case_rdp")
    reference = time.perf_counter() - started
    started = time.perf_counter()
    data_independent_epsilon(event, 1e-5, "worst_case")
    record("worst_case of 1,000 GNMax releases", time.perf_counter() - started, "s", reference=reference)


def test_data_dependent_recursion_for_10000_queries(record: Callable[..., None]) -> None:
    votes = VoteHistogram.strict(distinct_counts(QUERIES), 250)
    event = GNMaxEvent(sigma=40.0)
    started = time.perf_counter()
    exact(votes, event, fixed_in_advance=True)
    reference = time.perf_counter() - started
    started = time.perf_counter()
    exact_epsilon(votes, event, 1e-5, fixed_in_advance=True)
    record("exact by recursion on 10,000 queries", time.perf_counter() - started, "s", reference=reference)

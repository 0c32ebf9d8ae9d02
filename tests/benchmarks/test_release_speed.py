"""How fast the door is, the ledger included."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pate.aggregation import ConfidentGNMax, ExactNoise
from pate.aggregation.release import release
from pate.ledger import Account, PrivacyLedger
from pate.votes import VoteHistogram

pytestmark = pytest.mark.benchmark
QUERIES = 10_000


def test_seconds_to_release_10000_queries_in_one_batch(tmp_path: Path, record: Callable[..., None]) -> None:
    counts = np.random.default_rng(0).multinomial(250, [0.6] + [0.4 / 9] * 9, size=QUERIES).astype(np.int64)
    ledger = PrivacyLedger(tmp_path / "ledger")
    ledger.register(Account(name="ward", epsilon=1e6, delta=1e-5, accountant="gaussian", unit="patient"))
    mechanism = ConfidentGNMax(threshold=100, sigma_threshold=150.0, sigma=40.0, max_answered=QUERIES)
    noise = ExactNoise()
    started = time.perf_counter()
    noise.gaussian(40.0, QUERIES * 10)
    noise.gaussian(150.0, QUERIES)
    drawing = time.perf_counter() - started
    started = time.perf_counter()
    answers = release(
        ledger, account="ward", task="t", mechanism=mechanism, votes=VoteHistogram(counts_QC=counts, teachers=250),
        query_keys=[str(i).encode() for i in range(QUERIES)], noise=noise, moved_votes=1, batch_size=QUERIES,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    ledger.verify()
    checking = time.perf_counter() - started
    ledger.close()
    assert answers.value.asked == QUERIES
    record("release of 10,000 queries of 10 classes in one batch", seconds, "s", reference=drawing)
    record("verification of a ledger with 10,000 answers", checking, "s")


def test_charges_a_second(tmp_path: Path, record: Callable[..., None]) -> None:
    from pate.accounting import GNMaxEvent

    ledger = PrivacyLedger(tmp_path / "ledger")
    ledger.register(Account(name="ward", epsilon=1e6, delta=1e-5, accountant="gaussian", unit="patient"))
    started = time.perf_counter()
    for i in range(100):
        query = ledger.key.queries([str(i).encode()])
        ledger.reserve("ward", campaign=str(i), task="t", event=GNMaxEvent(sigma=40.0), queries=query, max_answered=1)
    seconds = time.perf_counter() - started
    ledger.close()
    record("charges of one query each, written through to the disk", 100 / seconds, "1/s")

"""Invariants of the door, each shown to catch the mutant that it is there for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from pate.accounting import PrivacyEvent
from pate.accounting import events as vocabulary
from pate.aggregation import REFUSED, ConfidentGNMax, ExactNoise, GNMax, NoiseSource, NoisyMax
from pate.aggregation.release import release
from pate.arrays import IntArray
from pate.errors import InputError, PrivacyViolation
from pate.ledger import Account, PrivacyLedger
from pate.votes import VoteHistogram

CONFIDENT = ConfidentGNMax(threshold=40, sigma_threshold=2.0, sigma=2.0, max_answered=3)
COUNTS = np.full((12, 3), 10, dtype=np.int64)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[PrivacyLedger]:
    with PrivacyLedger(tmp_path / "ledger") as opened:
        opened.register(Account(name="ward", epsilon=1e9, delta=1e-5, accountant="gaussian", unit="patient"))
        yield opened


def ask(ledger: PrivacyLedger, mechanism: NoisyMax, keys: list[bytes], counts: IntArray = COUNTS) -> list[int]:
    answers = release(
        ledger, account="ward", task="t", mechanism=mechanism, noise=ExactNoise(), moved_votes=1, query_keys=keys,
        votes=VoteHistogram(counts_QC=counts[: len(keys)], teachers=30),
    )  # fmt: skip
    return answers.value.labels_Q.tolist()


KEYS = [bytes([i]) for i in range(12)]


class Mutant:
    """Confident-GNMax with one method replaced."""

    def __init__(
        self,
        event: Callable[[int], PrivacyEvent] | None = None,
        answer: Callable[[IntArray, NoiseSource], IntArray] | None = None,
    ) -> None:
        self._event, self._answer = event, answer

    def max_answers(self, queries: int) -> int:
        return CONFIDENT.max_answers(queries)

    def worst_case_event(self, *, queries: int, moved_votes: int) -> PrivacyEvent:
        if self._event:
            return self._event(queries)
        return CONFIDENT.worst_case_event(queries=queries, moved_votes=moved_votes)

    def answer(self, counts_QC: IntArray, noise: NoiseSource, *, answers_left: int) -> IntArray:
        if self._answer:
            return self._answer(counts_QC, noise)
        return CONFIDENT.answer(counts_QC, noise, answers_left=answers_left)


def test_refusals_not_charged_are_caught(ledger: PrivacyLedger) -> None:
    def answers_only(queries: int) -> PrivacyEvent:
        return replace(CONFIDENT.worst_case_event(queries=queries, moved_votes=1), max_asked=3)

    def argmaxes_only(queries: int) -> PrivacyEvent:
        return vocabulary.RepeatedEvent(event=vocabulary.GNMaxEvent(sigma=2.0), count=3)

    for event in (answers_only, argmaxes_only):
        with pytest.raises(InputError, match="every refusal"):
            ask(ledger, Mutant(event=event), KEYS)
    assert ledger.spent("ward").epsilon == 0
    assert ask(ledger, CONFIDENT, KEYS) == [REFUSED] * 12
    assert ledger.spent("ward").epsilon > 0


def one_label_and_one_charge(ledger: PrivacyLedger, once: Callable[[], list[int]]) -> bool:
    """The invariant of repeated queries, over 30 repeats of a query that only noise decides."""
    labels, charges = set(), set()
    for _ in range(30):
        labels.add(tuple(once()))
        charges.add(ledger.spent("ward").epsilon)
    return len(labels) == len(charges) == 1


def test_a_repeated_query_re_noised_is_caught(ledger: PrivacyLedger) -> None:
    fresh = count()
    assert one_label_and_one_charge(ledger, lambda: ask(ledger, GNMax(sigma=9.0), [b"same"]))
    assert not one_label_and_one_charge(
        ledger, lambda: ask(ledger, GNMax(sigma=9.0), [b"same" + str(next(fresh)).encode()])
    )


def noisy_histogram(counts_QC: IntArray, noise: NoiseSource) -> IntArray:
    return counts_QC + noise.gaussian(2.0, counts_QC.size).reshape(counts_QC.shape)


def noisy_top_count(counts_QC: IntArray, noise: NoiseSource) -> IntArray:
    return noisy_histogram(counts_QC, noise).max(axis=1)


@pytest.mark.parametrize("answer", [noisy_histogram, noisy_top_count])
def test_the_histogram_released_instead_of_the_argmax_is_caught(ledger: PrivacyLedger, answer) -> None:
    with pytest.raises(PrivacyViolation):
        ask(ledger, Mutant(answer=answer), KEYS)
    assert ledger.stored_answers("ward", "t", ledger.key.queries(KEYS)) == [None] * 12


class Counting:
    """Exact noise that counts its draws and keeps where each went."""

    secure = False

    def __init__(self) -> None:
        self.draws: list[int] = []

    def gaussian(self, sigma: float, size: int) -> IntArray:
        self.draws.append(size)
        return ExactNoise().gaussian(sigma, size)

    def laplace(self, scale: float, size: int) -> IntArray:
        raise NotImplementedError


def fresh_noise_for_test_and_argmax(answer: Callable[[IntArray, NoiseSource], IntArray]) -> bool:
    """The invariant of Confident-GNMax: a draw for each test and one for each class of each query."""
    noise = Counting()
    answer(COUNTS, noise)
    return sum(noise.draws) == len(COUNTS) + COUNTS.size


def test_threshold_noise_shared_with_the_argmax_is_caught() -> None:
    def shared(counts_QC: IntArray, noise: NoiseSource) -> IntArray:
        noisy = counts_QC + noise.gaussian(2.0, counts_QC.size).reshape(counts_QC.shape)
        return np.where(noisy.max(axis=1) >= CONFIDENT.threshold, noisy.argmax(axis=1), REFUSED)

    assert fresh_noise_for_test_and_argmax(lambda counts, noise: CONFIDENT.answer(counts, noise, answers_left=99))
    assert not fresh_noise_for_test_and_argmax(shared)

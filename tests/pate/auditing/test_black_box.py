"""A healthy aggregator stays below the claim and shows most of what its law says; broken ones are caught.

Every bound holds with probability 1 - 1e-6, so a healthy aggregator fails here about once in a million runs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pate.aggregation import REFUSED, ConfidentGNMax, ExactNoise, GNMax, LNMax, NoisyMax
from pate.aggregation.mechanisms import noisy_argmax
from pate.arrays import IntArray
from pate.auditing import CONFIDENCE, DELTA, Finding, Neighbours, audit, opposite_moves, pairs_for
from pate.errors import InputError

SAMPLES = 20_000
MANY = 10**9
GNMAX = GNMax(sigma=2.0)
CONFIDENT = ConfidentGNMax(threshold=40, sigma_threshold=2.0, sigma=2.0, max_answered=MANY)
NOISE = ExactNoise()


def found(mechanism: NoisyMax, pair: Neighbours, subject: Callable[[IntArray], IntArray] | None = None) -> Finding:
    finding = audit(mechanism, pair, samples=SAMPLES, subject=subject)
    print(
        f"{finding.mechanism}, {finding.pair}: lower {finding.lower:.3f}, exact {finding.exact:.3f}, claim "
        f"{finding.claim:.3f} at delta {DELTA:g}, {SAMPLES} campaigns each, confidence {CONFIDENCE}"
    )
    return finding


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mechanism", "pair"),
    [(m, p) for m in (GNMAX, LNMax(scale=1.5), CONFIDENT) for p in pairs_for(m)],
    ids=lambda value: value.name if isinstance(value, Neighbours) else type(value).__name__,
)
def test_a_healthy_aggregator_behind_the_door_is_below_the_claim_and_close_to_its_law(mechanism, pair) -> None:
    finding = found(mechanism, pair)
    assert finding.lower <= finding.exact <= finding.claim
    assert finding.lower > 0.7 * finding.exact
    assert not finding.broken


def test_half_the_noise_is_caught() -> None:
    def mutant(counts_QC: IntArray) -> IntArray:
        return GNMax(sigma=GNMAX.sigma / 2).answer(counts_QC, NOISE, answers_left=MANY)

    assert found(GNMAX, opposite_moves("argmax", top=50), mutant).broken


def test_a_threshold_test_without_noise_is_caught() -> None:
    def mutant(counts_QC: IntArray) -> IntArray:
        labels = noisy_argmax(counts_QC, NOISE.gaussian(CONFIDENT.sigma, counts_QC.size))
        return np.where(counts_QC.max(axis=1) >= CONFIDENT.threshold, labels, REFUSED)

    (pair,) = (pair for pair in pairs_for(CONFIDENT) if pair.name == "threshold")
    assert found(CONFIDENT, pair, mutant).broken


def test_one_seed_shared_by_two_queries_is_caught() -> None:
    def mutant(counts_QC: IntArray) -> IntArray:
        noise = NOISE.gaussian(GNMAX.sigma, counts_QC.size // 2).reshape(-1, 1, counts_QC.shape[1])
        return noisy_argmax(counts_QC, np.repeat(noise, 2, axis=1))

    assert found(GNMAX, opposite_moves("argmax", top=50), mutant).broken


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(InputError):
        audit(GNMAX, opposite_moves("argmax", top=50), samples=3)

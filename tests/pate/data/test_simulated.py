"""A synthetic consortium has the counts that were asked for, and the same specification makes the same records."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pate.data.simulated import MEASUREMENTS, ConsortiumSpec, SimulatedRecords, simulate_consortium
from pate.errors import InputError


def same(one: SimulatedRecords, two: SimulatedRecords) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(two, field.name)) for field in fields(one))


def homes(found: SimulatedRecords) -> np.ndarray:
    """Rows (patient, hospital), each once."""
    return np.unique(np.stack([found.patients_N, found.sites_N], axis=1), axis=0)


@settings(max_examples=25, deadline=None)
@given(
    sites=st.integers(2, 30),
    each=st.integers(2, 40),
    skew=st.floats(0, 1),
    one_class=st.integers(0, 30),
    overlap=st.integers(0, 10),
    drop_outs=st.floats(0, 0.4),
    seed=st.integers(0, 99),
)
def test_promised_counts_hold(sites, each, skew, one_class, overlap, drop_outs, seed) -> None:
    one_class = min(one_class, sites - 2)
    patients = sites * each
    overlap = min(overlap, patients // 2, 2 * (sites - one_class))
    spec = ConsortiumSpec(
        sites=sites, patients=patients, skew=skew, one_class=one_class, overlap=overlap, drop_outs=drop_outs,
        pool=17, evaluation=9, seed=seed,
    )  # fmt: skip
    found = simulate_consortium(spec)
    private = found.private
    assert len(np.unique(private.patients_N)) == patients
    assert set(private.sites_N) == set(range(sites))
    pairs = homes(private)
    assert len(pairs) == patients + overlap
    assert np.bincount(np.bincount(pairs[:, 0]), minlength=3).tolist() == [0, patients - overlap, overlap]
    single = [len(np.unique(private.labels_N[private.sites_N == site])) == 1 for site in range(sites)]
    assert sum(single) == one_class
    assert len(found.dropped) == round(drop_outs * sites)
    assert (len(found.pool.labels_N), len(found.evaluation.labels_N)) == (17, 9)
    assert set(found.evaluation.labels_N) == {0, 1}


def test_every_patient_has_one_class_and_one_sex_everywhere() -> None:
    private = simulate_consortium(ConsortiumSpec(sites=5, patients=60, overlap=20)).private
    for patient in range(60):
        rows = private.patients_N == patient
        assert len(set(private.labels_N[rows])) == len(set(private.female_N[rows])) == 1


def test_public_patients_are_nobody_of_the_hospitals() -> None:
    found = simulate_consortium(ConsortiumSpec(sites=4, patients=40))
    sets = [set(part.patients_N) for part in (found.private, found.pool, found.evaluation)]
    assert len(set.union(*sets)) == sum(map(len, sets))
    assert set(found.pool.sites_N) == set(found.evaluation.sites_N) == {-1}


def test_the_seed_fixes_every_value() -> None:
    one, again, other = (simulate_consortium(ConsortiumSpec(sites=4, patients=40, seed=seed)) for seed in (3, 3, 4))
    for name in ("private", "pool", "evaluation"):
        assert same(getattr(one, name), getattr(again, name))
        assert not same(getattr(one, name), getattr(other, name))


def test_skew_makes_hospitals_unequal_in_size_and_mix() -> None:
    def look(skew: float) -> tuple[float, float]:
        private = simulate_consortium(ConsortiumSpec(sites=20, patients=4000, skew=skew)).private
        sizes = np.bincount(private.sites_N)
        ill = np.array([private.labels_N[private.sites_N == site].mean() for site in range(20)])
        return sizes.max() / sizes.min(), ill.std()

    (alike, spread), (unequal, wide) = look(0), look(1)
    assert alike < 1.5
    assert unequal > 10
    assert wide > 3 * spread


def test_classes_can_be_learned_but_not_read_off() -> None:
    found = simulate_consortium(ConsortiumSpec())
    scale = found.pool.values_NF.std(0)
    means = [found.private.values_NF[found.private.labels_N == label].mean(0) / scale for label in (0, 1)]
    distances = [((found.evaluation.values_NF / scale - mean) ** 2).sum(1) for mean in means]
    right = (np.argmin(distances, axis=0) == found.evaluation.labels_N).mean()
    assert 0.75 < right < 0.97
    assert found.private.values_NF.shape[1] == len(MEASUREMENTS)


@pytest.mark.parametrize(
    "fields",
    [
        {"sites": 0},
        {"sites": 20, "patients": 39},
        {"skew": 1.1},
        {"skew": float("nan")},
        {"drop_outs": -0.1},
        {"drop_outs": 1.0},
        {"one_class": 21},
        {"overlap": 1001},
        {"overlap": 1, "one_class": 19},
        {"pool": 0},
        {"evaluation": 1},
    ],
)
def test_what_cannot_be_simulated_is_refused(fields) -> None:
    with pytest.raises(InputError):
        ConsortiumSpec(**fields)

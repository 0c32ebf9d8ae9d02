"""A synthetic consortium: hospitals of unequal size and mix, for a rehearsal without data.

Patients are ill or healthy; each measurement is Gaussian around a mean of the class, with a deviation between patients
and one between visits, and each hospital's instruments have a constant offset. No value describes a real person or
hospital.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from pate.arrays import IntArray
from pate.errors import expected
from pate.randomness import generator

CLASSES = ("healthy", "ill")
MEASUREMENTS = ("age", "systolic", "heart_rate", "temperature", "creatinine", "lactate", "crp")
DECIMALS = (0, 0, 0, 1, 2, 1, 0)
_MEANS = np.array([[58, 126, 80, 36.8, 1.0, 1.5, 22], [64, 117, 91, 37.2, 1.3, 2.2, 48]])
_BETWEEN_PATIENTS = np.array([12, 14, 11, 0.45, 0.3, 0.6, 22])
_BETWEEN_VISITS = np.array([0, 5, 4, 0.2, 0.1, 0.2, 6])
_LOWEST = np.array([18, 60, 35, 34.0, 0.2, 0.2, 0])
_PART_ILL = 0.4
_SMALLEST = 2  # patients of a hospital
_OTHER_HOSPITALS = 5  # where public patients come from
_MOST_VISITS = 3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConsortiumSpec:
    """The size and mix of a simulated consortium.

    Attributes:
        sites: hospitals, each with at least two patients.
        patients: different private patients; each has one to three records at a hospital.
        skew: 0 for hospitals alike; towards 1 sizes fall with rank r as ``r^(-3/2)``, classes and instruments differ.
        one_class: hospitals, the smallest, whose patients are all ill or all healthy.
        overlap: patients who also have records at a second hospital.
        drop_outs: fraction of the hospitals that are to fail in the rehearsal.
        pool: public inputs, one record of each of other patients at other hospitals.
        evaluation: labelled public records, of yet other patients.
        seed: of all random draws.
    """

    sites: int = 20
    patients: int = 2000
    skew: float = 0.5
    one_class: int = 0
    overlap: int = 0
    drop_outs: float = 0.0
    pool: int = 500
    evaluation: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sites < 1 or self.patients < _SMALLEST * self.sites:
            raise expected(
                f"{_SMALLEST} or more patients for each of one or more sites",
                "simulate more patients or fewer sites",
                sites=self.sites,
                patients=self.patients,
            )
        for name in ("skew", "drop_outs"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise expected(f"0 <= {name} <= 1", "give a fraction", **{name: value})
        if self.lost >= self.sites:
            raise expected("a hospital that stays", "lower drop_outs", drop_outs=self.drop_outs, sites=self.sites)
        if not 0 <= self.one_class <= self.sites:
            raise expected("0 <= one_class <= sites", "lower it", one_class=self.one_class, sites=self.sites)
        if not 0 <= self.overlap <= self.patients // 2 or (self.overlap and self.sites - self.one_class < 2):
            raise expected(
                "overlap of at most half of the patients, and two hospitals with both classes",
                "lower overlap or one_class",
                overlap=self.overlap,
                one_class=self.one_class,
            )
        if self.pool < 1 or self.evaluation < 2:
            raise expected("pool >= 1 and evaluation >= 2", "raise them", pool=self.pool, evaluation=self.evaluation)

    @property
    def lost(self) -> int:
        """Hospitals that are to fail."""
        return round(self.drop_outs * self.sites)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRecords:
    """Records of synthetic patients, in no particular order of class.

    Attributes:
        values_NF: ``MEASUREMENTS``, rounded to ``DECIMALS``.
        female_N: ``True`` for a woman.
        labels_N: index into ``CLASSES``.
        patients_N: number of the patient, unique over the three sets of a consortium.
        sites_N: number of the hospital from 0, in the private set; -1 in the others.
    """

    values_NF: npt.NDArray[np.float64]
    female_N: npt.NDArray[np.bool_]
    labels_N: IntArray
    patients_N: IntArray
    sites_N: IntArray


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Consortium:
    """A synthetic consortium: the hospitals' records, the public sets, and the hospitals that are to fail."""

    private: SimulatedRecords
    pool: SimulatedRecords
    evaluation: SimulatedRecords
    dropped: tuple[int, ...]


def simulate_consortium(spec: ConsortiumSpec) -> Consortium:
    """Make the consortium; the same specification gives the same records."""
    rng = generator(spec.seed, "consortium")
    home_P = np.repeat(np.arange(spec.sites), _sizes(spec))
    ill_P = _classes(spec, home_P, rng)
    patients, sites = np.arange(spec.patients), home_P
    if spec.overlap:
        mixed = np.arange(spec.sites - spec.one_class)
        guests = rng.choice(np.flatnonzero(home_P < len(mixed)), size=spec.overlap, replace=False)
        second = (home_P[guests] + rng.integers(1, len(mixed), spec.overlap)) % len(mixed)
        patients, sites = np.concatenate([patients, guests]), np.concatenate([sites, second])
    offsets_SF = spec.skew / 2 * _BETWEEN_PATIENTS * rng.normal(size=(spec.sites, len(MEASUREMENTS)))
    visits = rng.integers(1, _MOST_VISITS + 1, len(patients))
    order = rng.permutation(np.repeat(np.arange(len(patients)), visits))
    private = _records(patients[order], ill_P, sites[order], offsets_SF, rng)
    public = []
    first = spec.patients
    for name, count in (("pool", spec.pool), ("evaluation", spec.evaluation)):
        own = generator(spec.seed, "consortium", name)
        ill = np.concatenate([np.zeros(first, np.int64), _shuffled_classes(count, own)])
        away = own.integers(_OTHER_HOSPITALS, size=count)
        other_SF = spec.skew / 2 * _BETWEEN_PATIENTS * own.normal(size=(_OTHER_HOSPITALS, len(MEASUREMENTS)))
        found = _records(np.arange(first, first + count), ill, away, other_SF, own)
        public.append(_without_sites(found))
        first += count
    dropped = generator(spec.seed, "consortium", "drop-outs").permutation(spec.sites)[: spec.lost]
    return Consortium(
        private=private, pool=public[0], evaluation=public[1], dropped=tuple(sorted(int(site) for site in dropped))
    )


def _sizes(spec: ConsortiumSpec) -> IntArray:
    """Patients of each hospital, largest first, summing to all."""
    shares = np.arange(1, spec.sites + 1) ** (-1.5 * spec.skew)
    wanted = shares / shares.sum() * (spec.patients - _SMALLEST * spec.sites)
    sizes: IntArray = np.floor(wanted).astype(np.int64)
    most_short = np.argsort(sizes - wanted, kind="stable")[: spec.patients - _SMALLEST * spec.sites - sizes.sum()]
    sizes[most_short] += 1
    sizes += _SMALLEST
    return sizes


def _classes(spec: ConsortiumSpec, home_P: IntArray, rng: np.random.Generator) -> IntArray:
    """Class of each patient: both at every hospital but the last ``one_class`` ones, which alternate."""
    ill_P = np.zeros(len(home_P), dtype=np.int64)
    for site in range(spec.sites):
        rows = np.flatnonzero(home_P == site)
        logit = np.log(_PART_ILL / (1 - _PART_ILL)) + 2 * spec.skew * rng.normal()
        ill = int(np.clip(round(len(rows) / (1 + np.exp(-logit))), 1, len(rows) - 1))
        if site >= spec.sites - spec.one_class:
            ill = len(rows) * (site % 2)
        ill_P[rng.permutation(rows)[:ill]] = 1
    return ill_P


def _shuffled_classes(count: int, rng: np.random.Generator) -> IntArray:
    """Both classes, in a fixed proportion."""
    ill = np.zeros(count, dtype=np.int64)
    ill[: max(1, round(_PART_ILL * count))] = 1
    rng.shuffle(ill)
    return ill


def _records(
    patients_N: IntArray,
    ill_P: IntArray,
    sites_N: IntArray,
    offsets_SF: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> SimulatedRecords:
    persons, person_N = np.unique(patients_N, return_inverse=True)
    own_means = _MEANS[ill_P[persons]] + _BETWEEN_PATIENTS * rng.normal(size=(len(persons), len(MEASUREMENTS)))
    female = rng.random(len(persons)) < 0.5
    values = (
        own_means[person_N] + offsets_SF[sites_N] + _BETWEEN_VISITS * rng.normal(size=(len(person_N), len(_LOWEST)))
    )
    values = np.maximum(values, _LOWEST)
    rounded = np.stack([values[:, column].round(digits) for column, digits in enumerate(DECIMALS)], axis=1)
    return SimulatedRecords(
        values_NF=rounded,
        female_N=female[person_N],
        labels_N=ill_P[patients_N],
        patients_N=patients_N,
        sites_N=sites_N,
    )


def _without_sites(found: SimulatedRecords) -> SimulatedRecords:
    return SimulatedRecords(
        values_NF=found.values_NF,
        female_N=found.female_N,
        labels_N=found.labels_N,
        patients_N=found.patients_N,
        sites_N=np.full_like(found.sites_N, -1),
    )

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pate.accounting.data_independent.dominating import (
    Family,
    argmax_family,
    bands,
    losses,
    randomised_response_family,
    tents,
    threshold_family,
)
from pate.accounting.data_independent.recursion import adaptive_curve


def laws_by_sampling_every_value(counts_HC: np.ndarray, sigma: float) -> np.ndarray:
    """P[argmax = j], ties to the lowest index, by a sum over the winner's noisy count."""
    far = math.ceil(11 * sigma) + int(counts_HC.max()) + 1
    z = np.arange(-2 * far, 2 * far + 1)
    pmf = np.exp(-((z / sigma) ** 2) / 2)
    pmf /= pmf.sum()
    cdf = np.cumsum(pmf)
    index = np.arange(-far, far + 1) - counts_HC[:, :, None] + 2 * far
    total = []
    for j in range(counts_HC.shape[1]):
        product = pmf[index[:, j]]
        for k in range(counts_HC.shape[1]):
            if k != j:
                product = product * cdf[index[:, k] - (k < j)]
        total.append(product.sum(axis=1))
    return np.stack(total, axis=1)


@pytest.mark.parametrize(("sigma", "classes"), [(1.0, 3), (3.0, 3), (3.0, 4), (15.0, 3), (8.0, 2)])
def test_no_histogram_has_a_higher_hockey_stick(sigma: float, classes: int) -> None:
    top = 12 if classes < 4 else 7
    rows = [row for row in itertools.product(range(top + 1), repeat=classes) if sum(row) <= top]
    counts_HC = np.array(rows) * (1 if sigma < 10 else 3)
    p_HC = laws_by_sampling_every_value(counts_HC, sigma)
    curve = adaptive_curve(argmax_family(sigma), 1, 13.0 / sigma + 1 / sigma**2)
    unit = np.vstack([np.eye(classes, dtype=int), np.zeros((1, classes), dtype=int)])
    for a, b in itertools.permutations(range(classes + 1), 2):
        moved = counts_HC + unit[b] - unit[a]
        legal = (moved >= 0).all(axis=1)
        q_HC = laws_by_sampling_every_value(moved[legal], sigma)
        for epsilon in (0.0, 0.1 / sigma, 0.5 / sigma, 1.0 / sigma, 2.0 / sigma):
            worst = np.maximum(p_HC[legal] - math.exp(epsilon) * q_HC, 0).sum(axis=1).max()
            assert worst <= curve.delta(epsilon) + 1e-15


@pytest.mark.parametrize("sigma", [2.0, 12.0, 40.0])
def test_one_release_costs_no_more_than_a_gaussian(sigma: float) -> None:
    """Largest hockey-stick of one release: that of shifting a Gaussian by sqrt(2), up to the grid and groups."""
    from scipy.stats import norm

    curve = adaptive_curve(argmax_family(sigma), 1, 13.0 / sigma + 1 / sigma**2)
    shift = math.sqrt(2) / sigma
    for epsilon in (0.0, 0.5 / sigma, 1.0 / sigma):
        gauss = norm.cdf(shift / 2 - epsilon / shift) - math.exp(epsilon) * norm.cdf(-shift / 2 - epsilon / shift)
        assert gauss * (0.999 - 0.2 / sigma) <= curve.delta(epsilon) <= gauss * (1.04 + 0.3 / sigma)


@pytest.mark.parametrize(("sigma", "moved"), [(2.0, 1), (30.0, 1), (30.0, 4), (120.0, 1)])
def test_threshold_family_covers_every_test(sigma: float, moved: int) -> None:
    z = np.arange(-math.ceil(14 * sigma), math.ceil(14 * sigma) + 1)
    pmf = np.exp(-((z / sigma) ** 2) / 2)
    pmf /= pmf.sum()
    reached, missed = np.cumsum(pmf[::-1])[::-1], np.cumsum(pmf)
    curve = adaptive_curve(threshold_family(sigma, moved), 1, 12 * moved / sigma + (moved / sigma) ** 2)
    mid, u = len(z) // 2, np.arange(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1)
    for shift in range(-moved, moved + 1):
        p = np.stack([reached[mid - u], missed[mid - 1 - u]])
        q = np.stack([reached[mid - u + shift], missed[mid - 1 - u + shift]])
        for epsilon in (0.0, 0.3 * moved / sigma, moved / sigma):
            worst = np.maximum(p - math.exp(epsilon) * q, 0).sum(axis=0).max()
            assert worst <= curve.delta(epsilon) + 1e-15
            if shift == moved:
                assert curve.delta(epsilon) <= worst * 1.05 + 1e-9


def test_masses_of_every_pair_sum_to_one() -> None:
    for family in (argmax_family(6.0), threshold_family(40.0, 1), randomised_response_family(0.3)):
        for band in family.forward:
            np.testing.assert_allclose(band.mass_MJ.sum(axis=1) + band.escaped_M, 1, atol=1e-12)
            assert (band.mass_MJ >= 0).all()
            under_q = (band.mass_MJ * np.exp(-family.step * band.losses_J)).sum(axis=1)
            assert (under_q <= 1 + 1e-12).all()


def test_tents_and_losses_are_inverse_on_the_grid() -> None:
    step = 0.05
    mass = np.array([[0.1, 0.0, 0.3, 0.25, 0.0, 0.35, 0.0]])
    loss = step * np.arange(-3, 4)
    q = mass * np.exp(-loss)
    rest = 1 - q.sum()
    p_NO, q_NO = np.append(mass[0], 0.0)[None], np.append(q[0], rest)[None]
    assert rest > 0
    got, escaped = losses(*tents(p_NO, q_NO, step, 4), step)
    np.testing.assert_allclose(got[0, 1:-1], mass[0], atol=1e-14)
    assert escaped[0] == 0


def test_bands_hold_every_pair_once() -> None:
    rng = np.random.default_rng(0)
    mass = np.zeros((9, 101))
    for row, width in enumerate((0, 3, 10, 20, 30, 45, 50)):
        mass[row, 50 - width : 51 + width] = rng.dirichlet(np.ones(2 * width + 1))
    mass[7, 10:52] = rng.dirichlet(np.ones(42))
    mass[8, 5:100:5] = rng.dirichlet(np.ones(19))
    found = bands(mass, np.zeros(9))
    dense = np.zeros((0, 101))
    for band in found:
        rows = np.zeros((len(band.mass_MJ), 101))
        rows[:, band.losses_J + 50] = band.mass_MJ
        dense = np.concatenate([dense, rows])
        assert (np.diff(band.losses_J) > 0).all()
    np.testing.assert_array_equal(dense[np.lexsort(dense.T)], mass[np.lexsort(mass.T)])
    assert isinstance(Family(step=0.1, forward=found, backward=found), Family)

"""The noise that is drawn follows the law that is accounted.

Each test rejects a right sampler with probability below 1e-6 (chi-square quantile 1 - 1e-6), and its twin shows
that a scale off by 2/3 or 3/2 is rejected.
"""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
from scipy import stats

from pate.aggregation import ExactNoise, InsecureSeededNoise
from pate.errors import InputError

DRAWS = 40_000
FALSE_FAILURE = 1e-6


def discrete_gaussian(sigma: float, x: np.ndarray) -> np.ndarray:
    support = np.arange(-60 * int(sigma + 1), 60 * int(sigma + 1) + 1)
    return np.exp(-(x**2) / (2 * sigma**2)) / np.exp(-(support**2) / (2 * sigma**2)).sum()


def discrete_laplace(scale: float, x: np.ndarray) -> np.ndarray:
    return np.tanh(1 / (2 * scale)) * np.exp(-np.abs(x) / scale)


def fits(draws: np.ndarray, law, scale: float) -> bool:
    """Chi-square test of the draws against a law, cells merged so that each expects at least 20."""
    low, high = int(np.quantile(draws, 0.002)), int(np.quantile(draws, 0.998))
    x = np.arange(low, high + 1)
    inside = draws[(draws >= low) & (draws <= high)] - low
    observed = np.array([(draws < low).sum(), *np.bincount(inside, minlength=len(x)), (draws > high).sum()])
    inner = law(scale, x)
    wide = np.arange(-80 * int(scale + 1), 80 * int(scale + 1) + 1)
    below, above = law(scale, wide[wide < low]).sum(), law(scale, wide[wide > high]).sum()
    expected = np.array([below, *inner, above]) * len(draws)
    groups = np.cumsum(expected) // 20
    edges = np.flatnonzero(np.diff(groups, prepend=-1))
    o, e = np.add.reduceat(observed, edges), np.add.reduceat(expected, edges)
    statistic = ((o - e) ** 2 / np.maximum(e, 1e-12)).sum()
    return bool(statistic < stats.chi2.ppf(1 - FALSE_FAILURE, len(e) - 1))


@pytest.mark.parametrize("source", [ExactNoise(), InsecureSeededNoise(11)], ids=["exact", "seeded"])
@pytest.mark.parametrize("scale", [0.8, 3.0, 40.0])
@pytest.mark.parametrize(("draw", "law"), [("gaussian", discrete_gaussian), ("laplace", discrete_laplace)])
def test_draws_follow_their_law_and_not_one_of_another_scale(source, scale: float, draw: str, law) -> None:
    draws = getattr(source, draw)(scale, DRAWS)
    assert draws.dtype == np.int64
    assert fits(draws, law, scale)
    assert not fits(draws, law, scale * 2 / 3)
    assert not fits(draws, law, scale * 3 / 2)


def _draw(_: int) -> list[int]:
    return ExactNoise().gaussian(1000.0, 20).tolist()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_processes_never_share_noise(method: str) -> None:
    """Twenty draws at sigma 1000 coincide by chance with probability below 1e-60."""
    ExactNoise().gaussian(1.0, 1)
    with multiprocessing.get_context(method).Pool(2, maxtasksperchild=2) as pool:
        drawn = pool.map(_draw, range(4), chunksize=1)
    assert len({tuple(row) for row in drawn}) == 4


@pytest.mark.parametrize("draw", ["gaussian", "laplace"])
def test_very_wide_noise_is_not_cut_off(draw: str) -> None:
    """Cut to 32 bits, noise of scale 10^12 is one of two numbers, and the argmax is that of the counts.

    200 draws collide with probability below 200^2 / 10^11 = 4e-7.
    """
    drawn = getattr(ExactNoise(), draw)(1e12, 200)
    assert len(set(drawn.tolist())) == 200
    assert np.abs(drawn).max() > 2**31


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), 2.0**51])
def test_a_scale_that_is_none_is_refused(bad: float) -> None:
    for source in (ExactNoise(), InsecureSeededNoise(0)):
        for draw in (source.gaussian, source.laplace):
            with pytest.raises(InputError):
                draw(bad, 3)

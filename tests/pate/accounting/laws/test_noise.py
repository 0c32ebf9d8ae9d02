"""Tables of one count's noise against exact sums."""

import mpmath as mp
import numpy as np
import pytest
from scipy.stats import norm

from pate.accounting.laws.noise import NoiseLaw, log1mexp


@pytest.mark.parametrize("family", ["discrete-gaussian", "discrete-laplace"])
@pytest.mark.parametrize("scale", [0.4, 1.0, 7.3])
def test_discrete_tables_match_exact_sums(family: str, scale: float) -> None:
    log_pmf, log_cdf = NoiseLaw(family=family, scale=scale).tables(-25, 25, np.zeros(1))  # type: ignore[arg-type]
    with mp.workdps(40):
        squared = family == "discrete-gaussian"
        reach = int((30 if squared else 100) * scale) + 60

        def mass(z: int) -> mp.mpf:
            return mp.exp(-((mp.mpf(z) / scale) ** 2) / 2) if squared else mp.exp(-abs(z) / mp.mpf(scale))

        total = mp.fsum(mass(z) for z in range(-reach, reach + 1))
        for i, y in enumerate(range(-25, 26)):
            assert log_pmf[i, 0] == pytest.approx(float(mp.log(mass(y) / total)), rel=1e-13, abs=1e-14)
            below = mp.fsum(mass(z) for z in range(-reach, y + 1)) / total
            assert log_cdf[i, 0] == pytest.approx(float(mp.log(below)), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("family", ["discrete-gaussian", "discrete-laplace", "gaussian", "laplace"])
def test_distribution_functions_are_symmetric(family: str) -> None:
    log_cdf = NoiseLaw(family=family, scale=3.0).tables(-40, 40, np.zeros(1))[1][:, 0]  # type: ignore[arg-type]
    below = np.exp(log_cdf[:-1] if family.startswith("discrete") else log_cdf)
    np.testing.assert_allclose(below + below[::-1], 1.0, rtol=1e-13)


def test_tails_of_a_threshold_test_sum_to_one_and_round_up_to_the_next_integer() -> None:
    noise, steps = NoiseLaw(family="discrete-gaussian", scale=15.0), np.array([-60.0, -0.3, 0.0, 3.2, 70.0])
    reached, missed = noise.log_tails(steps)
    np.testing.assert_allclose(np.exp(reached) + np.exp(missed), 1.0, rtol=1e-13)
    np.testing.assert_array_equal(noise.log_tails(np.ceil(steps))[0], reached)
    mass = np.exp(-((np.arange(-900, 901) / 15.0) ** 2) / 2)
    expected = [mass[np.arange(-900, 901) >= step].sum() / mass.sum() for step in steps]
    np.testing.assert_allclose(np.exp(reached), expected, rtol=1e-12)


def test_continuous_tails_are_the_normal_ones() -> None:
    reached, missed = NoiseLaw(family="gaussian", scale=150.0).log_tails(np.array([-2000.0, 40.0, 3000.0]))
    np.testing.assert_allclose(reached, norm.logsf([-2000.0, 40.0, 3000.0], scale=150.0), rtol=1e-12)
    np.testing.assert_allclose(missed, norm.logcdf([-2000.0, 40.0, 3000.0], scale=150.0), rtol=1e-12)


@pytest.mark.parametrize("x", [-1e-300, -1e-17, -1e-8, -0.5, -1.0, -3.0, -40.0, -700.0])
def test_log1mexp_is_accurate_at_both_ends(x: float) -> None:
    with mp.workdps(400):
        expected = float(mp.log(1 - mp.exp(mp.mpf(x))))
    assert float(log1mexp(np.array(x))) == pytest.approx(expected, rel=1e-14)


def test_log1mexp_of_a_certain_event_is_minus_infinity() -> None:
    assert log1mexp(np.zeros(1))[0] == -np.inf

"""Renyi divergences of finite laws against 60-digit arithmetic."""

import mpmath as mp
import numpy as np
import pytest

from pate.accounting.laws.divergence import both_directions, excess, log_moments

ORDERS = np.array([1.001, 1.5, 2.0, 7.0, 64.0, 2048.0])


def exact_moments(p: list[mp.mpf], q: list[mp.mpf]) -> list[float]:
    def moment(a: float, x: list[mp.mpf], y: list[mp.mpf]) -> float:
        return float(mp.log(mp.fsum(u ** mp.mpf(a) * v ** (1 - mp.mpf(a)) for u, v in zip(x, y, strict=True))))

    return [moment(a, p, q) for a in ORDERS] + [moment(a, q, p) for a in ORDERS]


@pytest.mark.parametrize("seed", range(12))
def test_moments_keep_their_digits_down_to_1e_30(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rare = 10.0 ** rng.uniform(-30, -0.5)
    with mp.workdps(120):
        p = [mp.mpf(rare) * w for w in (0.6, 0.3, 0.1)]
        q = [x * mp.exp(mp.mpf(rng.normal() * 10.0 ** rng.uniform(-6, 0.3))) for x in p]
        p, q = [1 - mp.fsum(p), *p], [1 - mp.fsum(q), *q]
        if q[0] <= 0:
            p, q = q, p
        log_p = np.array([[float(mp.log(x)) for x in p]])
        ratio = np.array([[float(mp.log(y / x)) for x, y in zip(p, q, strict=True)]])
        expected = exact_moments(p, q)
    np.testing.assert_allclose(log_moments(log_p, ratio, both_directions(ORDERS))[0], expected, rtol=1e-9)


def test_moments_beyond_the_range_of_float64_are_taken_in_log_space() -> None:
    with mp.workdps(60):
        q = [mp.mpf("1e-60"), mp.mpf("0.5"), mp.mpf("0.5") - mp.mpf("1e-60")]
        p = [mp.mpf("0.01"), mp.mpf("0.49"), mp.mpf("0.5")]
        log_p = np.array([[float(mp.log(x)) for x in p]])
        ratio = np.array([[float(mp.log(y / x)) for x, y in zip(p, q, strict=True)]])
        expected = exact_moments(p, q)
    np.testing.assert_allclose(log_moments(log_p, ratio, both_directions(ORDERS))[0], expected, rtol=1e-9)
    assert expected[5] > 2e5


def test_equal_laws_cost_nothing() -> None:
    log_p = np.log(np.array([[0.2, 0.3, 0.5]]))
    np.testing.assert_array_equal(log_moments(log_p, np.zeros((1, 3)), both_directions(ORDERS)), 0.0)


def test_excess_leaves_out_outcomes_of_probability_zero() -> None:
    log_p, ratio = np.log(np.array([[0.2, 0.3, 0.5]])), np.array([[0.4, -0.2, 0.1]])
    powers = both_directions(ORDERS[:4])
    parts = [excess(log_p[:, [i]], ratio[:, [i]], powers) for i in range(3)]
    np.testing.assert_allclose(excess(log_p, ratio, powers), sum(parts), rtol=1e-11)
    log_p[0, 1] = -np.inf
    np.testing.assert_allclose(excess(log_p, ratio, powers), parts[0] + parts[2], rtol=1e-11)


def test_many_rows_equal_their_rows_one_by_one() -> None:
    rng = np.random.default_rng(3)
    log_p, ratio = np.log(rng.dirichlet(np.ones(7), 500)), rng.normal(size=(500, 7))
    together = log_moments(log_p, ratio, both_directions(ORDERS))
    alone = np.concatenate(
        [log_moments(log_p[i : i + 1], ratio[i : i + 1], both_directions(ORDERS)) for i in range(500)]
    )
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("spread", [1e-7, 1e-3, 0.3, 5.0, 40.0])
@pytest.mark.parametrize("rarest", [1.0, 1e-9, 1e-150])
def test_the_fast_sum_and_the_sum_of_positive_terms_agree(
    spread: float, rarest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(6)
    p = rng.dirichlet(np.ones(6), 300) * rarest ** rng.random((300, 6))
    p /= p.sum(axis=1, keepdims=True)
    q = p * np.exp(spread * rng.normal(size=p.shape))
    q /= q.sum(axis=1, keepdims=True)
    laws = np.log(p), np.log(q) - np.log(p)
    fast = log_moments(*laws, both_directions(ORDERS))
    monkeypatch.setattr("pate.accounting.laws.divergence._DIGITS", np.inf)
    np.testing.assert_allclose(fast, log_moments(*laws, both_directions(ORDERS)), rtol=1e-9, atol=1e-300)

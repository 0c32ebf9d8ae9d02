"""The data-independent RDP against the exact laws of small histograms, computed here from scratch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import logsumexp

from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.outcome_pairs import CoverPlan, no_rival_pairs, three_way_pairs, threshold_pairs
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    RepeatedEvent,
    ThresholdTestEvent,
)

ORDERS = np.array([1.25, 2.0, 5.0, 17.0])


def noise_pmf(sigma: float, far: int) -> np.ndarray:
    weight = np.exp(-((np.arange(-far, far + 1) / sigma) ** 2) / 2)
    return weight / weight.sum()


def naive_laws(counts_HC: np.ndarray, sigma: float) -> np.ndarray:
    """P[argmax = j] by summing over every value of the winner, ties to the lowest index."""
    far = math.ceil(12 * sigma) + int(counts_HC.max()) + 1
    pmf = noise_pmf(sigma, 2 * far)
    cdf = np.cumsum(pmf)
    x_X = np.arange(-far, far + 1)
    index_HCX = x_X - counts_HC[:, :, None] + 2 * far
    mass_HCX, at_HCX, below_HCX = pmf[index_HCX], cdf[index_HCX], cdf[index_HCX - 1]
    classes = counts_HC.shape[1]
    laws = []
    for j in range(classes):
        others = [below_HCX[:, k] if k < j else at_HCX[:, k] for k in range(classes) if k != j]
        laws.append((mass_HCX[:, j] * np.prod(others, axis=0)).sum(axis=1))
    return np.stack(laws, axis=1)


def renyi(p_NO: np.ndarray, q_NO: np.ndarray, order: float) -> np.ndarray:
    log_p, log_q = np.log(np.maximum(p_NO, 1e-290)), np.log(np.maximum(q_NO, 1e-290))
    return logsumexp(order * log_p + (1 - order) * log_q, axis=1) / (order - 1)


def histograms(classes: int, teachers: int) -> np.ndarray:
    rows = itertools.product(range(teachers + 1), repeat=classes)
    return np.array([row for row in rows if sum(row) <= teachers])


def moves(classes: int) -> list[np.ndarray]:
    """Every change of one vote, to or from an abstention included."""
    unit = np.vstack([np.eye(classes, dtype=int), np.zeros((1, classes), dtype=int)])
    return [unit[b] - unit[a] for a, b in itertools.permutations(range(classes + 1), 2)]


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.5, 5.0])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_no_histogram_costs_more(classes: int, sigma: float) -> None:
    counts_HC = histograms(classes, 12 if classes < 4 else 8)
    bound = worst_case_rdp(GNMaxEvent(sigma=sigma), ORDERS).rdp_A
    p_HC = naive_laws(counts_HC, sigma)
    for move in moves(classes):
        legal = (counts_HC + move >= 0).all(axis=1)
        q_HC = naive_laws(counts_HC[legal] + move, sigma)
        for order, limit in zip(ORDERS, bound, strict=True):
            assert renyi(p_HC[legal], q_HC, order).max() <= limit + 1e-9


@pytest.mark.parametrize("sigma", [4.0, 25.0])
def test_some_histogram_costs_nearly_as_much(sigma: float) -> None:
    """The rival's own noise keeps a histogram from reaching the bound; 2% is left for that and the rounding."""
    grid = np.arange(-3, 3.01, 0.25) * sigma
    rows = np.round([(u, v, 0.0) for u in grid for v in grid]).astype(int)
    counts_HC = rows - rows.min()
    p_HC, q_HC = naive_laws(counts_HC, sigma), naive_laws(counts_HC + np.array([-1, 1, 0]), sigma)
    orders = np.array([1.5, 2.0, sigma / 4 + 1])
    bound = worst_case_rdp(GNMaxEvent(sigma=sigma), orders).rdp_A
    for order, limit in zip(orders, bound, strict=True):
        assert limit * 0.98 <= renyi(p_HC, q_HC, order).max() <= limit


@pytest.mark.parametrize(
    ("sigma", "order", "ratio"),
    [
        (40, 1.5, 0.640),
        (40, 4, 0.640),
        (40, 32, 0.654),
        (40, 64, 0.704),
        (5, 2, 0.642),
        (5, 16, 0.850),
        (100, 64, 0.649),
    ],
)
def test_reference_ratios_to_the_gaussian_bound(sigma: float, order: float, ratio: float) -> None:
    """Continuous noise, by a plain search in the design notes of this project; discrete noise differs by 1/sigma^2."""
    got = worst_case_rdp(GNMaxEvent(sigma=sigma), np.array([order])).rdp_A[0] / (order / sigma**2)
    assert ratio * 0.999 <= got <= ratio * 1.01 + 0.5 / sigma**2


def test_high_orders_at_little_noise_need_a_box_beyond_their_tilt() -> None:
    """At sigma 1 the supremum at order 8 sits far off the centre; a plain search over integers finds it."""
    far, order = 70, 8.0
    pmf = noise_pmf(1.0, far)
    below = np.cumsum(pmf)  # Pr[Z <= z], small values from small terms
    x = np.arange(1, 30)
    best = 0.0
    for u in range(-25, 13):
        for v in range(-12, 38):
            laws = []
            for cu, cv in ((u, v), (u - 1, v + 1)):
                a_wins = (pmf[x - cu + far] * below[x - cv + far]).sum()
                b_wins = (pmf[x - cv + far] * below[x - 1 - cu + far]).sum()
                laws.append(np.array([[a_wins, b_wins, below[far - cu] * below[far - cv]]]))
            if min(laws[0].min(), laws[1].min()) > 1e-250:
                best = max(best, float(renyi(laws[0], laws[1], order)[0]))
    bound = worst_case_rdp(GNMaxEvent(sigma=1.0), np.array([order])).rdp_A[0]
    assert best <= bound <= best * 1.03


@pytest.mark.parametrize("moved", [1, 3])
def test_threshold_test_is_the_costliest_two_way_test(moved: int) -> None:
    sigma = 6.0
    pmf = noise_pmf(sigma, 200)
    reached, missed = np.cumsum(pmf[::-1])[::-1], np.cumsum(pmf)
    u = np.arange(-60, 61)
    p_NO = np.stack([reached[200 - u], missed[199 - u]], axis=1)
    q_NO = np.stack([reached[200 - u + moved], missed[199 - u + moved]], axis=1)
    bound = worst_case_rdp(ThresholdTestEvent(sigma=sigma, moved_votes=moved), ORDERS[:3]).rdp_A
    for order, limit in zip(ORDERS[:3], bound, strict=True):
        largest = max(renyi(p_NO, q_NO, order).max(), renyi(q_NO, p_NO, order).max())
        assert largest <= limit <= largest * 1.005


def test_never_above_the_gaussian_bound_and_rising_in_order_falling_in_noise() -> None:
    previous = np.full(400, np.inf)
    for sigma in (0.5, 1.0, 3.0, 7.0, 12.0, 30.0):
        for event in (GNMaxEvent(sigma=sigma), ThresholdTestEvent(sigma=sigma)):
            curve = worst_case_rdp(event)
            assert (curve.rdp_A <= gaussian_rdp(event).rdp_A).all()
            assert (np.diff(curve.rdp_A * (curve.orders_A - 1)) >= 0).all()
        cost = worst_case_rdp(GNMaxEvent(sigma=sigma)).rdp_A
        assert (cost < previous[: len(cost)]).all()
        previous = cost


def test_several_moved_votes_cost_the_gaussian_bound() -> None:
    event = GNMaxEvent(sigma=20.0, moved_votes=2)
    np.testing.assert_array_equal(worst_case_rdp(event).rdp_A, gaussian_rdp(event).rdp_A)


def test_compositions_add_up() -> None:
    campaign = ConfidentGNMaxEvent(threshold=5, sigma_threshold=9.0, sigma=7.0, max_asked=20, max_answered=6)
    parts = ComposedEvent(
        events=(
            RepeatedEvent(event=ThresholdTestEvent(sigma=9.0), count=20),
            RepeatedEvent(event=GNMaxEvent(sigma=7.0), count=6),
            LNMaxEvent(scale=30.0),
        )
    )
    lap = worst_case_rdp(LNMaxEvent(scale=30.0)).rdp_A
    np.testing.assert_allclose(worst_case_rdp(parts).rdp_A, worst_case_rdp(campaign).rdp_A + lap, rtol=1e-12)
    assert not worst_case_rdp(ComposedEvent(events=())).rdp_A.any()


def test_published_campaign_costs_2_15_by_rdp() -> None:
    """640 asked, 286 answered with the noise of Papernot et al. (2018) on MNIST; 2.15 from the design notes."""
    event = ConfidentGNMaxEvent(threshold=200, sigma_threshold=150, sigma=40, max_asked=640, max_answered=286)
    assert 2.14 <= worst_case_rdp(event).epsilon(1e-5)[0] <= 2.165


def naive_three_way(u: int, v: int, sigma: float, variant: int) -> np.ndarray:
    far = math.ceil(14 * sigma)
    pmf = noise_pmf(sigma, far)
    z = np.arange(-far, far + 1)
    x, y = u + z[:, None], v + z[None, :]
    mass = pmf[:, None] * pmf
    a_wins = (x > 0) & ((x >= y) if variant == 0 else (x > y))
    b_wins = (y > 0) & ((y > x) if variant == 0 else (y >= x))
    return np.array([mass[a_wins].sum(), mass[b_wins].sum(), mass[~a_wins & ~b_wins].sum()])


def plan(sigma: float, reach: float, spared: float) -> CoverPlan:
    return CoverPlan(
        sigma=sigma,
        reach=reach,
        spared_q=spared,
        spared_p=spared,
        smoothness=1.1,
        margin=8.0 if spared else 0.0,
        tilt=0.0,
        window=10.0,
    )


def test_integer_cover_holds_the_three_way_laws_themselves() -> None:
    sigma = 1.5
    found = np.concatenate([np.stack(pair, axis=-1).reshape(-1, 6) for pair in three_way_pairs(plan(sigma, 6.0, 0.0))])
    for u, v, variant in [(0, 0, 0), (2, 0, 1), (3, -2, 0), (0, -4, 1)]:
        pair = np.stack([naive_three_way(u, v, sigma, variant), naive_three_way(u - 1, v + 1, sigma, variant)], axis=-1)
        assert np.abs(found - pair.reshape(6)).max(axis=1).min() < 1e-12


@pytest.mark.parametrize(("u", "v"), [(0, 0), (3, 1), (-2, 4), (9, 7)])
@pytest.mark.parametrize("variant", [0, 1])
def test_every_pair_is_a_mixture_of_cover_centres(u: int, v: int, variant: int) -> None:
    """The weights of the proof give back P and Q, outcome by outcome, within the stated slack."""
    sigma, spared = 6.0, 0.04
    cover = plan(sigma, 20.0, spared)
    z_q, z_p = cover.centres()
    spread_q, spread_p = cover.spread()
    step_q, _ = cover.steps()
    z_q = np.concatenate([z_q - step_q * len(z_q), z_q]) + variant  # both halves, here evaluated directly
    width = math.sqrt(2 * spared) * sigma
    weight = np.exp(-(((z_q - (u - v)) / width) ** 2) / 2)[:, None] * np.exp(-(((z_p - (u + v)) / width) ** 2) / 2)
    far = 90
    x, y = np.arange(-far, far + 1)[:, None], np.arange(-far, far + 1)[None, :]
    p, q = x + y, x - y
    mixture = np.zeros((2, 3))
    for move in (0, 2):
        # sum over centres of weight * unnormalised centre, grouped: the sum over z_q and z_p factorises
        in_q = np.exp(-(((np.arange(-2 * far, 2 * far + 1)[:, None] - z_q + move) / spread_q) ** 2) / 2)
        in_p = np.exp(-(((np.arange(-2 * far, 2 * far + 1)[:, None] - z_p) / spread_p) ** 2) / 2)
        mass = (in_q @ weight @ in_p.T)[q + 2 * far, p + 2 * far]
        mass /= mass.sum()
        wins = p + np.abs(q) >= 2
        a_wins = wins & (q >= variant)
        mixture[move // 2] = mass[a_wins].sum(), mass[wins & ~a_wins].sum(), mass[~wins].sum()
    exact = [naive_three_way(u, v, sigma, variant), naive_three_way(u - 1, v + 1, sigma, variant)]
    assert np.abs(np.log(mixture / exact)).max() <= cover.slack + 1e-10


def test_limits_of_the_family_are_two_way_tests() -> None:
    sigma, far = 2.0, 30
    p_NO, q_NO = threshold_pairs(sigma, far)
    np.testing.assert_allclose(p_NO[far + 1], naive_three_way(1, -40, sigma, 0)[[0, 2]], atol=1e-13)
    np.testing.assert_allclose(q_NO[far + 1], naive_three_way(0, -39, sigma, 0)[[0, 2]], atol=1e-13)
    p_NO, q_NO = no_rival_pairs(sigma, far)
    np.testing.assert_allclose(p_NO[far + 1], naive_three_way(41, 40, sigma, 0)[:2], atol=1e-13)
    np.testing.assert_allclose(q_NO[far + 1], naive_three_way(40, 41, sigma, 0)[:2], atol=1e-13)

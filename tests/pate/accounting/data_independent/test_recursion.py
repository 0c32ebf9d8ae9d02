"""The recursion against every adaptive strategy written out, and against an independent library for fixed pairs."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from pate.accounting.data_independent.dominating import Family, argmax_family, bands
from pate.accounting.data_independent.recursion import adaptive_curve, chained_curve
from pate.accounting.privacy_curve import PrivacyCurve
from pate.arrays import FloatArray

Pair = tuple[tuple[Fraction, ...], tuple[Fraction, ...]]


def pair(p: str, q: str) -> Pair:
    return tuple(Fraction(x) for x in p.split()), tuple(Fraction(x) for x in q.split())


FAMILIES: dict[str, list[Pair]] = {
    "close": [pair("11/20 9/20", "1/2 1/2"), pair("1/5 4/5", "3/20 17/20")],
    "skewed": [pair("1/100 99/100", "1/50 49/50"), pair("3/5 2/5", "1/2 1/2"), pair("1/4 3/4", "1/3 2/3")],
    "three outcomes": [pair("1/2 1/4 1/4", "2/5 7/20 1/4"), pair("9/10 1/20 1/20", "17/20 1/20 1/10")],
    "one side only": [pair("1/1000 999/1000", "0 1"), pair("3/5 2/5", "1/2 1/2")],
}


def family_of(log_p_BX: FloatArray, log_q_BX: FloatArray, step: float, most: int) -> Family:
    """Exactly these pairs, each loss spread over its two neighbours on the grid; no grouping.

    Args:
        log_p_BX: ``log P`` of ``B`` pairs over ``X`` outcomes, nats. Shape ``[B, X]`` or ``[X]`` for all pairs alike.
        log_q_BX: ``log Q``. Shape ``[B, X]``.
        step: distance of losses, nats.
        most: losses kept on either side, in steps; larger ones count as never met under the other law.
    """
    log_q_BX = np.atleast_2d(np.asarray(log_q_BX, dtype=np.float64))
    log_p_BX = np.broadcast_to(np.asarray(log_p_BX, dtype=np.float64), log_q_BX.shape)
    return Family(
        step=step,
        forward=bands(*_spread(log_p_BX, log_q_BX, step, most)),
        backward=bands(*_spread(log_q_BX, log_p_BX, step, most)),
    )


def _spread(log_p_BX: FloatArray, log_q_BX: FloatArray, step: float, most: int) -> tuple[FloatArray, FloatArray]:
    """``P`` on losses ``step * j``, ``|j| <= most``, and beyond; a loss below the grid moves up to its edge."""
    mass_BX = np.exp(log_p_BX)
    with np.errstate(invalid="ignore"):
        place_BX = np.where(mass_BX > 0, (log_p_BX - log_q_BX) / step, 0.0)
    beyond_BX = place_BX > most
    place_BX = np.clip(place_BX, -most, most)
    left_BX = np.minimum(np.floor(place_BX), most - 1)
    part_BX = place_BX - left_BX
    upper_BX = mass_BX * np.expm1(step * part_BX) / math.expm1(step) * np.exp(step * (1 - part_BX))
    rows = np.arange(len(mass_BX))[:, None]
    mass_BJ = np.zeros((len(mass_BX), 2 * most + 1))
    index_BX = left_BX.astype(np.int64) + most
    kept_BX = np.where(beyond_BX, 0.0, mass_BX)
    upper_BX = np.minimum(upper_BX, kept_BX)
    np.add.at(mass_BJ, (rows, index_BX), kept_BX - upper_BX)
    np.add.at(mass_BJ, (rows, index_BX + 1), upper_BX)
    return mass_BJ, np.where(beyond_BX, mass_BX, 0.0).sum(axis=1)


def family(pairs: list[Pair], step: float) -> Family:
    with np.errstate(divide="ignore"):
        log_p, log_q = (np.log(np.array([[float(x) for x in law[i]] for law in pairs])) for i in (0, 1))
    return family_of(log_p, log_q, step, math.ceil(1.5 / step))


def test_a_spread_pair_keeps_both_laws() -> None:
    log_p, log_q = np.log([0.31, 0.6, 0.09]), np.log([[0.3, 0.58, 0.12]])
    one = family_of(log_p, log_q, 0.01, 60)
    (band,) = one.forward
    assert band.mass_MJ.sum() == pytest.approx(1, abs=1e-14)
    assert (band.mass_MJ * np.exp(-0.01 * band.losses_J)).sum() == pytest.approx(1, abs=1e-12)


def best_strategy(pairs: list[Pair], steps: int, t: Fraction) -> Fraction:
    """The largest ``sum (P - t Q)_+`` over all decision trees, each written out and evaluated on its leaves."""
    outcomes = len(pairs[0][0])
    inner = sum(outcomes**level for level in range(steps))
    best = Fraction(0)
    for choice in itertools.product(range(len(pairs)), repeat=inner):
        total = Fraction(0)
        for path in itertools.product(range(outcomes), repeat=steps):
            p = q = Fraction(1)
            node, first, index = 0, 0, 0
            for level, outcome in enumerate(path):
                node = first + index
                p, q = p * pairs[choice[node]][0][outcome], q * pairs[choice[node]][1][outcome]
                first, index = first + outcomes**level, index * outcomes + outcome
            total += max(Fraction(0), p - t * q)
        best = max(best, total)
    return best


@pytest.mark.parametrize(
    ("name", "steps"), [("close", 3), ("skewed", 2), ("three outcomes", 2), ("one side only", 3), ("close", 2)]
)
def test_never_below_the_best_adaptive_strategy_and_close_to_it(name: str, steps: int) -> None:
    pairs = FAMILIES[name]
    swapped = [(q, p) for p, q in pairs]
    curve = adaptive_curve(family(pairs, 2e-4), steps, 1.5)
    for t in (Fraction(1), Fraction(21, 20), Fraction(6, 5), Fraction(3, 2)):
        forward, backward = (best_strategy(some, steps, t) for some in (pairs, swapped))
        exact, got = max(forward, backward), curve.delta(math.log(t))
        assert float(exact) <= got * (1 + 1e-12)
        assert got <= float(exact) * 1.001 + 1e-6


@pytest.mark.slow
def test_four_adaptive_steps_of_two_pairs() -> None:
    pairs = FAMILIES["close"]
    curve = adaptive_curve(family(pairs, 2e-4), 4, 1.5)
    exact = max(best_strategy(some, 4, Fraction(6, 5)) for some in (pairs, [(q, p) for p, q in pairs]))
    assert float(exact) <= curve.delta(math.log(1.2)) <= float(exact) * 1.001


def test_adaptive_strategies_beat_every_fixed_pair() -> None:
    """The supremum over trees is strictly above repeating one pair, so a test against it means something."""
    pairs = FAMILIES["skewed"]
    t = Fraction(21, 20)
    fixed = max(best_strategy([one], 2, t) for one in pairs)
    assert best_strategy(pairs, 2, t) > fixed


@pytest.mark.parametrize("count", [30, 300])
def test_repeating_one_pair_matches_an_independent_library(count: int) -> None:
    """Google's dp-accounting, pessimistic and optimistic privacy-loss distributions of one binary pair."""
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    p, q = {0: 0.31, 1: 0.69}, {0: 0.29, 1: 0.71}
    logs = [{key: math.log(value) for key, value in law.items()} for law in (p, q)]
    over, under = (
        pld.from_two_probability_mass_functions(
            *reversed(logs), value_discretization_interval=1e-4, pessimistic_estimate=pessimistic
        ).self_compose(count)
        for pessimistic in (True, False)
    )
    law_p, law_q = np.log([p[0], p[1]]), np.log([[q[0], q[1]]])
    curve = adaptive_curve(family_of(law_p, law_q, 5e-4, 400), count, 3.0)
    for epsilon in (0.05, 0.3, 0.8):
        low = under.get_delta_for_epsilon(epsilon)
        high = over.get_delta_for_epsilon(epsilon)
        assert low * (1 - 1e-6) <= curve.delta(epsilon) <= high * 1.02 + 1e-12


def test_an_outcome_too_rare_for_the_grid_adds_its_probability() -> None:
    """A loss beyond the grid, with probability 1e-9 under P and 1e-30 under Q, must appear in every delta."""
    log_p, log_q = np.log([1e-9, 1 - 1e-9]), np.array([[math.log(1e-30), 0.0]])
    curve = adaptive_curve(family_of(log_p, log_q, 0.01, 50), 10, 1.0)
    assert 1e-8 * (1 - 1e-6) <= curve.delta(1.0) <= 1e-8 * 1.01


def test_finer_grids_only_lower_the_curve() -> None:
    pairs = FAMILIES["close"]
    values = [adaptive_curve(family(pairs, step), 40, 3.0).delta(0.9) for step in (0.03, 0.015, 0.0075)]
    assert values[0] >= values[1] >= values[2] > 0


def test_more_releases_cost_more() -> None:
    one = argmax_family(9.0)
    values = [adaptive_curve(one, count, 6.0).epsilon(1e-6) for count in (1, 2, 5, 12)]
    assert all(a < b for a, b in itertools.pairwise(values))


def test_a_chain_of_different_families_is_bounded_by_either_order() -> None:
    one, two = family(FAMILIES["close"], 1e-3), family(FAMILIES["skewed"], 1e-3)
    whole = chained_curve([one, two], 1e-3, 2.0)
    composed = adaptive_curve(one, 1, 2.0).compose(adaptive_curve(two, 1, 2.0))
    assert isinstance(whole, PrivacyCurve)
    for epsilon in (0.0, 0.1, 0.3):
        assert whole.delta(epsilon) <= composed.delta(epsilon) * (1 + 1e-9)


def direct_two_steps(sigma: float, t: float) -> tuple[float, float]:
    """``V_1(t)`` and ``V_2(t)`` of the three-way tests, by a plain search over integers and both variants."""
    far = 60
    z = np.arange(-far, far + 1)
    pmf = np.exp(-((z / sigma) ** 2) / 2)
    pmf /= pmf.sum()
    cdf = np.cumsum(pmf)
    x = np.arange(1, 41)

    def law(u: int, v: int, variant: int) -> list[float]:
        a_wins = (pmf[x - u + far] * cdf[x - variant - v + far]).sum()
        b_wins = (pmf[x - v + far] * cdf[x - 1 + variant - u + far]).sum()
        return [a_wins, b_wins, cdf[far - u] * cdf[far - v]]

    box = [(u, v, w) for u in range(-9, 13) for v in range(-9, 13) for w in (0, 1)]
    p = np.array([law(u, v, w) for u, v, w in box])
    q = np.array([law(u - 1, v + 1, w) for u, v, w in box])
    scaled = (t * q / p).ravel()
    inner = np.zeros(len(scaled))
    for p_O, q_O in zip(p, q, strict=True):
        inner = np.maximum(inner, np.maximum(p_O - scaled[:, None] * q_O, 0).sum(axis=1))
    return float(np.maximum(p - t * q, 0).sum(axis=1).max()), float((p.ravel() * inner).reshape(p.shape).sum(1).max())


def test_argmax_family_against_a_search_over_integers() -> None:
    sigma = 2.0
    curves = [adaptive_curve(argmax_family(sigma), count, 8.0) for count in (1, 2)]
    for epsilon in (0.1, 0.5, 1.0):
        exact = direct_two_steps(sigma, math.exp(epsilon))
        for value, curve in zip(exact, curves, strict=True):
            assert value <= curve.delta(epsilon) <= value * 1.03


def test_one_fixed_pair_repeated_brackets_the_recursion_from_below() -> None:
    """286 releases at sigma 40 that all present the same (u, v): the optimistic distribution of an independent library
    for the best of some such pairs, against the certified supremum over all of them, chosen adaptively."""
    pld = pytest.importorskip("dp_accounting.pld.privacy_loss_distribution")
    sigma, far, count = 40.0, 500, 286
    z = np.arange(-far, far + 1)
    pmf = np.exp(-((z / sigma) ** 2) / 2)
    pmf /= pmf.sum()
    cdf, x = np.cumsum(pmf), np.arange(1, 401)

    def law(u: int, v: int) -> list[float]:
        a_wins = (pmf[x - u + far] * cdf[x - v + far]).sum()
        b_wins = (pmf[x - v + far] * cdf[x - 1 - u + far]).sum()
        return [a_wins, b_wins, cdf[far - u] * cdf[far - v]]

    lower = 0.0
    for u, v in ((25, 20), (35, 25), (60, 60)):
        logs = [dict(enumerate(np.log(law(*centre)).tolist())) for centre in ((u - 1, v + 1), (u, v))]
        one = pld.from_two_probability_mass_functions(
            *logs, value_discretization_interval=1e-4, pessimistic_estimate=False
        )
        lower = max(lower, one.self_compose(count).get_epsilon_for_delta(1e-5))
    upper = adaptive_curve(argmax_family(sigma), count, 3.9).epsilon(1e-5)
    assert lower <= upper <= lower * 1.03

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from pate.accounting.curve import DEFAULT_ORDERS, RDPCurve
from pate.accounting.data_dependent.instance_recursion import Pairs, instance_curve, instance_epsilon, query_pairs
from pate.accounting.laws.argmax import law_tables
from pate.accounting.laws.divergence import both_directions, log_moments
from pate.accounting.laws.noise import NoiseLaw
from pate.errors import InputError


def random_pairs(rng: np.random.Generator, pairs: int, outcomes: int, spread: float) -> Pairs:
    p = rng.dirichlet(np.full(outcomes, 0.5))
    q = p * np.exp(spread * rng.normal(size=(pairs, outcomes)))
    return np.log(p), np.log(q / q.sum(axis=1, keepdims=True))


def votes_pairs(counts: list[list[int]], sigma: float) -> list[Pairs]:
    """The law of each histogram and of every neighbour with one vote moved between classes."""
    tables = law_tables(np.array(counts), NoiseLaw(family="discrete-gaussian", scale=sigma))
    moves = np.array(list(itertools.permutations(range(len(counts[0])), 2)))
    laws = tables.neighbour_laws(*(np.tile(moves[:, i], (len(counts), 1)) for i in (0, 1)))
    return [(tables.log_p_BC[i], laws[i][np.array(row)[moves[:, 0]] > 0]) for i, row in enumerate(counts)]


@pytest.mark.parametrize("spread", [0.01, 0.1, 1.0])
def test_one_query_is_never_below_any_of_its_pairs(spread: float) -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        log_p, log_q = random_pairs(rng, 7, 5, spread)
        curve = instance_curve([(log_p, log_q)], spread / 50, 6 * spread)
        p, q = np.exp(log_p), np.exp(log_q)
        for epsilon in (0.0, 0.3 * spread, spread, 2.2 * spread):
            forward = np.maximum(p - math.exp(epsilon) * q, 0).sum(axis=1).max()
            backward = np.maximum(q - math.exp(epsilon) * p, 0).sum(axis=1).max()
            assert forward <= curve.delta(epsilon) + 1e-15
            assert backward <= curve.delta(epsilon) + 1e-15
        tv = np.maximum(p - q, 0).sum(axis=1).max()
        assert curve.delta(0.0) <= tv * 1.02 + 1e-12


def test_three_queries_against_every_adaptive_choice() -> None:
    """The pair that a query presents may depend on earlier outcomes; all trees are written out with exact fractions."""
    f = Fraction
    queries = [
        [((f(3, 5), f(2, 5)), (f(1, 2), f(1, 2))), ((f(3, 5), f(2, 5)), (f(13, 20), f(7, 20)))],
        [((f(9, 10), f(1, 10)), (f(17, 20), f(3, 20))), ((f(9, 10), f(1, 10)), (f(37, 40), f(3, 40)))],
        [((f(1, 4), f(3, 4)), (f(3, 10), f(7, 10))), ((f(1, 4), f(3, 4)), (f(1, 5), f(4, 5)))],
    ]
    arrays = [
        (np.log([[float(x) for x in p] for p, _ in q]), np.log([[float(x) for x in r] for _, r in q])) for q in queries
    ]
    curve = instance_curve(arrays, 2e-4, 1.5)
    for t in (f(1), f(11, 10), f(3, 2)):
        best = {False: f(0), True: f(0)}
        for tree in itertools.product(range(2), repeat=7):
            totals = {False: f(0), True: f(0)}
            for path in itertools.product(range(2), repeat=3):
                nodes = (0, 1 + path[0], 3 + 2 * path[0] + path[1])
                p = q = f(1)
                for query, node, outcome in zip(queries, nodes, path, strict=True):
                    p, q = p * query[tree[node]][0][outcome], q * query[tree[node]][1][outcome]
                totals[False] += max(f(0), p - t * q)
                totals[True] += max(f(0), q - t * p)
            best = {way: max(best[way], totals[way]) for way in best}
        exact = float(max(best.values()))
        assert exact <= curve.delta(math.log(t)) * (1 + 1e-12)
        assert curve.delta(math.log(t)) <= exact * 1.01 + 1e-9


def test_votes_cost_less_than_by_summed_renyi_divergences() -> None:
    rng = np.random.default_rng(2)
    counts = [sorted(rng.multinomial(100, rng.dirichlet([5.0, 1.0, 0.5, 0.2])).tolist()) for _ in range(60)]
    queries = votes_pairs(counts, 15.0)
    total = np.zeros(2 * len(DEFAULT_ORDERS))
    for log_p, log_q in queries:
        moments = log_moments(np.broadcast_to(log_p, log_q.shape), log_q - log_p, both_directions(DEFAULT_ORDERS))
        total += moments.max(axis=0)
    by_way = total.reshape(2, -1) / (DEFAULT_ORDERS - 1)
    rdp = max(RDPCurve(DEFAULT_ORDERS, way).epsilon(1e-5)[0] for way in by_way)
    found = instance_epsilon(queries, 1e-5, rdp)
    assert 0.6 * rdp < found < 0.97 * rdp


def test_fixed_neighbours_cost_no_more_than_adaptive_ones() -> None:
    """One move on all queries, composed by sampling-free convolution of its exact losses on a fine grid."""
    queries = votes_pairs([[30, 22, 3], [18, 20, 17], [40, 10, 5]] * 4, 8.0)
    whole = instance_curve(queries, 1e-3, 3.0)
    one = instance_curve([(log_p, log_q[:1]) for log_p, log_q in queries], 1e-3, 3.0)
    for epsilon in (0.1, 0.5, 1.0):
        assert one.delta(epsilon) <= whole.delta(epsilon) * (1 + 1e-9)


def test_finer_grids_approach_one_number() -> None:
    queries = votes_pairs([[30, 22, 3], [18, 20, 17], [50, 3, 2]] * 10, 10.0)
    values = [instance_curve(queries, step, 3.0).epsilon(1e-6) for step in (0.02, 0.01, 0.0025)]
    assert values[0] == pytest.approx(values[2], rel=0.03)
    assert values[1] == pytest.approx(values[2], rel=0.01)


def test_thousands_of_nearly_free_queries_stay_nearly_free() -> None:
    """The likely outcome loses 1e-7, ten thousand times less than the grid step, 3,000 times over; against the exact
    sum over how often each rare outcome happened."""
    count, epsilon = 3000, 0.3
    log_p, log_q = votes_pairs([[106, 5, 5]], 15.0)[0][0], votes_pairs([[106, 5, 5]], 15.0)[0][1][:1]
    loss = log_q[0] - log_p
    exact = 0.0
    for i, j in itertools.product(range(8), range(8)):
        ways = math.lgamma(count + 1) - math.lgamma(i + 1) - math.lgamma(j + 1) - math.lgamma(count - i - j + 1)
        often = np.array([count - i - j, i, j])
        exact += math.exp(ways + often @ log_q[0]) * max(0.0, -math.expm1(epsilon - often @ loss))
    assert exact > 1e-9
    assert 1e-6 < abs(loss[0]) * count < 1e-2
    got = instance_curve([(log_p, log_q)] * count, 1e-3, 2.0).backward_G[300]
    assert exact <= got * (1 + 1e-9)
    assert got <= exact * 1.03


def test_an_outcome_that_only_one_law_has_adds_its_probability() -> None:
    with np.errstate(divide="ignore"):
        pairs = (np.log([1e-4, 1 - 1e-4]), np.log([[0.0, 1.0]]))
    curve = instance_curve([pairs] * 5, 0.01, 2.0)
    assert curve.forward_G[-1] == pytest.approx(5e-4, rel=1e-3)


def test_result_never_exceeds_the_given_reach() -> None:
    queries = votes_pairs([[5, 4, 3]] * 3, 2.0)
    assert instance_epsilon(queries, 1e-5, 0.01) == 0.01
    with pytest.raises(InputError):
        instance_epsilon(queries, 2.0, 1.0)
    with pytest.raises(InputError):
        query_pairs(np.array([np.nan, 0.0]), np.array([[0.0, 0.0]]), 0.1, 10)


def test_masses_are_laws() -> None:
    pairs = query_pairs(*random_pairs(np.random.default_rng(4), 30, 6, 0.3), 0.005, 800)
    np.testing.assert_allclose(pairs.mass_MJ.sum(axis=1) + pairs.escaped_M, 1, atol=1e-12)
    np.testing.assert_allclose(pairs.back_MJ.sum(axis=1) + pairs.back_escaped_M, 1, atol=1e-12)
    assert len(pairs.mass_MJ) <= 30

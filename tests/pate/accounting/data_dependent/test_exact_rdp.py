"""The exact per-instance cost against a naive enumeration of neighbours written without the library."""

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from pate.accounting.data_dependent.exact_rdp import batches, neighbour_costs
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent
from pate.accounting.laws.mechanism import MechanismLaw, mechanism_law

RECORDS = json.loads((Path(__file__).parents[3] / "golden" / "noisy_argmax_exact.json").read_text())["records"]
ORDERS = np.array([1.05, 1.5, 2.0, 3.0, 5.0, 8.0, 16.0, 32.0, 64.0, 300.0])


@functools.cache
def noise_tables(family: str, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Mass and distribution function of integer noise on ``-400 .. 400``."""
    z = np.arange(-400, 401)
    mass = np.exp(-((z / scale) ** 2) / 2) if family == "gaussian" else np.exp(-np.abs(z) / scale)
    mass /= mass.sum()
    return mass, np.cumsum(mass)


@functools.cache
def naive_law(counts: tuple[int, ...], family: str, scale: float) -> np.ndarray:
    mass, cumulative = noise_tables(family, scale)
    x = np.arange(-150, 180) + 400
    law = np.zeros(len(counts))
    for j, n in enumerate(counts):
        terms = mass[x - n]
        for k, m in enumerate(counts):
            if k != j:
                terms = terms * cumulative[x - m - (1 if k < j else 0)]
        law[j] = terms.sum()
    return law


def naive_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    log_p, log_q = np.log(p), np.log(q)
    return logsumexp(ORDERS[:, None] * log_p + (1 - ORDERS[:, None]) * log_q, axis=1) / (ORDERS - 1)


def naive_neighbours(counts: tuple[int, ...], teachers: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """``(vote of the teacher who changes, histogram)``; ``len(counts)`` for one who abstained."""
    classes = len(counts)
    for a, b in itertools.permutations(range(classes + 1), 2):
        if (counts[a] if a < classes else teachers - sum(counts)) > 0:
            yield a, tuple(n - (i == a) + (i == b) for i, n in enumerate(counts))


def naive_costs(counts: tuple[int, ...], teachers: int, scale: float, family: str = "gaussian") -> np.ndarray:
    """Shape ``[C+1, 2, A]``: by the vote of the moving teacher and by direction."""
    costs = np.zeros((len(counts) + 1, 2, len(ORDERS)))
    p = naive_law(counts, family, scale)
    for a, moved in naive_neighbours(counts, teachers):
        q = naive_law(moved, family, scale)
        costs[a, 0] = np.maximum(costs[a, 0], naive_divergence(p, q))
        costs[a, 1] = np.maximum(costs[a, 1], naive_divergence(q, p))
    return costs


def histograms(teachers: int, classes: int) -> list[tuple[int, ...]]:
    """Every histogram of at most ``teachers`` votes."""
    return [n for n in itertools.product(range(teachers + 1), repeat=classes) if sum(n) <= teachers]


def assert_equal_to_enumeration(rows: list[tuple[int, ...]], teachers: int, scale: float, family: str) -> None:
    event = GNMaxEvent(sigma=scale) if family == "gaussian" else LNMaxEvent(scale=scale)
    mechanism, counts = mechanism_law(event), np.array(rows)
    by_vote = neighbour_costs(counts, mechanism, teachers=teachers, orders_A=ORDERS, per_vote=True)
    largest = neighbour_costs(counts, mechanism, teachers=teachers, orders_A=ORDERS, per_vote=False)
    expected = np.stack([naive_costs(row, teachers, scale, family) for row in rows])
    np.testing.assert_allclose(by_vote, expected, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(largest[:, 0], expected.max(axis=1), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("family", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", [1.0, 2.5, 6.0])
def test_cost_equals_enumeration_on_a_sample(family: str, scale: float) -> None:
    rng = np.random.default_rng(11)
    for teachers, classes in ((5, 2), (12, 3), (9, 4)):
        rows = histograms(teachers, classes)
        chosen = [rows[i] for i in rng.choice(len(rows), size=min(20, len(rows)), replace=False)]
        assert_equal_to_enumeration(chosen, teachers, scale, family)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", [1.0, 2.5, 6.0])
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_cost_equals_enumeration_on_every_small_histogram(family: str, scale: float, classes: int) -> None:
    for teachers in (3, 12):
        assert_equal_to_enumeration(histograms(teachers, classes), teachers, scale, family)


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r['noise'][:8]}-{r['counts']}-{r['sigma']}")
def test_cost_matches_30_digit_reference(record: dict) -> None:
    mechanism = mechanism_law(GNMaxEvent(sigma=float(record["sigma"])), continuous=record["noise"] == "gaussian")
    counts, orders = np.array([record["counts"]]), np.array(record["orders"], dtype=float)
    cost = neighbour_costs(counts, mechanism, teachers=int(counts.sum()), orders_A=orders, per_vote=False)
    np.testing.assert_allclose(cost[0, 0].max(axis=0), [float(r) for r in record["rdp"]], rtol=1e-10)


def test_joint_cost_of_confident_gnmax_equals_enumeration_over_its_outcomes() -> None:
    event = ConfidentGNMaxEvent(threshold=7.0, sigma_threshold=3.0, sigma=2.5, max_asked=1, max_answered=1)
    mass, _ = noise_tables("gaussian", 3.0)

    def joint(counts: tuple[int, ...]) -> np.ndarray:
        answered = mass[np.arange(-400, 401) + max(counts) >= 7.0].sum()
        refused = mass[np.arange(-400, 401) + max(counts) < 7.0].sum()
        return np.append(answered * naive_law(counts, "gaussian", 2.5), refused)

    teachers = 10
    rows = [(7, 2, 1), (6, 0, 0), (3, 3, 3), (0, 0, 10), (5, 5, 0), (0, 1, 0), (8, 0, 2)]
    costs = neighbour_costs(np.array(rows), mechanism_law(event), teachers=teachers, orders_A=ORDERS, per_vote=True)
    for row, cost in zip(rows, costs, strict=True):
        expected = np.zeros_like(cost)
        for a, moved in naive_neighbours(row, teachers):
            expected[a, 0] = np.maximum(expected[a, 0], naive_divergence(joint(row), joint(moved)))
            expected[a, 1] = np.maximum(expected[a, 1], naive_divergence(joint(moved), joint(row)))
        np.testing.assert_allclose(cost, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("threshold", "sigma_threshold", "sigma"), [(-3.0, 1.0, 1.0), (4.5, 0.5, 6.0), (9.0, 4.0, 0.8), (40.0, 9.0, 2.5)]
)
def test_joint_cost_on_a_sample_of_small_histograms(threshold: float, sigma_threshold: float, sigma: float) -> None:
    event = ConfidentGNMaxEvent(
        threshold=threshold, sigma_threshold=sigma_threshold, sigma=sigma, max_asked=1, max_answered=1
    )
    mass, z = noise_tables("gaussian", sigma_threshold)[0], np.arange(-400, 401)

    def joint(counts: tuple[int, ...]) -> np.ndarray:
        passed = z + max(counts) >= threshold
        return np.append(mass[passed].sum() * naive_law(counts, "gaussian", sigma), mass[~passed].sum())

    rng = np.random.default_rng(9)
    for teachers, classes in ((1, 2), (7, 3), (12, 4)):
        rows = histograms(teachers, classes)
        rows = [rows[i] for i in rng.choice(len(rows), size=min(12, len(rows)), replace=False)]
        mechanism = mechanism_law(event)
        costs = neighbour_costs(np.array(rows), mechanism, teachers=teachers, orders_A=ORDERS[:5], per_vote=False)
        for row, cost in zip(rows, costs[:, 0], strict=True):
            p, expected = joint(row), np.zeros_like(cost)
            for _, moved in naive_neighbours(row, teachers):
                q = joint(moved)
                if min(p.min(), q.min()) < 1e-40:
                    continue  # the naive sums have lost their digits there
                both = naive_divergence(p, q)[:5], naive_divergence(q, p)[:5]
                expected = np.maximum(expected, both)
            assert (cost >= expected * (1 - 1e-6) - 1e-11).all()
            if p.min() > 1e-25:
                np.testing.assert_allclose(cost, expected, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("per_vote", [False, True])
@pytest.mark.parametrize("threshold", [None, 60.0, 150.0])
@pytest.mark.parametrize(("classes", "teachers"), [(10, 250), (45, 300)])
def test_bounds_that_leave_moves_out_change_no_cost(
    classes: int, teachers: int, threshold: float | None, per_vote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    counts = np.array([rng.multinomial(teachers, p) for p in rng.dirichlet(np.full(classes, 0.2), size=6)])
    counts = counts[np.argsort(np.ptp(counts, axis=1))]
    event = GNMaxEvent(sigma=15.0)
    if threshold is not None:
        event = ConfidentGNMaxEvent(threshold=threshold, sigma_threshold=25.0, sigma=15.0, max_asked=1, max_answered=1)
    arguments = {"teachers": teachers + 3, "orders_A": np.geomspace(1.1, 200, 25), "per_vote": per_vote}
    pruned = neighbour_costs(counts, mechanism_law(event), **arguments)
    evaluated = []

    def all_of_them(batch: object, *rest: np.ndarray) -> np.ndarray:
        evaluated.append(rest[-1].sum())
        return np.ones_like(rest[-1])

    monkeypatch.setattr("pate.accounting.data_dependent.exact_rdp._may_exceed", all_of_them)
    np.testing.assert_allclose(
        pruned, neighbour_costs(counts, mechanism_law(event), **arguments), rtol=1e-10, atol=1e-18
    )
    assert sum(evaluated) > 100


def every_move_bound_and_cost(mechanism: MechanismLaw, counts: np.ndarray, teachers: int) -> tuple[np.ndarray, ...]:
    from pate.accounting.data_dependent import exact_rdp
    from pate.accounting.laws.divergence import both_directions

    batch = exact_rdp._prepared(counts, mechanism, teachers)
    powers = both_directions(ORDERS)
    bounds = batch.upper_bounds(powers)
    costs = np.zeros_like(bounds)
    for b, m, log_q in batch.evaluate(batch.possible_BM):
        costs[b, m] = batch.moments(b, log_q, powers)
    return bounds[batch.possible_BM], costs[batch.possible_BM]


@pytest.mark.parametrize(
    "event",
    [
        GNMaxEvent(sigma=1.5),
        GNMaxEvent(sigma=8.0),
        LNMaxEvent(scale=2.0),
        ConfidentGNMaxEvent(threshold=9.0, sigma_threshold=4.0, sigma=2.0, max_asked=1, max_answered=1),
    ],
    ids=repr,
)
def test_upper_bound_of_every_move_is_above_its_cost(event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent) -> None:
    rows = np.array([n for n in histograms(12, 4)[::23] if sum(n)] + [(12, 0, 0, 0), (3, 3, 3, 3), (0, 6, 6, 0)])
    bounds, costs = every_move_bound_and_cost(mechanism_law(event), rows, 12)
    assert (bounds >= costs * (1 - 1e-9) - 1e-15).all()
    assert np.median(bounds / np.maximum(costs, 1e-300)) < 50  # a bound that excludes nothing would be useless


def test_cost_grows_with_order_and_stays_below_the_gaussian_bound() -> None:
    rng = np.random.default_rng(8)
    counts = rng.multinomial(60, [0.7, 0.2, 0.1], size=12)
    counts = counts[np.argsort(np.ptp(counts, axis=1))]
    for sigma in (2.0, 7.0, 30.0):
        for continuous in (False, True):
            mechanism = mechanism_law(GNMaxEvent(sigma=sigma), continuous=continuous)
            cost = neighbour_costs(counts, mechanism, teachers=60, orders_A=ORDERS, per_vote=False)
            assert (np.diff(cost, axis=-1) >= -1e-13).all()
            assert (cost <= ORDERS / sigma**2 * (1 + 1e-12)).all()


def test_more_noise_costs_less_on_a_tie_and_may_cost_more_on_a_consensus() -> None:
    def cost(counts: list[int], sigma: float) -> np.ndarray:
        mechanism = mechanism_law(GNMaxEvent(sigma=sigma))
        return neighbour_costs(np.array([counts]), mechanism, teachers=30, orders_A=ORDERS[:4], per_vote=False)[0, 0]

    assert (cost([15, 15, 0], 8.0) < cost([15, 15, 0], 4.0)).all()
    assert (cost([30, 0, 0], 8.0) > cost([30, 0, 0], 2.0)).all()


def test_continuous_cost_does_not_know_the_order_of_classes() -> None:
    mechanism = mechanism_law(GNMaxEvent(sigma=4.0), continuous=True)
    rows = np.array(list(itertools.permutations([9, 5, 5, 0])))
    cost = neighbour_costs(rows, mechanism, teachers=20, orders_A=ORDERS, per_vote=False)
    np.testing.assert_allclose(cost, np.broadcast_to(cost[:1], cost.shape), rtol=1e-9)


def test_batches_cover_a_list_once_and_in_order() -> None:
    counts = np.array([[i, 0] for i in range(5000)])
    covered = [
        i for part in batches(counts, mechanism_law(GNMaxEvent(sigma=3.0)), 300) for i in range(part.start, part.stop)
    ]
    assert [i for i in covered if i < 5000] == list(range(5000))

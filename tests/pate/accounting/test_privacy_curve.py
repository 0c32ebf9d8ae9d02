from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from pate.accounting.privacy_curve import PrivacyCurve, atoms, no_release
from pate.errors import InputError


def curve_of(p: np.ndarray, q: np.ndarray, step: float, size: int) -> PrivacyCurve:
    t = np.exp(step * np.arange(size))[:, None]
    return PrivacyCurve(step, np.maximum(p - t * q, 0).sum(axis=1), np.maximum(q - t * p, 0).sum(axis=1))


def randomised_response(epsilon: float, step: float, size: int) -> PrivacyCurve:
    law = np.array([math.exp(epsilon), 1.0]) / (1 + math.exp(epsilon))
    return curve_of(law, law[::-1], step, size)


def repeated_response_delta(epsilon: float, count: int, target: float) -> float:
    """Kairouz, Oh, Viswanath (2015), theorem 3.3, by summing over how often the likely answer was given."""
    likely = math.exp(epsilon) / (1 + math.exp(epsilon))
    return sum(
        max(
            0.0,
            math.comb(count, k)
            * (likely**k * (1 - likely) ** (count - k) - math.exp(target) * likely ** (count - k) * (1 - likely) ** k),
        )
        for k in range(count + 1)
    )


def test_composition_of_randomised_response_is_exact_on_its_grid() -> None:
    epsilon = 0.4
    curve = randomised_response(epsilon, epsilon / 2, 3)
    for _ in range(2):
        curve = curve.compose(curve)
    for target in (0.0, 0.4, 0.8, 1.2):
        assert curve.delta(target) == pytest.approx(repeated_response_delta(epsilon, 4, target), rel=1e-11)
    assert curve.epsilon(repeated_response_delta(epsilon, 4, 0.8)) == pytest.approx(0.8, rel=1e-9)


def test_composition_keeps_both_directions_apart() -> None:
    rng = np.random.default_rng(3)
    p1, q1, p2, q2 = (rng.dirichlet(np.ones(4)) for _ in range(4))
    step, size = 0.002, 4000
    both = curve_of(p1, q1, step, size).compose(curve_of(p2, q2, step, size))
    joint_p, joint_q = np.outer(p1, p2).ravel(), np.outer(q1, q2).ravel()
    for target in (0.0, 0.31, 1.7):
        forward = np.maximum(joint_p - math.exp(target) * joint_q, 0).sum()
        backward = np.maximum(joint_q - math.exp(target) * joint_p, 0).sum()
        assert max(forward, backward) <= both.delta(target) <= max(forward, backward) * 1.001 + 1e-6
    assert not both.symmetric


def test_composition_commutes_and_nothing_is_neutral() -> None:
    one, two = randomised_response(0.3, 0.01, 60), randomised_response(0.7, 0.015, 90)
    there, back = one.compose(two), two.compose(one)
    for target in (0.0, 0.2, 0.65, 1.1):
        assert there.delta(target) == pytest.approx(back.delta(target), rel=1e-9)
        assert one.compose(no_release()).delta(target) == pytest.approx(one.delta(target), rel=1e-9, abs=1e-15)
    assert no_release().epsilon(1e-9) == 0


def test_another_grid_is_never_below() -> None:
    curve = randomised_response(0.9, 0.01, 120)
    for step in (0.003, 0.017, 0.2):
        other = curve.on_grid(step)
        for target in np.linspace(0, 1.5, 40):
            assert other.delta(target) >= curve.delta(target) * (1 - 1e-12)


def test_epsilon_is_never_below_what_delta_says() -> None:
    curve = randomised_response(1.3, 0.05, 40)
    previous = math.inf
    for delta in (1e-6, 1e-3, 0.1, 0.3):
        epsilon = curve.epsilon(delta)
        assert curve.delta(epsilon) <= delta
        assert epsilon <= previous
        previous = epsilon
    assert curve.epsilon(0.9) == 0


def test_a_curve_that_ends_above_delta_has_no_epsilon() -> None:
    assert PrivacyCurve(0.1, np.array([0.5, 0.2]), np.array([0.5, 0.2])).epsilon(0.1) == math.inf


def test_loosening_covers_laws_that_lie_close() -> None:
    rng = np.random.default_rng(5)
    p, q = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    factor = np.exp(rng.uniform(-0.01, 0.01, size=(2, 5)))
    near_p, near_q = p * factor[0] / (p * factor[0]).sum(), q * factor[1] / (q * factor[1]).sum()
    loosened = curve_of(p, q, 0.001, 6000).loosened(0.02, 1e-3)
    for target in (0.0, 0.5, 1.0):
        assert loosened.delta(target) >= np.maximum(near_p - math.exp(target) * near_q, 0).sum() + 1e-3


def test_atoms_are_a_pair_of_laws_with_the_curve() -> None:
    rng = np.random.default_rng(7)
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    step, size = 0.01, 700
    curve = curve_of(p, q, step, size)
    mass, escaped = atoms(curve.forward_G, curve.backward_G, step)
    loss = step * np.arange(-(size - 1), size)
    assert mass.sum() + escaped == pytest.approx(1, abs=1e-12)
    for g in (0, 3, 40, 200):
        again = np.maximum(mass * -np.expm1(step * g - loss), 0).sum() + escaped
        assert again == pytest.approx(curve.forward_G[g], rel=1e-9, abs=1e-14)


def test_a_bump_is_flattened_before_composition() -> None:
    """Raising one point of a curve changes nothing: the convex minorant lies below."""
    curve = randomised_response(0.5, 0.05, 15)
    raised = curve.forward_G.copy()
    raised[3] = (raised[2] + raised[3]) / 2
    bumped = PrivacyCurve(curve.step, raised, raised)
    assert bumped.compose(curve).delta(0.3) == pytest.approx(curve.compose(curve).delta(0.3), rel=1e-9)


def test_a_join_that_is_not_convex_is_flattened() -> None:
    """A curve raised at eps = 0 alone; V(0) = 1 and both sides decide the minorant there."""
    curve = randomised_response(0.5, 0.05, 15)
    raised = curve.forward_G.copy()
    raised[0] = min(1.0, raised[0] * 1.2)
    mass, escaped = atoms(raised, raised, curve.step)
    assert mass.sum() + escaped == pytest.approx(1, abs=1e-9)
    assert (mass >= 0).all()


def test_json_round_trip_is_exact() -> None:
    rng = np.random.default_rng(1)
    for curve in (
        randomised_response(0.3, 0.01, 50),
        curve_of(rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3)), 0.1, 9),
    ):
        again = PrivacyCurve.from_dict(json.loads(json.dumps(curve.to_dict())))
        assert again.step == curve.step
        np.testing.assert_array_equal(again.forward_G, curve.forward_G)
        np.testing.assert_array_equal(again.backward_G, curve.backward_G)


@pytest.mark.parametrize("row", [{}, {"step": 0.1}, {"step": 0.1, "forward": [2.0]}, {"step": -1, "forward": [0.1]}])
def test_altered_rows_are_refused(row: dict[str, object]) -> None:
    with pytest.raises(InputError):
        PrivacyCurve.from_dict(row)


def test_curves_fall_and_negative_epsilon_is_refused() -> None:
    curve = randomised_response(0.8, 0.1, 12)
    assert all(a >= b for a, b in pairwise(curve.delta_G))
    with pytest.raises(InputError):
        curve.delta(-0.1)
    with pytest.raises(InputError):
        curve.epsilon(0.0)

"""Outcome laws of one release and of its neighbours, with and without a threshold test."""

import mpmath as mp
import numpy as np
import pytest

from pate.accounting.events import ComposedEvent, ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent, ThresholdTestEvent
from pate.accounting.laws.argmax import output_laws
from pate.accounting.laws.mechanism import MechanismLaw, all_moves, mechanism_law, neighbour_laws, top_changes
from pate.accounting.laws.noise import NoiseLaw
from pate.errors import InputError

CONFIDENT = ConfidentGNMaxEvent(threshold=8.5, sigma_threshold=3.0, sigma=2.0, max_asked=1, max_answered=1)


def discrete_gaussian(sigma: float, reach: int) -> dict[int, mp.mpf]:
    mass = {z: mp.exp(-(mp.mpf(z) ** 2) / (2 * mp.mpf(sigma) ** 2)) for z in range(-reach, reach + 1)}
    total = mp.fsum(mass.values())
    return {z: value / total for z, value in mass.items()}


def test_joint_law_of_confident_gnmax_matches_a_direct_sum() -> None:
    counts, threshold = [7, 5, 0], 8.5
    with mp.workdps(30):
        test, noise = discrete_gaussian(3.0, 60), discrete_gaussian(2.0, 34)
        answered = mp.fsum(p for z, p in test.items() if max(counts) + z >= threshold)
        wins = [mp.mpf(0)] * 3
        below = {z: mp.fsum(p for y, p in noise.items() if y <= z) for z in range(-60, 61)}
        for x in range(-34, 42):
            for j, n in enumerate(counts):
                if abs(x - n) <= 34:
                    rivals = [below[max(-60, min(60, x - m - (k < j)))] for k, m in enumerate(counts) if k != j]
                    wins[j] += noise[x - n] * mp.fprod(rivals)
        expected = [float(answered * w) for w in wins] + [float(1 - answered)]
    law = neighbour_laws(mechanism_law(CONFIDENT), np.array(counts), teachers=12)
    np.testing.assert_allclose(np.exp(law.log_p_O), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "event", [GNMaxEvent(sigma=2.0), LNMaxEvent(scale=3.0), CONFIDENT], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("continuous", [False, True])
def test_every_neighbour_has_the_law_of_its_own_histogram(
    event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent, continuous: bool
) -> None:
    if continuous and isinstance(event, LNMaxEvent):
        event = LNMaxEvent(scale=30.0)
    mechanism, counts = mechanism_law(event, continuous=continuous), np.array([4, 6, 0, 1])
    laws = neighbour_laws(mechanism, counts, teachers=14)
    unit = np.eye(5, dtype=int)[:, :4]
    for log_q, a, b in zip(laws.log_q_MO, laws.from_M, laws.to_M, strict=True):
        own = neighbour_laws(mechanism, counts - unit[a] + unit[b], teachers=14).log_p_O
        np.testing.assert_allclose(log_q, own, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(np.exp(laws.log_q_MO).sum(axis=1), 1.0, rtol=1e-12)


def test_neighbours_are_the_moves_that_somebody_can_make() -> None:
    mechanism = mechanism_law(GNMaxEvent(sigma=2.0))

    def moves(teachers: int, vote: int | None = None) -> set[tuple[int, int]]:
        laws = neighbour_laws(mechanism, np.array([3, 0]), teachers=teachers, vote=vote)
        return set(zip(laws.from_M.tolist(), laws.to_M.tolist(), strict=True))

    assert moves(3) == {(0, 1), (0, 2)}
    assert moves(4) == {(0, 1), (0, 2), (2, 0), (2, 1)}
    assert moves(4, vote=0) == {(0, 1), (0, 2)}
    assert moves(4, vote=-1) == {(2, 0), (2, 1)}
    assert moves(4, vote=1) == set()


def test_the_top_count_changes_as_in_the_moved_histogram() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 4, size=(200, 3))
    a, b = all_moves(3)
    changes = top_changes(counts, a, b)
    unit = np.eye(4, dtype=int)[:, :3]
    for i, row in enumerate(counts):
        for m in range(len(a)):
            if a[m] == 3 or row[a[m]] > 0:
                assert changes[i, m] == (row - unit[a[m]] + unit[b[m]]).max() - row.max()


def test_two_classes_under_the_law_of_a_batch() -> None:
    laws = neighbour_laws(mechanism_law(GNMaxEvent(sigma=5.0)), np.array([9, 2]), teachers=11)
    assert (
        laws.log_p_O.tolist()
        == output_laws(np.array([[9, 2]]), NoiseLaw(family="discrete-gaussian", scale=5.0))[0].tolist()
    )


@pytest.mark.parametrize(
    "event", [ThresholdTestEvent(sigma=1.0), ComposedEvent(events=()), GNMaxEvent(sigma=1.0, moved_votes=2)], ids=repr
)
def test_events_without_a_data_dependent_cost_are_refused(
    event: GNMaxEvent | ThresholdTestEvent | ComposedEvent,
) -> None:
    with pytest.raises(InputError):
        mechanism_law(event)


def test_a_threshold_needs_its_noise() -> None:
    with pytest.raises(InputError):
        MechanismLaw(noise=NoiseLaw(family="gaussian", scale=1.0), threshold=3.0)

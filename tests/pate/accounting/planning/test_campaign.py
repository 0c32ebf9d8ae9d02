from __future__ import annotations

import numpy as np
import pytest

from pate.accounting.data_independent.accountants import data_independent_epsilon
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, RepeatedEvent
from pate.accounting.planning.campaign import (
    ExpectedVotes,
    answer_rate,
    label_accuracy,
    least_epsilon,
    plan_confident,
    plan_gnmax,
)
from pate.errors import InputError

VOTES = ExpectedVotes(teachers=100, classes=10, agreement=(0.95, 0.5), share=(0.8, 0.2))


def test_histograms_hold_every_vote_with_the_top_class_first() -> None:
    for votes in (
        VOTES,
        ExpectedVotes(teachers=51, classes=2, agreement=(0.7,)),
        ExpectedVotes(teachers=80, classes=5, agreement=(0.6, 0.4), share=(0.5, 0.5), runner_up=0.5),
    ):
        counts = votes.histograms()
        assert counts.sum(axis=1).tolist() == [votes.teachers] * len(votes.agreement)
        assert (counts[:, :1] >= counts).all()
    assert counts[0].tolist()[:2] == [48, 16]


def test_accuracy_falls_with_noise_and_simulation_agrees() -> None:
    accuracies = [label_accuracy(VOTES, sigma) for sigma in (5.0, 20.0, 60.0)]
    assert (accuracies[0] > accuracies[1]).all()
    assert (accuracies[1] > accuracies[2]).all()
    rng = np.random.default_rng(0)
    counts = VOTES.histograms()[1]
    noisy = counts + np.round(rng.normal(0, 20.0, size=(40_000, 10)))
    assert (noisy.argmax(axis=1) == 0).mean() == pytest.approx(accuracies[1][1], abs=0.012)


def test_answer_rate_is_a_half_at_the_threshold() -> None:
    assert answer_rate(VOTES, 95, 40.0)[0] == pytest.approx(0.505, abs=0.005)
    assert answer_rate(VOTES, 95, 10.0)[1] < 1e-4


@pytest.mark.parametrize("accountant", ["gaussian", pytest.param("worst_case", marks=pytest.mark.slow)])
def test_plans_keep_their_budget(accountant: str) -> None:
    plain = plan_gnmax(VOTES, labels=60, epsilon=2.0, delta=1e-5, accountant=accountant)
    sure = plan_confident(VOTES, labels=60, epsilon=2.0, delta=1e-5, accountant=accountant)
    for plan in (plain, sure):
        assert plan.epsilon == data_independent_epsilon(plan.event, 1e-5, accountant).epsilon
        assert 1.95 < plan.epsilon <= 2.0
    assert isinstance(plain.event, RepeatedEvent)
    assert plain.event.count == 60
    assert isinstance(sure.event, ConfidentGNMaxEvent)
    assert sure.event.max_answered == 60
    assert sure.expected_answers >= 60
    assert sure.label_accuracy > plain.label_accuracy


def test_a_small_pool_limits_the_questions() -> None:
    plan = plan_confident(VOTES, labels=60, epsilon=2.0, delta=1e-5, pool=70, accountant="gaussian")
    assert isinstance(plan.event, ConfidentGNMaxEvent)
    assert plan.event.max_asked <= 70
    with pytest.raises(InputError):
        plan_confident(VOTES, labels=60, epsilon=2.0, delta=1e-5, pool=50, accountant="gaussian")


@pytest.mark.parametrize("confident", [False, True])
def test_the_reverse_reaches_its_accuracy_with_no_more_than_needed(confident: bool) -> None:
    plan = least_epsilon(VOTES, labels=40, accuracy=0.9, delta=1e-5, confident=confident, accountant="gaussian")
    assert 0.9 <= plan.label_accuracy < 0.93
    make = plan_confident if confident else plan_gnmax
    cheaper = make(VOTES, labels=40, epsilon=plan.epsilon * 0.9, delta=1e-5, accountant="gaussian")
    assert cheaper.label_accuracy < 0.9


def test_more_teachers_need_less_epsilon() -> None:
    more = ExpectedVotes(teachers=300, classes=10, agreement=(0.95, 0.5), share=(0.8, 0.2))
    few, many = (
        least_epsilon(votes, labels=40, accuracy=0.9, delta=1e-5, accountant="gaussian").epsilon
        for votes in (VOTES, more)
    )
    assert many < 0.5 * few


def test_impossible_wishes_are_refused() -> None:
    tied = ExpectedVotes(teachers=10, classes=2, agreement=(0.5,))
    with pytest.raises(InputError):
        least_epsilon(tied, labels=100, accuracy=0.99, delta=1e-5, accountant="gaussian")
    for wrong in (
        {"agreement": (1.2,)},
        {"agreement": (0.5, 0.5)},
        {"agreement": (0.5, 0.5), "share": (0.2, 0.2)},
        {"agreement": (0.9,), "runner_up": 2.0},
        {"agreement": (0.9,), "classes": 1},
    ):
        with pytest.raises(InputError):
            ExpectedVotes(**{"teachers": 10, "classes": 3, **wrong})


def test_single_release_plan_is_a_gnmax() -> None:
    plan = plan_gnmax(VOTES, labels=1, epsilon=0.5, delta=1e-6, accountant="gaussian")
    assert plan.event == RepeatedEvent(event=GNMaxEvent(sigma=plan.event.event.sigma), count=1)  # type: ignore[union-attr]

"""Data-dependent accounts of whole query lists: scopes, order between accountants, refusals."""

import itertools
import math
import pickle

import numpy as np
import pytest

from pate.accounting.curve import EpsilonBound
from pate.accounting.data_dependent.costs import exact, papernot18
from pate.accounting.data_dependent.exact_rdp import neighbour_costs
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import ConfidentGNMaxEvent, GNMaxEvent, LNMaxEvent, RepeatedEvent, ThresholdTestEvent
from pate.accounting.laws.mechanism import LAW_ERROR, mechanism_law, neighbour_laws
from pate.errors import InputError, PrivacyViolation
from pate.votes import VoteHistogram, VoteMatrix

ORDERS = np.array([1.1, 1.5, 2.0, 4.0, 8.0, 20.0, 64.0])
CONFIDENT = ConfidentGNMaxEvent(threshold=24.0, sigma_threshold=15.0, sigma=5.0, max_asked=9, max_answered=9)
EVENTS = [GNMaxEvent(sigma=5.0), LNMaxEvent(scale=4.0), CONFIDENT]
SLACK = LAW_ERROR * (2 * ORDERS - 1) / (ORDERS - 1)


def votes(queries: int = 9, teachers: int = 30, seed: int = 0, abstain: float = 0.1) -> VoteMatrix:
    rng = np.random.default_rng(seed)
    labels = np.where(
        rng.random((teachers, queries)) < 0.75, rng.integers(0, 4, queries), rng.integers(0, 4, (teachers, queries))
    )
    labels = np.where(rng.random((teachers, queries)) < abstain, -1, labels)
    return VoteMatrix.strict(labels, 4)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_teacher_by_teacher_equals_a_naive_sum_over_queries(
    event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent,
) -> None:
    table = votes(queries=5, teachers=8)
    mechanism, counts = mechanism_law(event), table.histogram().counts_QC
    worst = np.zeros((2, len(ORDERS)))
    for teacher in table.labels_TQ:
        total = np.zeros((2, len(ORDERS)))
        for i, vote in enumerate(teacher):
            laws = neighbour_laws(mechanism, counts[i], teachers=8, vote=int(vote))
            p, best = np.exp(laws.log_p_O), np.zeros((2, len(ORDERS)))
            for q in np.exp(laws.log_q_MO):
                a = ORDERS[:, None]
                forward = np.log((p**a * q ** (1 - a)).sum(axis=1)) / (ORDERS - 1)
                backward = np.log((q**a * p ** (1 - a)).sum(axis=1)) / (ORDERS - 1)
                best = np.maximum(best, [forward, backward])
            total += best
        worst = np.maximum(worst, total)
    curve = exact(table, event, orders_A=ORDERS, fixed_in_advance=True).curve
    np.testing.assert_allclose(curve.rdp_A, worst.max(axis=0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_knowing_who_voted_what_is_never_worse(event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent) -> None:
    table = votes()
    by_teacher, by_query = (
        exact(table, event, orders_A=ORDERS, fixed_in_advance=True),
        exact(table.histogram(), event, orders_A=ORDERS, fixed_in_advance=True),
    )
    assert (by_teacher.scope, by_query.scope) == ("per_teacher", "per_query")
    assert (by_teacher.curve.rdp_A <= by_query.curve.rdp_A * (1 + 1e-12)).all()
    if not isinstance(event, LNMaxEvent):  # under Laplace noise a vote for the top costs most at every order
        assert by_teacher.curve.rdp_A[-1] < by_query.curve.rdp_A[-1]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("continuous", [False, True])
def test_exact_is_never_above_the_data_independent_cost(
    event: GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent, continuous: bool
) -> None:
    if isinstance(event, LNMaxEvent) and continuous:
        event = LNMaxEvent(scale=12.0)
    counts = votes(abstain=0.0).histogram()
    whole = event if isinstance(event, ConfidentGNMaxEvent) else RepeatedEvent(event=event, count=9)
    cost = exact(counts, event, orders_A=ORDERS, continuous=continuous, fixed_in_advance=True).curve.rdp_A
    assert (cost <= gaussian_rdp(whole, ORDERS).rdp_A * (1 + 1e-12)).all()
    assert (cost > 0).all()


def test_order_of_the_accountants_for_continuous_noise_in_the_direction_of_the_2018_theorem() -> None:
    rng = np.random.default_rng(2)
    counts = np.array([rng.multinomial(60, p) for p in rng.dirichlet([6, 0.4, 0.4, 0.2], size=40)])
    counts = counts[np.argsort(np.ptp(counts, axis=1))]
    for sigma in (4.0, 9.0):
        event = GNMaxEvent(sigma=sigma)
        forward = neighbour_costs(
            counts, mechanism_law(event, continuous=True), teachers=60, orders_A=ORDERS, per_vote=False
        )[:, 0, 0]
        for row, cost in zip(counts, forward, strict=True):
            one = VoteHistogram.strict(row[None], 60)
            bound = papernot18(one, event, orders_A=ORDERS, fixed_in_advance=True).curve.rdp_A
            assert (cost <= bound * (1 + 1e-9) + 1e-13).all()
            assert (bound <= ORDERS / sigma**2 * (1 + 1e-12)).all()


def test_repeated_histograms_cost_as_often_as_they_occur() -> None:
    once = VoteHistogram.strict(np.array([[20, 8, 2], [15, 15, 0]]), 30)
    often = VoteHistogram.strict(np.repeat(once.counts_QC, [5, 5], axis=0), 30)
    np.testing.assert_allclose(
        exact(often, GNMaxEvent(sigma=5.0), orders_A=ORDERS, fixed_in_advance=True).curve.rdp_A,
        5 * exact(once, GNMaxEvent(sigma=5.0), orders_A=ORDERS, fixed_in_advance=True).curve.rdp_A,
        rtol=1e-10,
    )


def test_rounding_goes_up_by_the_stated_slack() -> None:
    one = VoteHistogram.strict(np.array([[20, 8, 2]]), 30)
    raw = neighbour_costs(
        one.counts_QC, mechanism_law(GNMaxEvent(sigma=5.0)), teachers=30, orders_A=ORDERS, per_vote=False
    )
    added = exact(one, GNMaxEvent(sigma=5.0), orders_A=ORDERS, fixed_in_advance=True).curve.rdp_A - raw[0, 0].max(
        axis=0
    )
    assert (added >= SLACK).all()
    assert (added <= SLACK + 2e-9).all()


def test_mnist_like_votes_cost_less_by_the_exact_law() -> None:
    rng = np.random.default_rng(1)
    agreement = np.clip(rng.beta(9, 0.8, 300), 0.2, 1)
    counts = np.array([rng.multinomial(250, [g, *((1 - g) * np.array([0.6, 0.3, 0.1]))]) for g in agreement])
    event = ConfidentGNMaxEvent(threshold=200.0, sigma_threshold=150.0, sigma=40.0, max_asked=300, max_answered=300)
    listed = VoteHistogram.strict(counts, 250)
    new, old = (
        exact(listed, event, orders_A=np.geomspace(2, 80, 40), fixed_in_advance=True),
        papernot18(listed, event, fixed_in_advance=True),
    )
    assert old.scope == "expected cost"
    assert new.epsilon(1e-5).epsilon < 0.75 * old.epsilon(1e-5).epsilon


def test_an_empty_list_costs_nothing() -> None:
    nothing = VoteHistogram.strict(np.zeros((0, 3), dtype=int), 3)
    assert (exact(nothing, GNMaxEvent(sigma=5.0), orders_A=ORDERS, fixed_in_advance=True).curve.rdp_A == 0).all()
    assert (papernot18(nothing, GNMaxEvent(sigma=5.0), orders_A=ORDERS, fixed_in_advance=True).curve.rdp_A == 0).all()


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("account", [exact, papernot18])
def test_queries_chosen_after_answers_get_no_data_dependent_account(account, event) -> None:  # type: ignore[no-untyped-def]
    adaptive = VoteHistogram.strict(np.array([[3, 1]]), 4)
    with pytest.raises(InputError, match="fixed in advance"):
        account(adaptive, event, fixed_in_advance=False)


@pytest.mark.parametrize("orders", [[1.0], [0.5, 2.0], [2.0, math.inf], [math.nan], [], [3.0, 2.0], [2.0, 2.0]])
def test_orders_that_are_no_renyi_orders_are_refused(orders: list[float]) -> None:
    listed = VoteHistogram.strict(np.array([[3, 1]]), 4)
    for account in (exact, papernot18):
        with pytest.raises(InputError):
            account(listed, GNMaxEvent(sigma=2.0), orders_A=np.array(orders), fixed_in_advance=True)


@pytest.mark.parametrize("event", [ThresholdTestEvent(sigma=1.0), GNMaxEvent(sigma=1.0, moved_votes=2)], ids=repr)
def test_events_without_a_data_dependent_cost_are_refused(event: ThresholdTestEvent | GNMaxEvent) -> None:
    listed = VoteHistogram.strict(np.array([[3, 1]]), 4)
    for account in (exact, papernot18):
        with pytest.raises(InputError):
            account(listed, event, fixed_in_advance=True)


def test_every_data_dependent_number_is_private_and_neither_prints_nor_pickles() -> None:
    listed = VoteHistogram.strict(np.array([[17, 13]]), 30)
    cost = exact(listed, GNMaxEvent(sigma=2.0), orders_A=ORDERS, fixed_in_advance=True)
    bound = cost.epsilon(1e-5)
    assert isinstance(bound, EpsilonBound)
    assert bound.kind == cost.kind == "private"
    assert bound.accountant == "exact (per_query)"
    for private, word in itertools.product((listed, cost, votes()), ("17", "labels", "counts")):
        assert word not in repr(private)
        with pytest.raises(PrivacyViolation):
            pickle.dumps(private)
    with pytest.raises(InputError, match="delta"):
        cost.epsilon(0.0)

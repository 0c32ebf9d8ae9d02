"""Filters against every adaptive protocol that they let through.

With two classes a release shows whether ``X_a - X_b >= 0``, and a neighbour moves the gap by 2: so a campaign that asks
one histogram again and again is binomial, and an adversary who picks the next campaign by the likelihood ratio so far
reaches exactly ``sum_o P(o) max_next V_next(eps - ln P(o)/Q(o))``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np
import pytest
from scipy.special import gammaln

from pate.accounting import data_independent_epsilon
from pate.accounting.data_independent.account_rule import EXCEEDED, AccountRule
from pate.accounting.data_independent.dominating import argmax_family
from pate.accounting.data_independent.filters import MOST_TERMS, filter_of
from pate.accounting.data_independent.recursion import adaptive_curve
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
)
from pate.accounting.privacy_curve import PrivacyCurve, no_release
from pate.arrays import FloatArray

Admits = Callable[[tuple[PrivacyEvent, ...]], bool]


def answers(sigma: float, count: int) -> RepeatedEvent:
    """A campaign."""
    return RepeatedEvent(event=GNMaxEvent(sigma=sigma), count=count)


@lru_cache(maxsize=1024)
def laws(campaign: RepeatedEvent, gap: int) -> tuple[FloatArray, FloatArray]:
    """Logarithms of the laws of how often the first class wins, here and at the neighbour. Shape ``[count + 1]``."""
    assert isinstance(campaign.event, GNMaxEvent)
    sigma, count = campaign.event.sigma, campaign.count
    far = int(12 * sigma) + 40
    noise = np.exp(-((np.arange(-far, far + 1) / sigma) ** 2) / 2)
    both = np.convolve(noise, noise) / noise.sum() ** 2
    difference = np.arange(-2 * far, 2 * far + 1)
    wins = np.arange(count + 1)
    choose = gammaln(count + 1) - gammaln(wins + 1) - gammaln(count - wins + 1)
    found = []
    for centre in (gap, gap - 2):
        won = difference + centre >= 0
        found.append(choose + wins * np.log(both[won].sum()) + (count - wins) * np.log(both[~won].sum()))
    return found[0], found[1]


def exact_delta(
    options: Sequence[RepeatedEvent],
    admits: Admits,
    eps_K: FloatArray,
    *,
    gaps: Sequence[int],
    stages: int,
    charged: tuple[PrivacyEvent, ...] = (),
) -> FloatArray:
    """``delta`` of the best adversary with at most so many stages, a lower bound on that with any. Shape ``[K]``."""
    best_K: FloatArray = np.maximum(0.0, -np.expm1(np.minimum(eps_K, 0.0)))  # stop here
    if stages == 0:
        return best_K
    for option in options:
        if not admits((*charged, option)):
            continue
        for gap in gaps:
            log_p, log_q = laws(option, gap)
            then_KO = exact_delta(
                options,
                admits,
                (eps_K[:, None] - (log_p - log_q)).ravel(),
                gaps=gaps,
                stages=stages - 1,
                charged=(*charged, option),
            ).reshape(len(eps_K), -1)
            best_K = np.maximum(best_K, then_KO @ np.exp(log_p))
    return best_K


def worst_curve(options: Sequence[RepeatedEvent], admits: Admits, stages: int) -> PrivacyCurve:
    """An upper bound on every such protocol with any classes, histograms and orders of queries within campaigns.

    The recursion of ``docs/explanation/accounting.md``, section 5, goes on after each campaign from the largest of what
    is still let through. ``admits`` must not depend on the order of campaigns.
    """

    @cache
    def after(charged: tuple[RepeatedEvent, ...], left: int) -> PrivacyCurve:
        best = no_release(0.05)
        for option in options if left else ():
            grown = tuple(sorted((*charged, option), key=repr))
            if admits(grown):
                assert isinstance(option.event, GNMaxEvent)
                family = argmax_family(option.event.sigma)
                best = largest(best, adaptive_curve(family, option.count, 40.0, then=after(grown, left - 1)))
        return best

    return after((), stages)


def largest(one: PrivacyCurve, two: PrivacyCurve) -> PrivacyCurve:
    """The larger of two curves, at every epsilon."""
    step = min(one.step, two.step)
    rows = [curve.on_grid(step).delta_G for curve in (one, two)]
    size = max(len(row) for row in rows)
    row_G = np.maximum(*(np.pad(row, (0, size - len(row)), mode="edge") for row in rows))
    return PrivacyCurve(step, row_G, row_G)


def composed_alone(rule: AccountRule) -> Admits:
    """Campaigns that an account without a filter would accept: whatever keeps the composed curve within budget."""
    return lambda campaigns: rule.fixed(campaigns).epsilon <= rule.epsilon


def account(epsilon: float, delta: float, accountant: str = "worst_case", *declared: PrivacyEvent) -> AccountRule:
    return AccountRule(epsilon=epsilon, delta=delta, accountant=accountant, declared=declared)


ALTERNATIVES = [
    (21.38, 0.0033483, answers(4.5, 40), answers(0.28, 1), answers(1.7612, 40)),
    (28.7713, 1.8357265247438387e-05, answers(4.2, 29), answers(0.303, 1), answers(1.3419, 24)),
    (22.1196, 0.0003539688532064058, answers(3.52, 29), answers(0.356, 1), answers(1.4359, 21)),
]
"""Epsilon, delta, a first campaign, and two to choose from once its answers are known."""


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp", "gaussian"])
@pytest.mark.parametrize(("epsilon", "delta", "first", "one", "other"), ALTERNATIVES)
def test_two_continuations_that_each_fit_leak_too_much_together_and_the_filter_knows(
    epsilon: float, delta: float, first: RepeatedEvent, one: RepeatedEvent, other: RepeatedEvent, accountant: str
) -> None:
    at, options, gaps = np.array([epsilon]), [first, one, other], (-2, -1, 0, 1, 2)
    tight = account(epsilon, delta)
    unfiltered = composed_alone(tight)
    assert unfiltered((first, one))
    assert unfiltered((first, other))
    assert exact_delta(options, unfiltered, at, gaps=gaps, stages=2)[0] > 1.08 * delta
    rule = account(epsilon, delta, accountant)
    assert not (rule.admits((first, one)) and rule.admits((first, other)))
    assert exact_delta(options, rule.admits, at, gaps=gaps, stages=2)[0] <= delta
    assert worst_curve(options, rule.admits, 3).delta(epsilon) <= delta


def drawn(seed: int) -> tuple[list[RepeatedEvent], float]:
    """Campaigns and a failure probability."""
    rng = np.random.default_rng(seed)
    noise, counts = rng.uniform([2, 2, 1.5], [8, 6, 4]), rng.integers(1, [20, 12, 6])
    options = [answers(round(float(s), 2), int(n)) for s, n in zip(noise, counts, strict=True)]
    return options, float(10 ** rng.uniform(-5, -2))


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp"])
@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_no_adaptive_protocol_that_a_filter_lets_through_exceeds_delta(seed: int, accountant: str) -> None:
    options, delta = drawn(seed)
    wide = filter_of(epsilon=8.0, delta=delta, accountant=accountant)
    epsilon = wide.epsilon(options, delta) * 1.05
    rule = account(epsilon, delta, accountant)
    assert rule.admits(options)
    assert exact_delta(options, rule.admits, np.array([epsilon]), gaps=(0, 1), stages=2)[0] <= delta
    reached = worst_curve(options, rule.admits, 3).delta(epsilon)
    assert 0 < reached <= delta


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp"])
def test_campaigns_that_are_open_at_once_and_answer_by_turns_do_not_exceed_delta(accountant: str) -> None:
    """Release by release: the adversary asks under any open campaign, or opens another that the filter lets through."""
    options, delta = [answers(4.0, 2), answers(7.0, 2), answers(2.5, 1)], 1e-3
    epsilon = filter_of(epsilon=5.0, delta=delta, accountant=accountant).epsilon(options, delta) * 1.02
    rule = account(epsilon, delta, accountant)
    assert rule.admits(options)
    families = {option: argmax_family(option.event.sigma) for option in options if isinstance(option.event, GNMaxEvent)}

    @cache
    def after(charged: tuple[RepeatedEvent, ...], waiting: tuple[tuple[RepeatedEvent, int], ...]) -> PrivacyCurve:
        best = no_release(0.05)
        for option, _ in waiting:
            rest = tuple((other, n - (other is option)) for other, n in waiting if n > (other is option))
            best = largest(best, adaptive_curve(families[option], 1, 30.0, then=after(charged, rest)))
        for option in options:
            grown = tuple(sorted((*charged, option), key=repr))
            if len(grown) <= 3 and rule.admits(grown):
                merged = dict(waiting)
                merged[option] = merged.get(option, 0) + option.count
                best = largest(best, after(grown, tuple(sorted(merged.items(), key=repr))))
        return best

    reached = after((), ()).delta(epsilon)
    assert 0 < reached <= delta


def test_a_filter_of_many_campaigns_is_filled_almost_to_the_last() -> None:
    """A hundred answers at a time, whatever the earlier ones say: the best adversary comes near delta and not beyond,
    and the fixed sequence is hardly larger than what the filter takes it for."""
    campaign = answers(40.0, 100)
    rule = account(2.0, 1e-5)
    most = next(n for n in itertools.count(1) if not rule.admits((campaign,) * (n + 1)))
    assert most == 3
    reached = worst_curve([campaign], rule.admits, most + 1).delta(2.0)
    assert reached <= 1e-5
    figure, composed = rule.total((campaign,) * most).epsilon, rule.fixed((campaign,) * most).epsilon
    assert composed <= figure <= composed * 1.01


CONFIDENT = ConfidentGNMaxEvent(threshold=200, sigma_threshold=150.0, sigma=40.0, max_asked=640, max_answered=286)
SOME = (CONFIDENT, answers(40.0, 100), RepeatedEvent(event=LNMaxEvent(scale=60.0), count=20), answers(60.0, 40))


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp", "gaussian"])
def test_a_filter_knows_no_order_and_every_campaign_costs(accountant: str) -> None:
    held = filter_of(epsilon=6.0, delta=1e-5, accountant=accountant)
    figures = {held.epsilon(order, 1e-5) for order in itertools.permutations(SOME)}
    assert len(figures) == 1
    growing = [held.epsilon(SOME[:count], 1e-5) for count in range(5)]
    assert growing[0] == 0
    assert all(low < high for low, high in itertools.pairwise(growing))
    for campaign in SOME:
        assert held.epsilon((campaign,), 1e-5) >= data_independent_epsilon(campaign, 1e-5, accountant).epsilon
        assert held.admits((campaign,))
    assert held.epsilon(SOME, 1e-4) < held.epsilon(SOME, 1e-5)


@pytest.mark.parametrize("accountant", ["worst_case", "worst_case_rdp", "gaussian"])
@pytest.mark.parametrize(("epsilon", "count"), [(0.6, 3), (2.5, 30), (9.0, 150)])
def test_what_is_admitted_stays_within_the_budget_and_what_is_not_does_not(
    accountant: str, epsilon: float, count: int
) -> None:
    rule = account(epsilon, 1e-5, accountant)
    campaigns: tuple[PrivacyEvent, ...] = ()
    for _ in range(200):
        campaigns = (*campaigns, answers(40.0, count))
        total = rule.total(campaigns)
        if not rule.admits(campaigns):
            break
        assert total.epsilon <= epsilon
        assert rule.left(campaigns) <= epsilon - total.epsilon + 1e-12
    assert len(campaigns) > 1
    assert total.epsilon > epsilon * 0.999
    assert total.accountant == EXCEEDED + rule.filter.name
    assert rule.left(campaigns) == 0


def test_one_campaign_alone_has_its_own_figure_and_may_use_all_of_the_budget() -> None:
    own = data_independent_epsilon(CONFIDENT, 1e-5, "worst_case")
    for epsilon in (own.epsilon, own.epsilon + 1e-9, 5.0):
        rule = account(epsilon, 1e-5)
        assert rule.admits((CONFIDENT,))
        assert rule.total((CONFIDENT,)) == own
    assert not account(own.epsilon * (1 - 1e-9), 1e-5).admits((CONFIDENT,))
    small = answers(4000.0, 1)
    exact = account(own.epsilon, 1e-5)
    assert not exact.admits((CONFIDENT, small)), "alone it is more than the filter's, so nothing can follow"
    assert not exact.admits((small, CONFIDENT)), "and it cannot follow anything"
    assert exact.left((CONFIDENT,)) == 0
    assert account(5.0, 1e-5).admits((CONFIDENT, small))


def test_a_declared_sequence_is_held_by_its_curve_and_binds_where_the_filter_would_not_hold_it() -> None:
    parts = (answers(40.0, 100), CONFIDENT, answers(40.0, 100))
    whole = data_independent_epsilon(ComposedEvent(events=parts), 1e-5, "worst_case").epsilon
    rule = account(whole, 1e-5, "worst_case", *parts)
    assert rule.bound
    for order in itertools.permutations(parts):
        for count in range(1, 4):
            assert rule.admits(order[:count])
            assert rule.total(order[:count]).accountant == "worst_case"
    assert rule.admits((answers(40.0, 60), answers(40.0, 140))), "in portions"
    assert not rule.admits((answers(41.0, 1),)), "from the first charge on nothing else"
    assert not rule.admits((*parts, answers(40.0, 1)))
    assert rule.total(parts).epsilon == pytest.approx(whole)
    assert rule.left(parts[:1]) == pytest.approx(whole - rule.total(parts[:1]).epsilon)
    assert rule.left((*parts, answers(40.0, 1))) == 0
    outside = rule.total((parts[0], answers(41.0, 1)))
    assert outside.accountant == EXCEEDED + "gdp_filter(worst_case)", "an account that was linked later"
    roomy = account(whole * 1.1, 1e-5, "worst_case", *parts)
    assert not roomy.bound
    assert roomy.admits((parts[0], answers(41.0, 1)))
    assert not account(whole * 0.99, 1e-5, "worst_case", *parts).admits(parts[:1])


def test_declaring_buys_what_the_filter_would_refuse_and_mixing_both_is_refused() -> None:
    """The alternatives again: each of the two may be declared, and then the other is refused at once."""
    epsilon, delta, first, one, other = ALTERNATIVES[0]
    for declared, not_declared in ((one, other), (other, one)):
        rule = account(epsilon, delta, "worst_case", first, declared)
        assert rule.bound
        assert rule.admits((first, declared))
        assert not rule.admits((first, not_declared))
        reached = worst_curve([first, one, other], rule.admits, 3).delta(epsilon)
        assert reached <= delta * 1.001, "the figure is exact to its last digit, the bound here rounds up more"


def test_a_budget_that_no_order_can_keep_admits_nothing_but_one_campaign_alone() -> None:
    rule = account(1e-4, 1e-5, "gaussian")
    quiet = answers(1e7, 1)
    assert rule.filter.epsilon((quiet,), 1e-5) > rule.epsilon
    assert not rule.admits((quiet, quiet))
    assert rule.left(()) == rule.epsilon, "for one campaign alone"
    assert not rule.admits((answers(40.0, 1),))


def test_there_are_never_more_terms_than_delta_was_spared_for() -> None:
    rule = account(4.0, 1e-5)
    tiny = answers(1e5, 1)
    assert rule.admits((tiny,) * (MOST_TERMS - 1))
    assert not rule.admits((tiny,) * (MOST_TERMS + 1))


def test_a_guarantee_at_other_deltas_comes_from_the_same_costs() -> None:
    rule = account(5.0, 1e-5)
    pair = (CONFIDENT, answers(40.0, 40))
    name = rule.total(pair).accountant
    figures = [rule.epsilon_by(name, pair, delta) for delta in (1e-3, 1e-5, 1e-7)]
    assert figures == sorted(figures)
    assert figures[1] == rule.total(pair).epsilon
    assert rule.epsilon_by(name, pair, 1e-10) == math.inf, "below what the filter spares"
    cost = rule.filter.rdp(pair, np.array([2.0, 8.0]))
    assert cost[1] == pytest.approx(4 * cost[0])
    renyi = account(5.0, 1e-5, "gaussian").filter
    assert renyi.order is not None
    below, above = renyi.rdp(pair, np.array([renyi.order, renyi.order + 1]))
    assert math.isfinite(below)
    assert above == math.inf

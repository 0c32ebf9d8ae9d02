from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pate.accounting.data_independent.accountants import ACCOUNTANTS, data_independent_epsilon, rough_epsilon
from pate.accounting.data_independent.composition import privacy_curve
from pate.accounting.data_independent.dominating import argmax_family, threshold_family
from pate.accounting.data_independent.recursion import chained_curve
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    SanitisedReleaseEvent,
    ThresholdTestEvent,
    leaves,
)
from pate.accounting.privacy_curve import PrivacyCurve
from pate.errors import InputError

MNIST_LIKE = ConfidentGNMaxEvent(threshold=200, sigma_threshold=150, sigma=40, max_asked=640, max_answered=286)
EVENTS: dict[str, PrivacyEvent] = {
    "one argmax": GNMaxEvent(sigma=6.0),
    "two votes": RepeatedEvent(event=GNMaxEvent(sigma=30.0, moved_votes=2), count=10),
    "tests": RepeatedEvent(event=ThresholdTestEvent(sigma=25.0), count=50),
    "wide tests": RepeatedEvent(event=ThresholdTestEvent(sigma=25.0, moved_votes=3), count=20),
    "laplace": RepeatedEvent(event=LNMaxEvent(scale=15.0), count=40),
    "campaign": ConfidentGNMaxEvent(threshold=20, sigma_threshold=30, sigma=20, max_asked=60, max_answered=25),
    "little noise": RepeatedEvent(event=GNMaxEvent(sigma=1.0), count=500),
    "nothing": ComposedEvent(events=()),
}


def epsilon(event: PrivacyEvent, accountant: str = "worst_case", delta: float = 1e-5) -> float:
    return data_independent_epsilon(event, delta, accountant).epsilon


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("delta", [1e-12, 1e-5, 1e-2])
def test_accountants_are_ordered(name: str, delta: float) -> None:
    tight, rdp, plain = (epsilon(EVENTS[name], kind, delta) for kind in ("worst_case", "worst_case_rdp", "gaussian"))
    assert tight <= rdp <= plain


def test_published_campaign_costs_two() -> None:
    """640 asked, 286 answered with the noise of Papernot et al. (2018) on MNIST, delta 1e-5: 1.996 with plain grids
    and continuous noise in the design notes; 2.76 by the plain Gaussian bound."""
    assert 1.98 <= epsilon(MNIST_LIKE) <= 2.02


@pytest.mark.parametrize(("count", "low", "high"), [(40, 0.650, 0.666), (100, 1.06, 1.085), (286, 1.89, 1.93)])
def test_published_answers_alone(count: int, low: float, high: float) -> None:
    """Argmax releases at sigma 40, delta 1e-5: 0.66, 1.08, 1.90 with plain grids in the design notes."""
    assert low <= epsilon(RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=count)) <= high


def test_cost_rises_with_count_and_falls_with_noise_and_delta() -> None:
    by_count = [epsilon(RepeatedEvent(event=GNMaxEvent(sigma=25.0), count=count)) for count in (1, 4, 30, 300)]
    by_sigma = [epsilon(RepeatedEvent(event=GNMaxEvent(sigma=sigma), count=30)) for sigma in (3.0, 25.0, 26.0)]
    by_delta = [epsilon(MNIST_LIKE, delta=delta) for delta in (1e-12, 1e-5, 1e-3)]
    assert by_count == sorted(by_count)
    assert by_sigma == sorted(by_sigma, reverse=True)
    assert by_delta == sorted(by_delta, reverse=True)


def test_nesting_does_not_change_the_cost() -> None:
    flat = ComposedEvent(
        events=(
            RepeatedEvent(event=GNMaxEvent(sigma=30.0), count=12),
            RepeatedEvent(event=LNMaxEvent(scale=40.0), count=5),
        )
    )
    half = ComposedEvent(
        events=(RepeatedEvent(event=GNMaxEvent(sigma=30.0), count=4), GNMaxEvent(sigma=30.0), GNMaxEvent(sigma=30.0))
    )
    nested = ComposedEvent(events=(RepeatedEvent(event=half, count=2), ComposedEvent(events=(flat.events[1],))))
    assert leaves(nested) == leaves(flat)
    assert epsilon(nested) == epsilon(flat)


def test_stored_curves_compose_to_what_the_joint_event_costs() -> None:
    """Two campaigns with their own noise, the first curve read back from JSON."""
    first = ConfidentGNMaxEvent(threshold=20, sigma_threshold=60, sigma=30, max_asked=80, max_answered=30)
    second = ConfidentGNMaxEvent(threshold=20, sigma_threshold=50, sigma=40, max_asked=50, max_answered=20)
    curves = [privacy_curve(event) for event in (first, second)]
    assert curves[0] is not None
    assert curves[1] is not None
    stored = PrivacyCurve.from_dict(json.loads(json.dumps(curves[0].to_dict())))
    joint = epsilon(ComposedEvent(events=(first, second)))
    assert stored.compose(curves[1]).epsilon(1e-5) == pytest.approx(joint, rel=2e-3)
    assert joint < epsilon(first) + epsilon(second)
    assert joint > max(epsilon(first), epsilon(second))


def test_composed_curves_bound_every_fixed_order() -> None:
    """Tests before answers, answers before tests, alternating: each is one adaptive protocol, so none costs more."""
    sigma_threshold, sigma = 18.0 * 0.08 / 0.113, 18.0
    test, answer = threshold_family(sigma_threshold, 1), argmax_family(sigma)
    assert test.step == pytest.approx(answer.step, rel=1e-9)
    test = replace(test, step=answer.step)
    curve = privacy_curve(
        ConfidentGNMaxEvent(threshold=1, sigma_threshold=sigma_threshold, sigma=sigma, max_asked=20, max_answered=20)
    )
    assert curve is not None
    for sequence in ([test] * 20 + [answer] * 20, [answer] * 20 + [test] * 20, [test, answer] * 20):
        ordered = chained_curve(sequence, answer.step, 4.0)
        for target in (0.3, 1.0, 2.0):
            assert ordered.delta(target) <= curve.delta(target) * 1.002
            assert curve.delta(target) <= ordered.delta(target) * 1.4


@pytest.mark.slow
def test_curves_composed_with_themselves_cost_little_more_than_the_recursion() -> None:
    """Beyond 700 steps the curve is doubled: at 700 and at 701 epsilon is nearly the same."""
    below, above = (epsilon(RepeatedEvent(event=GNMaxEvent(sigma=30.0), count=count)) for count in (700, 702))
    assert below < above < below * 1.006


def test_releases_without_a_recursion_enter_by_their_renyi_curve() -> None:
    """Several votes moved, and a sanitised figure: alone they cost what Renyi-DP says, with others less."""
    two_votes = EVENTS["two votes"]
    figure = SanitisedReleaseEvent(order=10.0, beta=0.02, sigma_ss=8.0, tau_s=1.0)
    campaign = EVENTS["campaign"]
    for event in (two_votes, figure):
        curve = privacy_curve(event)
        assert curve is not None
        assert curve.epsilon(1e-5) == pytest.approx(epsilon(event, "worst_case_rdp"), rel=2e-3)
        joint = epsilon(ComposedEvent(events=(campaign, event)))
        assert joint <= epsilon(ComposedEvent(events=(campaign, event)), "worst_case_rdp")
        assert epsilon(campaign) < joint < epsilon(campaign) + epsilon(event)
    assert epsilon(two_votes) == pytest.approx(epsilon(two_votes, "gaussian"), rel=1e-3)


def test_hopeless_noise_has_no_curve() -> None:
    assert privacy_curve(EVENTS["little noise"]) is None
    assert privacy_curve(ComposedEvent(events=(GNMaxEvent(sigma=20.0), EVENTS["little noise"]))) is None
    assert epsilon(EVENTS["little noise"]) == epsilon(EVENTS["little noise"], "worst_case_rdp")


def test_every_bound_names_its_accountant() -> None:
    for name in ACCOUNTANTS:
        bound = data_independent_epsilon(EVENTS["campaign"], 1e-6, name)
        assert (bound.accountant, bound.kind, bound.delta) == (name, "data-independent", 1e-6)
    with pytest.raises(InputError, match="worst_case"):
        data_independent_epsilon(EVENTS["campaign"], 1e-6, "unknown")
    with pytest.raises(InputError):
        data_independent_epsilon(EVENTS["campaign"], 0.0, "worst_case")


def test_the_supremum_of_hockey_sticks_for_each_epsilon_apart_gains_nothing() -> None:
    """Why the recursion exists: composing the one-release curve is no better than the Gaussian's own composition."""
    once = privacy_curve(GNMaxEvent(sigma=40.0))
    adaptive = privacy_curve(RepeatedEvent(event=GNMaxEvent(sigma=40.0), count=256))
    assert once is not None
    assert adaptive is not None
    assert adaptive.epsilon(1e-5) < 0.85 * once.repeated(8).epsilon(1e-5)


@pytest.mark.parametrize("event", [GNMaxEvent(sigma=3e4), ThresholdTestEvent(sigma=1e6)], ids=repr)
def test_more_noise_than_tables_hold_costs_the_gaussian_bound(event: GNMaxEvent | ThresholdTestEvent) -> None:
    many = RepeatedEvent(event=event, count=10_000)
    assert epsilon(many, "worst_case_rdp") == epsilon(many, "gaussian")
    assert 0.9 * epsilon(many, "gaussian") < epsilon(many) <= epsilon(many, "gaussian")


def test_a_rough_epsilon_is_a_little_above_the_fine_one() -> None:
    many = RepeatedEvent(event=GNMaxEvent(sigma=12.0), count=200)
    fine, rough = epsilon(many), rough_epsilon(many, 1e-5, "worst_case").epsilon
    assert fine < rough < 1.025 * fine
    assert rough_epsilon(many, 1e-5, "gaussian").epsilon == epsilon(many, "gaussian")


@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize(
    "event", [GNMaxEvent(sigma=5.0), GNMaxEvent(sigma=60.0), ThresholdTestEvent(sigma=9.0)], ids=repr
)
def test_leaving_tables_out_changes_no_epsilon(event: GNMaxEvent | ThresholdTestEvent, count: int) -> None:
    many = RepeatedEvent(event=event, count=count)
    curve = privacy_curve(many)
    assert curve is not None
    for delta in (1e-9, 1e-5, 1e-2):
        assert epsilon(many, delta=delta) == min(curve.epsilon(delta), epsilon(many, "worst_case_rdp", delta))

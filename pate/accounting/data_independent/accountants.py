"""Data-independent accountants by name: what a ledger enforces and a report prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from pate import defaults
from pate.accounting.curve import EpsilonBound, RDPCurve
from pate.accounting.data_independent.composition import MOST_STEPS, privacy_curve
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.data_independent.worst_case_rdp import worst_case_rdp
from pate.accounting.events import GNMaxEvent, PrivacyEvent, ThresholdTestEvent, leaves
from pate.errors import expected

DEFAULT_ACCOUNTANT = defaults.DEFAULT_ACCOUNTANT
"""Default of functions, commands and configurations."""
_ROUGH_STEPS = 80
_LITTLE_NOISE = 5.0  # votes


def _gaussian(event: PrivacyEvent, delta: float) -> EpsilonBound:
    epsilon, order = gaussian_rdp(event).epsilon(delta)
    return EpsilonBound(epsilon=epsilon, delta=delta, kind="data-independent", accountant="gaussian", order=order)


def _worst_case_rdp(event: PrivacyEvent, delta: float) -> EpsilonBound:
    epsilon, order = worst_case_rdp(event).epsilon(delta)
    return EpsilonBound(epsilon=epsilon, delta=delta, kind="data-independent", accountant="worst_case_rdp", order=order)


def _worst_case(event: PrivacyEvent, delta: float, most_steps: int = MOST_STEPS) -> EpsilonBound:
    curve = privacy_curve(event, most_steps=most_steps)
    by_curve, order = math.inf if curve is None else curve.epsilon(delta), None
    if by_curve > _rdp_floor(event, delta):
        by_rdp = _worst_case_rdp(event, delta)
        if by_rdp.epsilon <= by_curve:
            by_curve, order = by_rdp.epsilon, by_rdp.order
    return EpsilonBound(epsilon=by_curve, delta=delta, kind="data-independent", accountant="worst_case", order=order)


def _rdp_floor(event: PrivacyEvent, delta: float) -> float:
    """Lower bound on ``worst_case_rdp`` where noise is 5 votes or more (0.63 of the Gaussian cost; costs near
    ``2/pi`` of it are found at every order), so that its tables are made only where they might decide."""
    if any(isinstance(leaf, GNMaxEvent | ThresholdTestEvent) and leaf.sigma < _LITTLE_NOISE for leaf in leaves(event)):
        return 0.0
    plain = gaussian_rdp(event)
    return RDPCurve(plain.orders_A, 0.63 * plain.rdp_A).epsilon(delta)[0]


ACCOUNTANTS: dict[str, Callable[[PrivacyEvent, float], EpsilonBound]] = {
    "gaussian": _gaussian,
    "worst_case_rdp": _worst_case_rdp,
    "worst_case": _worst_case,
}


def data_independent_epsilon(event: PrivacyEvent, delta: float, accountant: str = DEFAULT_ACCOUNTANT) -> EpsilonBound:
    """The data-independent cost of an event at ``delta``.

    Args:
        event: everything that is released, composed.
        delta: failure probability in (0, 1).
        accountant: one of ``ACCOUNTANTS``.

    Raises:
        InputError: no such accountant, or delta outside (0, 1).
    """
    if accountant not in ACCOUNTANTS:
        raise expected(f"an accountant out of {sorted(ACCOUNTANTS)}", "choose one of them", accountant=accountant)
    return _cached(event, delta, accountant)


@lru_cache(maxsize=4096)
def rough_epsilon(event: PrivacyEvent, delta: float, accountant: str) -> EpsilonBound:
    """Upper bound on the same cost as ``data_independent_epsilon``, up to 2% above it and quicker; for comparing
    campaigns before one is chosen."""
    if accountant != "worst_case":
        return data_independent_epsilon(event, delta, accountant)
    return _worst_case(event, delta, _ROUGH_STEPS)


@lru_cache(maxsize=4096)
def _cached(event: PrivacyEvent, delta: float, accountant: str) -> EpsilonBound:
    return ACCOUNTANTS[accountant](event, delta)

"""Data-independent accountants by name: what a ledger enforces and a report prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from pate.accounting.composition import privacy_curve
from pate.accounting.curve import EpsilonBound
from pate.accounting.events import PrivacyEvent
from pate.accounting.gaussian import gaussian_rdp
from pate.accounting.worst_case import worst_case_rdp
from pate.errors import expected


def _gaussian(event: PrivacyEvent, delta: float) -> EpsilonBound:
    epsilon, order = gaussian_rdp(event).epsilon(delta)
    return EpsilonBound(epsilon=epsilon, delta=delta, kind="data-independent", accountant="gaussian", order=order)


def _worst_case_rdp(event: PrivacyEvent, delta: float) -> EpsilonBound:
    epsilon, order = worst_case_rdp(event).epsilon(delta)
    return EpsilonBound(epsilon=epsilon, delta=delta, kind="data-independent", accountant="worst_case_rdp", order=order)


def _worst_case(event: PrivacyEvent, delta: float) -> EpsilonBound:
    by_rdp = _worst_case_rdp(event, delta)
    curve = privacy_curve(event)
    by_curve = math.inf if curve is None else curve.epsilon(delta)
    return EpsilonBound(
        epsilon=min(by_curve, by_rdp.epsilon),
        delta=delta,
        kind="data-independent",
        accountant="worst_case",
        order=None if by_curve < by_rdp.epsilon else by_rdp.order,
    )


ACCOUNTANTS: dict[str, Callable[[PrivacyEvent, float], EpsilonBound]] = {
    "gaussian": _gaussian,
    "worst_case_rdp": _worst_case_rdp,
    "worst_case": _worst_case,
}


def data_independent_epsilon(event: PrivacyEvent, delta: float, accountant: str = "gaussian") -> EpsilonBound:
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
def _cached(event: PrivacyEvent, delta: float, accountant: str) -> EpsilonBound:
    return ACCOUNTANTS[accountant](event, delta)

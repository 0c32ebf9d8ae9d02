"""Data-independent accountants by name: what a ledger enforces and a report prints."""

from __future__ import annotations

from collections.abc import Callable

from pate.accounting.curve import EpsilonBound
from pate.accounting.events import PrivacyEvent
from pate.accounting.gaussian import gaussian_rdp
from pate.errors import expected


def _gaussian(event: PrivacyEvent, delta: float) -> EpsilonBound:
    epsilon, order = gaussian_rdp(event).epsilon(delta)
    return EpsilonBound(epsilon=epsilon, delta=delta, kind="data-independent", accountant="gaussian", order=order)


ACCOUNTANTS: dict[str, Callable[[PrivacyEvent, float], EpsilonBound]] = {"gaussian": _gaussian}


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
    return ACCOUNTANTS[accountant](event, delta)

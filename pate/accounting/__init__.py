"""Privacy accounting: events, curves and accountants. Imports numpy and scipy only."""

from pate.accounting.curve import DEFAULT_ORDERS, EpsilonBound, RDPCurve
from pate.accounting.data_independent.accountants import ACCOUNTANTS, DEFAULT_ACCOUNTANT, data_independent_epsilon
from pate.accounting.data_independent.gaussian import gaussian_rdp
from pate.accounting.events import (
    ComposedEvent,
    ConfidentGNMaxEvent,
    GNMaxEvent,
    LNMaxEvent,
    PrivacyEvent,
    RepeatedEvent,
    ThresholdTestEvent,
)

__all__ = [
    "ACCOUNTANTS",
    "DEFAULT_ACCOUNTANT",
    "DEFAULT_ORDERS",
    "ComposedEvent",
    "ConfidentGNMaxEvent",
    "EpsilonBound",
    "GNMaxEvent",
    "LNMaxEvent",
    "PrivacyEvent",
    "RDPCurve",
    "RepeatedEvent",
    "ThresholdTestEvent",
    "data_independent_epsilon",
    "gaussian_rdp",
]

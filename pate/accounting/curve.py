"""Renyi-DP curves and their conversion to (epsilon, delta)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from pate.arrays import FloatArray
from pate.errors import expected

BoundKind: TypeAlias = Literal["data-independent", "sanitised", "private"]

DEFAULT_ORDERS: FloatArray = np.unique(
    np.concatenate([1 + np.geomspace(0.01, 9, 120), np.arange(10, 64, 0.5), np.geomspace(64, 2048, 80)])
)
"""Default orders (all > 1) of every accountant."""
DEFAULT_ORDERS.setflags(write=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonBound:
    """An epsilon with everything needed to interpret it.

    Attributes:
        epsilon: nats; infinite where the accountant has no finite bound.
        delta: the failure probability that epsilon goes with.
        kind: ``data-independent`` numbers are a guarantee and public; ``sanitised`` ones are a public, noisy
            estimate; ``private`` ones are functions of the votes and stay on the private side.
        accountant: the name of the accountant that computed it.
        order: the Renyi order that gave it, or ``None`` where none was involved.
    """

    epsilon: float
    delta: float
    kind: BoundKind
    accountant: str
    order: float | None = None

    def __post_init__(self) -> None:
        require_delta(self.delta)
        if math.isnan(self.epsilon) or self.epsilon < 0:
            raise expected("epsilon >= 0", "an accountant returned no bound", epsilon=self.epsilon)


def require_delta(delta: float) -> None:
    """Raise ``InputError`` unless ``0 < delta < 1``."""
    if not 0 < delta < 1:
        raise expected("0 < delta < 1", "choose a delta well below one over the number of units", delta=delta)


@final
@dataclass(frozen=True, slots=True)
class RDPCurve:
    """Renyi-DP of a release at several orders (Mironov 2017, definition 4).

    Attributes:
        orders_A: Renyi orders, each > 1, increasing. Shape ``[A]``.
        rdp_A: the bound at each order, nats; may be infinite. Shape ``[A]``.
    """

    orders_A: FloatArray
    rdp_A: FloatArray

    def __post_init__(self) -> None:
        orders, rdp = np.asarray(self.orders_A, dtype=np.float64), np.asarray(self.rdp_A, dtype=np.float64)
        if orders.ndim != 1 or orders.shape != rdp.shape or orders.size == 0:
            raise expected("orders and costs of one length", "give one cost per order", shape=rdp.shape)
        if not (np.isfinite(orders).all() and (orders > 1).all()):
            raise expected("finite Renyi orders > 1", "remove the others", lowest=float(orders.min()))
        if np.isnan(rdp).any() or (rdp < 0).any():
            raise expected("costs >= 0 at every order", "an accountant returned no bound", rdp=rdp.tolist()[:5])
        object.__setattr__(self, "orders_A", orders)
        object.__setattr__(self, "rdp_A", rdp)

    def __add__(self, other: RDPCurve) -> RDPCurve:
        """Adaptive composition: costs add order by order (Mironov 2017, proposition 1)."""
        if not np.array_equal(self.orders_A, other.orders_A):
            raise expected("curves on the same orders", "evaluate both on one grid", orders=len(other.orders_A))
        return RDPCurve(self.orders_A, self.rdp_A + other.rdp_A)

    def repeated(self, count: int) -> RDPCurve:
        """The cost of ``count`` adaptive uses."""
        return RDPCurve(self.orders_A, self.rdp_A * count)

    def epsilon(self, delta: float) -> tuple[float, float]:
        """``(epsilon, order)`` at ``delta`` by the conversion of Canonne, Kamath, Steinke (2020), prop. 12:
        ``rdp + log1p(-1/alpha) - (log(delta) + log(alpha)) / (alpha - 1)``, clamped at 0, smallest over orders."""
        require_delta(delta)
        orders = self.orders_A
        if not self.rdp_A.any():
            return 0.0, float(orders[-1])  # nothing was released
        eps_A = self.rdp_A + np.log1p(-1 / orders) - (math.log(delta) + np.log(orders)) / (orders - 1)
        return _smallest(eps_A, orders)

    def epsilon_2017(self, delta: float) -> tuple[float, float]:
        """``(epsilon, order)`` by the older conversion ``rdp + log(1/delta) / (alpha - 1)`` (Mironov 2017,
        proposition 3); only for comparison with literature that used it."""
        require_delta(delta)
        return _smallest(self.rdp_A - math.log(delta) / (self.orders_A - 1), self.orders_A)


def _smallest(eps_A: FloatArray, orders_A: FloatArray) -> tuple[float, float]:
    best = int(np.argmin(eps_A))
    return max(0.0, float(eps_A[best])), float(orders_A[best])

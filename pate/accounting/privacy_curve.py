"""Whole (epsilon, delta) curves, certified from above, and their composition.

A curve represents a pair of laws ``(P, Q)`` by ``delta(eps) = sup_S P(S) - e^eps Q(S)``, which is convex and
falling in ``t = e^eps``. It is kept at multiples of one step for ``eps >= 0`` in both directions; negative ``eps``
follow from ``delta_PQ(-eps) = 1 - e^-eps (1 - delta_QP(eps))``. Between grid points a chord in ``t``, and right of
the grid the last value, are upper bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from pate.accounting.curve import RDPCurve, require_delta
from pate.arrays import FloatArray
from pate.errors import expected

MOST_NODES = 6000
NEGLIGIBLE = 1e-18
"""Grids end where delta falls below this; the last value holds to its right."""


@final
@dataclass(frozen=True, slots=True)
class PrivacyCurve:
    """Upper bounds on ``delta`` at ``eps = step * g`` for every pair of neighbours, both directions.

    Attributes:
        step: distance of grid points, nats.
        forward_G: ``delta`` of one direction. Shape ``[G]``, not increasing.
        backward_G: ``delta`` of the other; equal where the release treats both alike. Shape ``[G]``.
    """

    step: float
    forward_G: FloatArray
    backward_G: FloatArray

    def __post_init__(self) -> None:
        if not (math.isfinite(self.step) and self.step > 0):
            raise expected("a finite grid step > 0", "the curve was altered", step=self.step)
        if np.shape(self.forward_G) != np.shape(self.backward_G) or np.ndim(self.forward_G) != 1:
            raise expected("two rows of one length", "the curve was altered", shape=np.shape(self.backward_G))
        for name in ("forward_G", "backward_G"):
            row_G = np.minimum.accumulate(np.asarray(getattr(self, name), dtype=np.float64))
            if row_G.size == 0 or not ((row_G >= 0) & (row_G <= 1)).all():
                raise expected("delta in [0, 1] at every grid point", "the curve was altered", points=row_G.size)
            row_G.setflags(write=False)
            object.__setattr__(self, name, row_G)

    @property
    def symmetric(self) -> bool:
        """True if both directions have one curve."""
        return self.forward_G is self.backward_G or np.array_equal(self.forward_G, self.backward_G)

    @property
    def delta_G(self) -> FloatArray:
        """The larger direction at ``eps = step * g``. Shape ``[G]``."""
        larger_G: FloatArray = np.maximum(self.forward_G, self.backward_G)
        return larger_G

    def delta(self, epsilon: float) -> float:
        """Upper bound on ``delta`` at ``epsilon >= 0``, nats."""
        if not epsilon >= 0:
            raise expected("epsilon >= 0", "give nats", epsilon=epsilon)
        return float(_between(self.delta_G, self.step, np.array([epsilon]))[0])

    def epsilon(self, delta: float) -> float:
        """Smallest ``epsilon`` that the curve shows at ``delta``, nats; infinite where it never falls so low."""
        require_delta(delta)
        delta_G = self.delta_G
        if delta_G[0] <= delta:
            return 0.0
        if delta_G[-1] > delta:
            return math.inf
        g = int(np.argmax(delta_G <= delta))
        part = (delta_G[g - 1] - delta) / (delta_G[g - 1] - delta_G[g])
        return ((g - 1) * self.step + math.log1p(part * math.expm1(self.step))) * (1 + 1e-12)

    def compose(self, other: PrivacyCurve) -> PrivacyCurve:
        """The curve of both releases together, independent noise, each pair fixed or adaptively chosen.

        ``delta(eps) = sum_o p1(o) delta2(eps - ln(p1(o)/q1(o)))`` with the pair ``(p1, q1)`` of this curve.
        """
        reach = (len(self.forward_G) - 1) * self.step + (len(other.forward_G) - 1) * other.step
        step = max(min(self.step, other.step), reach / MOST_NODES)
        one, two = self.on_grid(step), other.on_grid(step)
        size = len(one.forward_G) + len(two.forward_G) - 1
        forward = _composed(one.forward_G, one.backward_G, two.forward_G, two.backward_G, step, size)
        if self.symmetric and other.symmetric:
            return trimmed(step, forward, forward)
        return trimmed(
            step, forward, _composed(one.backward_G, one.forward_G, two.backward_G, two.forward_G, step, size)
        )

    def repeated(self, doublings: int) -> PrivacyCurve:
        """The curve of ``2 ** doublings`` such releases."""
        curve = self
        for _ in range(doublings):
            curve = curve.compose(curve)
        return curve

    def on_grid(self, step: float) -> PrivacyCurve:
        """This curve at multiples of another step, never below itself."""
        if step == self.step:
            return self
        size = math.ceil((len(self.forward_G) - 1) * self.step / step) + 1
        eps_G = step * np.arange(size, dtype=np.float64)
        forward_G = _between(self.forward_G, self.step, eps_G)
        return PrivacyCurve(
            step, forward_G, forward_G if self.symmetric else _between(self.backward_G, self.step, eps_G)
        )

    def loosened(self, log_ratio: float, mass: float) -> PrivacyCurve:
        """A bound for pairs whose laws lie within ``e^(+-log_ratio)`` and then within total variation ``mass`` of
        those of this curve: ``e^k delta(eps - 2 k) + mass (1 + e^eps)``."""
        eps_G = self.step * np.arange(len(self.forward_G), dtype=np.float64)
        more_G = mass * (1 + np.exp(np.minimum(eps_G, 700.0)))
        rows = []
        for here_G, there_G in ((self.forward_G, self.backward_G), (self.backward_G, self.forward_G)):
            before_G = _extended(here_G, there_G, self.step, eps_G - 2 * log_ratio)
            rows.append(np.minimum(before_G * math.exp(log_ratio) + more_G, 1.0))
        return PrivacyCurve(self.step, rows[0], rows[0] if self.symmetric else rows[1])

    def to_dict(self) -> dict[str, Any]:
        """A plain mapping of numbers that JSON holds exactly and ``from_dict`` reads back."""
        row: dict[str, Any] = {"step": self.step, "forward": self.forward_G.tolist()}
        return row if self.symmetric else {**row, "backward": self.backward_G.tolist()}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> PrivacyCurve:
        """The curve that ``to_dict`` wrote.

        Raises:
            InputError: the mapping holds no curve.
        """
        try:
            forward_G = np.array(row["forward"], dtype=np.float64)
            backward_G = np.array(row["backward"], dtype=np.float64) if "backward" in row else forward_G
            return cls(float(row["step"]), forward_G, backward_G)
        except (KeyError, TypeError, ValueError) as error:
            raise expected("a privacy curve", "the row was altered", fields=sorted(row)) from error


def no_release(step: float = 1.0) -> PrivacyCurve:
    """The curve of releasing nothing: ``max(0, 1 - e^eps)``."""
    zero = np.zeros(1)
    return PrivacyCurve(step, zero, zero)


def from_rdp(cost: RDPCurve, step: float, reach: float) -> PrivacyCurve:
    """The curve that Renyi-DP of both directions allows: the smallest over orders of
    ``exp((alpha-1)(rdp - eps)) (1 - 1/alpha)^alpha / (alpha-1)`` (Canonne, Kamath, Steinke 2020, proposition 12)."""
    finite = np.isfinite(cost.rdp_A)
    orders_A1, rdp_A1 = cost.orders_A[finite][:, None], cost.rdp_A[finite][:, None]
    eps_G = step * np.arange(math.ceil(reach / step) + 1, dtype=np.float64)
    log_delta_AG = (orders_A1 - 1) * (rdp_A1 - eps_G + np.log1p(-1 / orders_A1)) - np.log(orders_A1)
    forward_G = np.exp(np.minimum(log_delta_AG.min(axis=0, initial=0.0), 0.0)) * (1 + 1e-12)
    forward_G = np.minimum(forward_G, 1.0)
    return PrivacyCurve(step, forward_G, forward_G)


def trimmed(step: float, forward_G: FloatArray, backward_G: FloatArray) -> PrivacyCurve:
    """A curve whose grid ends where both directions have become negligible."""
    small = np.flatnonzero(np.maximum(forward_G, backward_G) < NEGLIGIBLE)
    end = int(small[0]) + 1 if small.size else len(forward_G)
    forward = np.minimum(forward_G[:end], 1.0)
    return PrivacyCurve(step, forward, forward if backward_G is forward_G else np.minimum(backward_G[:end], 1.0))


def mirrored(backward_G: FloatArray, step: float, count: int) -> FloatArray:
    """``delta`` of the forward direction at ``-step * count, .., -step``; beyond the grid from its last value."""
    g = np.arange(count, 0, -1)
    known = backward_G[np.minimum(g, len(backward_G) - 1)]
    value: FloatArray = 1 - np.exp(-step * g) * (1 - known)
    return value


def _between(row_G: FloatArray, step: float, eps_K: FloatArray) -> FloatArray:
    """Chords in ``t = e^eps`` between grid points, for ``eps >= 0``; the last value beyond."""
    place = np.minimum(eps_K / step, len(row_G) - 1)
    left = np.minimum(np.floor(place).astype(np.int64), max(len(row_G) - 2, 0))
    right = np.minimum(left + 1, len(row_G) - 1)
    part = np.clip(np.expm1((place - left) * step) / math.expm1(step), 0.0, 1.0)
    value: FloatArray = (row_G[left] * (1 - part) + row_G[right] * part) * (1 + 1e-15)
    return np.minimum(value, 1.0)


def _extended(row_G: FloatArray, mirror_G: FloatArray, step: float, eps_K: FloatArray) -> FloatArray:
    """``_between`` for negative ``eps`` too, by way of the other direction."""
    below_K = 1 - np.exp(np.minimum(eps_K, 0)) * (1 - _between(mirror_G, step, np.maximum(-eps_K, 0)))
    return np.where(eps_K < 0, below_K, _between(row_G, step, np.maximum(eps_K, 0)))


def _composed(
    one_G: FloatArray, one_back_G: FloatArray, two_G: FloatArray, two_back_G: FloatArray, step: float, size: int
) -> FloatArray:
    mass_J, escaped = atoms(one_G, one_back_G, step)
    far = len(mass_J) // 2
    right = np.full(size + far, two_G[-1])
    right[: min(len(two_G), size + far)] = two_G[: size + far]
    values = np.concatenate([mirrored(two_back_G, step, far), right])
    total: FloatArray = np.convolve(values, mass_J, mode="valid") + escaped
    return np.minimum(total * (1 + 1e-13), 1.0)


def atoms(forward_G: FloatArray, backward_G: FloatArray, step: float) -> tuple[FloatArray, float]:
    """The pair of laws with these curves: ``P`` on losses ``step * j``, ``j = -(G-1) .. G-1``, and ``P`` at infinity.

    The curves are first replaced by their largest convex minorants in ``t`` through ``delta = 1`` at ``t = 0``; true
    curves are convex, so they lie below them.
    """
    growth = math.expm1(step)
    for _ in range(50):
        forward_G, backward_G = (minorant(row_G, step) for row_G in (forward_G, backward_G))
        right, left = _curvature(forward_G, step), _curvature(backward_G, step)
        left = left * np.exp(-step * np.arange(1, len(left) + 1))
        middle = 1 - right.sum() - left.sum() - forward_G[-1]
        if len(forward_G) < 2 or middle >= -1e-12:
            break
        joint = (growth + forward_G[1] + backward_G[1]) / (growth + 2)
        forward_G, backward_G = (np.append(min(joint, row_G[0]), row_G[1:]) for row_G in (forward_G, backward_G))
    return np.concatenate([left[::-1], [max(middle, 0.0)], right]), float(forward_G[-1])


def _curvature(row_G: FloatArray, step: float) -> FloatArray:
    """``t_g`` times the kinks of the chords in ``t`` at ``g = 1 .. G-1``, flat beyond the grid."""
    rise = np.append(np.diff(row_G), 0.0)
    kinks: FloatArray = rise[1:] / math.expm1(step) + rise[:-1] / math.expm1(-step)
    return np.maximum(kinks, 0.0)


def minorant(row_G: FloatArray, step: float) -> FloatArray:
    """Largest function below the grid values that is convex in ``t``."""
    rise = np.append(np.diff(row_G), 0.0)
    kinks = rise[1:] / math.expm1(step) + rise[:-1] / math.expm1(-step)
    if (kinks >= -1e-14 * row_G[1:]).all():
        return row_G
    values, kept = row_G.tolist(), [0]
    for g in range(1, len(values)):
        while len(kept) > 1 and _above_chord(values, kept[-2], kept[-1], g, step):
            kept.pop()
        kept.append(g)
    corners = np.array(kept)
    left = np.searchsorted(corners, np.arange(len(values)), side="right") - 1
    start, end = corners[left], corners[np.minimum(left + 1, len(corners) - 1)]
    width = np.maximum(end - start, 1)
    part = np.expm1(-step * (np.arange(len(values)) - start)) * np.exp(-step * (end - np.arange(len(values))))
    part = np.where(end > start, part / np.expm1(-step * width), 0.0)
    value: FloatArray = row_G[start] * (1 - part) + row_G[end] * part
    return value


def _above_chord(values: list[float], left: int, mid: int, right: int, step: float) -> bool:
    """True if the middle point is on or above the chord in ``t`` of the other two."""
    part = math.exp(-step * (right - mid)) * math.expm1(-step * (mid - left)) / math.expm1(-step * (right - left))
    return values[mid] >= values[left] + part * (values[right] - values[left])

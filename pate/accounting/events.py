"""The vocabulary of what was released. An event's meaning never changes; accountants give it a cost.

Every leaf states how many votes one privacy unit may move (``moved_votes``, usually 1: one unit is in one
partition). Moving ``k`` votes changes the histogram by ``k`` in one class and ``k`` in another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, final

from pate.errors import expected


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise expected(f"a finite {name} > 0", "give the noise in votes", **{name: value})


def _require_count(**values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise expected(f"an integer {name} >= 1", "give their number", **{name: value})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GNMaxEvent:
    """One release of ``argmax_j (n_j + N_Z(0, sigma^2))`` (Papernot et al. 2018, section 4.1).

    Attributes:
        sigma: standard deviation parameter of the discrete Gaussian on each count, in votes.
        moved_votes: votes that one privacy unit may move.
    """

    sigma: float
    moved_votes: int = 1

    def __post_init__(self) -> None:
        _require_positive(sigma=self.sigma)
        _require_count(moved_votes=self.moved_votes)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LNMaxEvent:
    """One release of ``argmax_j (n_j + Lap_Z(scale))`` (Papernot et al. 2017, section 3.1).

    Attributes:
        scale: scale of the discrete Laplace noise on each count, in votes (``1/gamma`` in 2017).
        moved_votes: votes that one privacy unit may move.
    """

    scale: float
    moved_votes: int = 1

    def __post_init__(self) -> None:
        _require_positive(scale=self.scale)
        _require_count(moved_votes=self.moved_votes)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdTestEvent:
    """One release of whether ``max_j n_j + N_Z(0, sigma^2) >= threshold``; the data-independent cost ignores
    the threshold.

    Attributes:
        sigma: standard deviation parameter of the discrete Gaussian on the top count, in votes.
        moved_votes: votes that one privacy unit may move; the top count moves by at most as many.
    """

    sigma: float
    moved_votes: int = 1

    def __post_init__(self) -> None:
        _require_positive(sigma=self.sigma)
        _require_count(moved_votes=self.moved_votes)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentGNMaxEvent:
    """A campaign of Confident-GNMax (Papernot et al. 2018, algorithm 1) with counts fixed in advance.

    At most ``max_asked`` threshold tests and at most ``max_answered`` argmax releases, in any order, each with
    fresh noise independent of all other.

    Attributes:
        threshold: votes that the noisy top count must reach for an answer.
        sigma_threshold: noise of the threshold test, in votes.
        sigma: noise of the argmax, in votes.
        max_asked: threshold tests.
        max_answered: argmax releases, at most ``max_asked``.
        moved_votes: votes that one privacy unit may move.
    """

    threshold: float
    sigma_threshold: float
    sigma: float
    max_asked: int
    max_answered: int
    moved_votes: int = 1

    def __post_init__(self) -> None:
        _require_positive(sigma_threshold=self.sigma_threshold, sigma=self.sigma)
        _require_count(max_asked=self.max_asked, max_answered=self.max_answered, moved_votes=self.moved_votes)
        if not math.isfinite(self.threshold):
            raise expected("a finite threshold", "give the votes an answer needs", threshold=self.threshold)
        if self.max_answered > self.max_asked:
            raise expected(
                "max_answered <= max_asked",
                "no more can be answered than is asked",
                max_answered=self.max_answered,
                max_asked=self.max_asked,
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SanitisedReleaseEvent:
    """One noisy release of a data-dependent Renyi cost and of the width of its noise.

    Every field is fixed before votes exist. With ``S`` the ``beta``-smooth sensitivity plus ``floor``, the release
    shows the cost at ``order`` with noise of standard deviation ``sigma_ss * S`` and ``ln S`` with noise ``tau_s``,
    both from the discrete Gaussian on grids that the fields fix (``sanitised_release.py``).

    Attributes:
        order: the Renyi order of the estimate.
        beta: how fast the smooth sensitivity may change, per unit, on the logarithmic scale.
        sigma_ss: noise of the estimate, in units of ``S``.
        tau_s: noise of ``ln S``.
        floor: nats added to the smooth sensitivity; it covers the rounding of the estimate to its grid.
    """

    order: float
    beta: float
    sigma_ss: float
    tau_s: float
    floor: float = 1e-4

    def __post_init__(self) -> None:
        _require_positive(beta=self.beta, sigma_ss=self.sigma_ss, tau_s=self.tau_s, floor=self.floor)
        if not (math.isfinite(self.order) and self.order > 1):
            raise expected("a finite Renyi order > 1", "give the order of the estimate", order=self.order)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedEvent:
    """``count`` adaptive uses of one event, each with fresh noise."""

    event: PrivacyEvent
    count: int

    def __post_init__(self) -> None:
        _require_count(count=self.count)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedEvent:
    """Adaptive composition of several events; the empty composition costs nothing."""

    events: tuple[PrivacyEvent, ...]


PrivacyEvent: TypeAlias = (
    GNMaxEvent
    | LNMaxEvent
    | ThresholdTestEvent
    | ConfidentGNMaxEvent
    | SanitisedReleaseEvent
    | RepeatedEvent
    | ComposedEvent
)

Leaf: TypeAlias = GNMaxEvent | LNMaxEvent | ThresholdTestEvent | SanitisedReleaseEvent
"""A single release."""

KINDS: dict[str, type[Any]] = {
    kind.__name__.removesuffix("Event"): kind
    for kind in (GNMaxEvent, LNMaxEvent, ThresholdTestEvent, ConfidentGNMaxEvent, SanitisedReleaseEvent)
}


def kind_of(event: PrivacyEvent) -> str:
    """The name under which ledgers and reports keep an event, such as ``GNMax``."""
    return type(event).__name__.removesuffix("Event")


def one_query(event: PrivacyEvent) -> GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent:
    """The event of one query of a campaign; that of all queries for Confident-GNMax.

    Raises:
        InputError: the event is no campaign of one mechanism.
    """
    one = event.event if isinstance(event, RepeatedEvent) else event
    if not isinstance(one, GNMaxEvent | LNMaxEvent | ConfidentGNMaxEvent):
        raise expected("a noisy argmax", "use GNMax, LNMax or ConfidentGNMax", event=kind_of(one))
    return one


def leaves(event: PrivacyEvent) -> Counter[Leaf]:
    """Number of releases of each kind in an event, in the order in which kinds first occur in it.

    Raises:
        InputError: the argument is not an event.
    """
    total: Counter[Leaf] = Counter()
    _count(event, 1, total)
    return total


def _count(event: PrivacyEvent, times: int, total: Counter[Leaf]) -> None:
    if isinstance(event, ComposedEvent):
        for part in event.events:
            _count(part, times, total)
    elif isinstance(event, RepeatedEvent):
        _count(event.event, times * event.count, total)
    elif isinstance(event, ConfidentGNMaxEvent):
        moved = event.moved_votes
        total[ThresholdTestEvent(sigma=event.sigma_threshold, moved_votes=moved)] += times * event.max_asked
        total[GNMaxEvent(sigma=event.sigma, moved_votes=moved)] += times * event.max_answered
    elif isinstance(event, Leaf):
        total[event] += times
    else:
        raise expected("a privacy event", "events.py lists them", event=kind_of(event))


def to_dict(event: PrivacyEvent) -> dict[str, Any]:
    """A plain mapping that ``from_dict`` reads back, for ledger rows and reports."""
    if isinstance(event, ComposedEvent):
        return {"event": "Composed", "events": [to_dict(part) for part in event.events]}
    if isinstance(event, RepeatedEvent):
        return {"event": "Repeated", "of": to_dict(event.event), "count": event.count}
    return {"event": kind_of(event), **asdict(event)}


def from_dict(row: Mapping[str, Any]) -> PrivacyEvent:
    """The event that ``to_dict`` wrote.

    Raises:
        InputError: the row names no known event or has other fields.
    """
    fields = dict(row)
    kind = fields.pop("event", None)
    try:
        if kind == "Composed":
            return ComposedEvent(events=tuple(from_dict(part) for part in fields["events"]))
        if kind == "Repeated":
            return RepeatedEvent(event=from_dict(fields["of"]), count=fields["count"])
        event: PrivacyEvent = KINDS[str(kind)](**fields)
        return event
    except (KeyError, TypeError) as error:
        raise expected("a privacy event", "the row was written by another version or altered", event=kind) from error

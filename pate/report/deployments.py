"""Published privacy parameters of known deployments, for orientation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from pate.report.wording import small, up


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment with published parameters.

    Attributes:
        name: organisation and release.
        low, high: published epsilon; equal if there is one value.
        delta: published delta; ``None``: pure differential privacy.
        unit: protected together.
        source: publication.
    """

    name: str
    low: float
    high: float
    delta: float | None
    unit: str
    source: str

    @property
    def epsilon(self) -> str:
        """Epsilon in words."""
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


DEPLOYMENTS = (
    Deployment(
        name="Google, trends of searches for symptoms of COVID-19", low=1.68, high=1.68, delta=None,
        unit="one user's activity on one day", source="arXiv:2009.01265",
    ),
    Deployment(
        name="Google, searches about COVID-19 vaccination", low=2.19, high=2.19, delta=1e-5,
        unit="one user's activity on one day", source="arXiv:2107.01179",
    ),
    Deployment(
        name="Apple, popularity of emoji (noise on the device)", low=4.0, high=4.0, delta=None,
        unit="one user's activity on one day",
        source="Apple, Differential Privacy Overview (desfontain.es/blog/real-world-differential-privacy.html)",
    ),
    Deployment(
        name="Ministry of Health of Israel, live births of 2014", low=9.98, high=9.98, delta=None,
        unit="one birth: mother and newborn", source="arXiv:2405.00267",
    ),
    Deployment(
        name="Google, language models of the Gboard keyboard", low=0.994, high=13.69, delta=1e-10,
        unit="one user, each model by itself",
        source="Google Research blog, 21 February 2024: Advances in private training for production on-device "
        "language models",
    ),
    Deployment(
        name="US Census Bureau, redistricting data of 2020", low=19.61, high=19.61, delta=1e-10,
        unit="one person and housing unit", source="Census Bureau, announcement of 9 June 2021",
    ),
)  # fmt: skip
"""Sorted by the largest epsilon. Units, models and accountants differ, so these numbers are not comparable units."""


def rows_around(content: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Cells of a table of the deployments, with the report itself where its epsilon belongs."""
    total = content["total"]
    own = ("This report", up(total["epsilon"]), small(total["delta"]), f"one {content['unit']}", "above")
    below = [_cells(row) for row in DEPLOYMENTS if row.high <= total["epsilon"]]
    above = [_cells(row) for row in DEPLOYMENTS if row.high > total["epsilon"]]
    return [*below, own, *above]


def _cells(row: Deployment) -> tuple[str, str, str, str, str]:
    return row.name, row.epsilon, "0" if row.delta is None else small(row.delta), row.unit, row.source

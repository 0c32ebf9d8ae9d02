"""The privacy report: what an analyst or a data-protection officer asks about a campaign, in JSON and HTML.

It is made from released values and public configuration alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, final

import jinja2

from pate.accounting import EpsilonBound, PrivacyEvent, data_independent_epsilon
from pate.accounting.events import to_dict
from pate.accounting.sanitised_release import SanitisedEpsilon
from pate.errors import PrivacyViolation, expected
from pate.values import Released, released_value

NEIGHBOURS = (
    "Two data sets are neighbours if they differ in one privacy unit: its records are withdrawn, added or replaced, "
    "while the roster of units and the place of all other records stay as they are."
)
TRUST = (
    "The operator of the Ray cluster and of the private folder sees the private records and votes. Everybody else, "
    "including whoever reads labels, student, tracker and this report, sees only what the mechanism released."
)
SIDE_CHANNELS = (
    "Answers are released in batches, so the time of a single query is not visible. Timing of a whole batch, power "
    "and physical access to the machines are not covered."
)
OVERLAP = (
    "Each unit's records are given to one teacher (or charged for as many as declared). Records of one person under "
    "different unit ids cannot be recognised unless the records are identical."
)
DELTAS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyReport:
    """Everything about the guarantee of one campaign.

    Attributes:
        run_id: the campaign.
        created: UTC time, ISO 8601.
        data_id: the account of the private data.
        benchmark: the campaign is a simulation on a public data set.
        secure_noise: noise came from operating-system entropy.
        unit: the privacy unit in words.
        mechanism: the mechanism's name and public parameters.
        event: worst case of everything the campaign may release.
        campaign: its data-independent cost.
        total: cost of everything ever charged to the account.
        budget: the account's epsilon, fixed at registration.
        teachers_enrolled, teachers_lost: roster, and losses to infrastructure before it was frozen.
        pool, asked, answered, refused: public inputs, and what became of those asked.
        student: public facts and figures of the student.
        public_data: the public sets, with fingerprints.
        tuning: what was tuned, and on what.
        versions: software.
        sanitised: the noisy data-dependent figure that the campaign bought, if it did; an estimate, no guarantee.
    """

    run_id: str
    created: str
    data_id: str
    benchmark: bool
    secure_noise: bool
    unit: str
    mechanism: Mapping[str, Any]
    event: PrivacyEvent
    campaign: EpsilonBound
    total: EpsilonBound
    budget: float
    teachers_enrolled: int
    teachers_lost: int
    pool: int
    asked: int
    answered: int
    refused: int
    student: Mapping[str, Any]
    public_data: list[Mapping[str, Any]]
    tuning: str
    versions: Mapping[str, str]
    sanitised: SanitisedEpsilon | None = None

    def __post_init__(self) -> None:
        for bound in (self.campaign, self.total):
            if bound.kind == "private":
                raise PrivacyViolation(
                    f"Expected a public epsilon in the report, got a private one ({bound.accountant})"
                )
        if self.asked != self.answered + self.refused:
            raise expected("asked = answered + refused", "count again", asked=self.asked, answered=self.answered)

    @property
    def curve(self) -> list[tuple[float, float]]:
        """The campaign's data-independent ``(delta, epsilon)`` at several deltas."""
        accountant = self.campaign.accountant
        return [(d, data_independent_epsilon(self.event, d, accountant).epsilon) for d in DELTAS]

    @property
    def odds(self) -> float:
        """The most, as a factor, that the release can change the odds of a guess about one unit (up to delta)."""
        return math.exp(self.total.epsilon)


def to_json(report: Released[PrivacyReport]) -> str:
    """The report as JSON, with the texts that the HTML shows."""
    content = released_value(report)
    fields = {name: getattr(content, name) for name in PrivacyReport.__slots__}
    fields |= {
        "event": to_dict(content.event),
        "campaign": asdict(content.campaign),
        "total": asdict(content.total),
        "sanitised": None if content.sanitised is None else asdict(content.sanitised),
        "epsilon_by_delta": [{"delta": d, "epsilon": e} for d, e in content.curve],
        "largest_odds_factor": content.odds,
        "neighbouring_relation": NEIGHBOURS,
        "trust_model": TRUST,
        "side_channels": SIDE_CHANNELS,
        "overlap_assumption": OVERLAP,
    }
    return json.dumps(fields, indent=2)


def to_html(report: Released[PrivacyReport]) -> str:
    """The report as one self-contained page."""
    content = released_value(report)
    texts = {"neighbours": NEIGHBOURS, "trust": TRUST, "side_channels": SIDE_CHANNELS, "overlap": OVERLAP}
    return _template().render(report=content, **texts)


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    text = resources.files("pate").joinpath("report.html.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(text)

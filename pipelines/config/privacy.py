"""The ``privacy`` section of a configuration: the budget of the data, and what is declared with it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, field_validator

from pate.accounting import ACCOUNTANTS
from pate.accounting.data_independent.accountants import DEFAULT_ACCOUNTANT
from pate.accounting.events import SanitisedReleaseEvent
from pipelines.config.embedding import Embedding, OneOf, section_of
from pipelines.config.fields import Count, Positive, Section
from pipelines.config.labelling import Mechanism


class SanitisedSection(Embedding):
    """Base of ``SanitisedConfig``."""

    def build(self) -> SanitisedReleaseEvent:
        """The release, as it is charged."""
        event: SanitisedReleaseEvent = self.made()
        return event


SanitisedConfig = section_of(
    SanitisedReleaseEvent,
    SanitisedSection,
    name="SanitisedConfig",
    doc="Release one noisy estimate of the data-dependent cost, at the end; its own cost is charged with it.",
    later=("floor",),
    types={
        "order": Annotated[float, Field(gt=1, allow_inf_nan=False)],
        "beta": Annotated[
            Positive, Field(description="smoothness: largest relative change of the noise per privacy unit")
        ],
        "sigma_ss": Annotated[Positive, Field(description="noise of the estimate, in smooth sensitivities")],
        "tau_s": Annotated[
            Positive, Field(description="noise of the logarithm of that noise's width, which is released too")
        ],
        "floor": Annotated[float, Field(ge=1e-9, le=1)],
    },
)


Sanitised: TypeAlias = Annotated[SanitisedSection, OneOf("", SanitisedConfig)]


class DeclaredCampaignConfig(Section):
    """A campaign that is declared with the budget, before anything is answered."""

    mechanism: Mechanism
    max_asked: Count = Field(description="number of queries")
    sanitised: Sanitised | None = Field(None, description="its sanitised estimate, as privacy.sanitised")


class PrivacyConfig(Section):
    """The budget of the data, fixed at their first registration."""

    epsilon: Positive = Field(description="largest epsilon that may ever be spent on these data")
    delta: float = Field(gt=0, lt=1, description="failure probability, far below one over the number of units")
    unit: str = Field("patient", min_length=1, max_length=80, description="the unit that the guarantee protects")
    accountant: str = Field(DEFAULT_ACCOUNTANT, description="the data-independent accountant that enforces the budget")
    sanitised: Sanitised | None = Field(
        None,
        description="spend budget on a publishable noisy estimate of the data-dependent cost; `pate plan` proposes one",
    )
    campaigns: tuple[DeclaredCampaignConfig, ...] = Field(
        (), description="all campaigns on these data, if fixed now; default: each is decided when it is run"
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        strict=True,
        description="days that votes, weights, manifests and incidents are kept; then `pate purge` removes them",
    )

    @field_validator("accountant")
    @classmethod
    def _known_accountant(cls, name: str) -> str:
        if name not in ACCOUNTANTS:
            raise ValueError(f"Expected an accountant out of {sorted(ACCOUNTANTS)}, got {name!r}; choose one")
        return name

"""The ``labelling`` section of a configuration: mechanism and number of queries."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from pate.aggregation import ConfidentGNMax, GNMax, LNMax, NoisyMax
from pipelines.config.embedding import Embedding, OneOf, section_of
from pipelines.config.fields import Count, Section, Seed, Votes


class MechanismConfig(Embedding):
    """Keys of every mechanism."""

    kind: str

    def build(self) -> NoisyMax:
        """The mechanism."""
        mechanism: NoisyMax = self.made()
        return mechanism


GNMaxConfig = section_of(
    GNMax,
    MechanismConfig,
    name="GNMaxConfig",
    doc="Answer every query with a noisy argmax, discrete Gaussian noise.",
    tag=("kind", "gnmax"),
    types={"sigma": Annotated[Votes, Field(description="noise on each count, votes")]},
)
LNMaxConfig = section_of(
    LNMax,
    MechanismConfig,
    name="LNMaxConfig",
    doc="Answer every query with a noisy argmax, discrete Laplace noise.",
    tag=("kind", "lnmax"),
    types={"scale": Annotated[Votes, Field(description="scale of the noise on each count, votes")]},
)
ConfidentGNMaxConfig = section_of(
    ConfidentGNMax,
    MechanismConfig,
    name="ConfidentGNMaxConfig",
    doc="Refuse queries without a clear majority, answer the others.",
    tag=("kind", "confident-gnmax"),
    types={"threshold": Votes, "sigma_threshold": Votes, "sigma": Votes, "max_answered": Count},
)

Mechanism: TypeAlias = Annotated[MechanismConfig, OneOf("kind", GNMaxConfig, LNMaxConfig, ConfidentGNMaxConfig)]


class LabellingConfig(Section):
    """The campaign: mechanism and number of queries."""

    mechanism: Mechanism
    max_asked: Count = Field(description="number of queries, chosen before the first vote")
    queries: Literal["random", "central"] = Field(
        "random", description="central: nearest to k-means centres of the pool's features, or of the inputs"
    )
    batch_size: Count = Field(1000, description="answers released together")
    insecure_seeded_noise: Seed | None = Field(
        None,
        description="tests only: predictable noise from this seed; gives no privacy, and no model of it is registered",
    )

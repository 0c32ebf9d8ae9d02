"""The ``teachers`` section of a configuration: model and training of the teachers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from pate.models import CustomModel, EstimatorModel, ModelSpec, TrainSpec, TreesSpec
from pipelines.config.fields import Count, Positive, Section


def _model_tag(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    tags = {"boosted-trees": "trees", "custom": "custom", "estimator": "estimator", "votes": "votes"}
    return tags.get(str(kind), "network")


class GivenVotesModel(Section):
    """Teachers that were trained, and have voted, outside pate."""

    kind: Literal["votes"] = "votes"


NETWORKS = (ModelSpec, CustomModel)
"""Kinds of teachers that are fitted as ``teachers.training`` specifies."""


class TeachersConfig(Section):
    """Training of the teachers, and their number in one Ray task."""

    later_inside: ClassVar[Mapping[str, object]] = MappingProxyType({"training.balanced": False})

    model: Annotated[
        Annotated[ModelSpec, Tag("network")]
        | Annotated[TreesSpec, Tag("trees")]
        | Annotated[CustomModel, Tag("custom")]
        | Annotated[EstimatorModel, Tag("estimator")]
        | Annotated[GivenVotesModel, Tag("votes")],
        Discriminator(_model_tag),
    ]
    training: TrainSpec | None = Field(None, description="how networks are fitted; other kinds: set in model")
    see: Literal["features", "inputs"] = Field(
        "features", description="the representation, where there is one; or the inputs themselves"
    )
    bundle_size: Count = Field(25, description="teachers in one task")
    strategy: Literal["sequential", "fused", "auto"] = "auto"
    num_cpus: Positive = Field(1.0, description="processor cores of one task")
    num_gpus: float = Field(0.0, ge=0, allow_inf_nan=False, description="GPUs of one task; fractions share one")

    @model_validator(mode="after")
    def _training_of_networks(self) -> TeachersConfig:
        if isinstance(self.model, NETWORKS) == (self.training is None):
            alone = "boosted-trees" if isinstance(self.model, NETWORKS) else self.model.kind
            raise ValueError(
                f"Expected training with networks and without it for {alone}, got kind={self.model.kind!r}; "
                f"{'add' if self.training is None else 'remove'} teachers.training"
            )
        if not isinstance(self.model, NETWORKS) and self.num_gpus:
            raise ValueError(
                f"Expected num_gpus=0 for {self.model.kind}, got {self.num_gpus:g}; they run on processors only"
            )
        if isinstance(self.model, CustomModel) and self.strategy == "fused":
            raise ValueError(
                "Expected strategy: sequential or auto for a custom model, got 'fused'; fused modules of your own are "
                "not proven independent"
            )
        return self

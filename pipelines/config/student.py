"""The ``student`` section of a configuration: learner of the published model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from pate.models import TreesSpec
from pate.models.own_parts import broken, call_part, require_import_path
from pate.student import BoostedTrees, FixMatch, Learner, PseudoLabel, StudentSpec, Supervised
from pipelines.config.embedding import Embedding, OneOf, section_of
from pipelines.config.fields import MOST, Count, Positive, Threads

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class LearnerConfig(Embedding):
    """Keys of every learner."""

    learner: str
    threads: Threads = Field(1, description="torch threads; small networks are fastest with one")
    start: Literal["fresh", "features"] = Field(
        "fresh", description="features: begin with the weights of the encoder, which must be the same network"
    )
    see: Literal["inputs", "features"] = Field(
        "inputs", description="features: the student is a head on the encoder, which becomes its first layers"
    )

    def build(self) -> Learner:
        """The learner."""
        learner: Learner = self.made()
        return learner

    @abstractmethod
    def pooled(self) -> object:
        """Settings of the student's model when trained on true labels, without privacy."""

    @abstractmethod
    def shortened(self) -> LearnerConfig:
        """The same learner, fitted for one update or round."""

    @abstractmethod
    def updates(self, labels: int) -> int:
        """The last step that the learner will report, for this number of released labels."""

    @property
    @abstractmethod
    def model_kind(self) -> str:
        """Kind of the student's model, such as ``mlp`` or ``logistic on features``."""


class NetworkConfig(LearnerConfig):
    """A student that is a network."""

    later_inside: ClassVar[Mapping[str, object]] = MappingProxyType({"spec.warm_up": 0.0, "spec.train.balanced": False})

    spec: StudentSpec

    @field_validator("spec")
    @classmethod
    def _of_a_size_that_ends(cls, spec: StudentSpec) -> StudentSpec:
        sizes = {name: getattr(spec.train, name) or 1 for name in ("epochs", "steps", "batch_size")}
        for name, size in {**sizes, "report_every": spec.report_every}.items():
            if size > MOST:
                raise ValueError(f"Expected {name} <= {MOST}, got {size}; train for less")
        return spec

    def pooled(self) -> StudentSpec:
        return self.spec

    def shortened(self) -> LearnerConfig:
        train = replace(self.spec.train, epochs=None, steps=1)
        return self.model_copy(update={"spec": replace(self.spec, train=train)})

    def updates(self, labels: int) -> int:
        return self.spec.train.updates(labels)

    @property
    def model_kind(self) -> str:
        kind = self.spec.model.kind
        return kind if self.see == "inputs" else f"{kind} on features"


class TreesConfig(LearnerConfig):
    """A student of boosted trees."""

    spec: TreesSpec
    self_training: int

    @field_validator("start", "see")
    @classmethod
    def _without_network(cls, chosen: str, info: ValidationInfo) -> str:
        if chosen == "features":
            raise ValueError(
                f"Expected no {info.field_name}: features for boosted-trees, which are not a network, got it; remove it"
            )
        return chosen

    def pooled(self) -> TreesSpec:
        return self.spec

    def shortened(self) -> LearnerConfig:
        once = {"spec": replace(self.spec, rounds=1), "self_training": min(1, self.self_training)}
        return self.model_copy(update=once)

    def updates(self, labels: int) -> int:
        return 1 + self.self_training

    @property
    def model_kind(self) -> str:
        return self.spec.kind


SupervisedConfig = section_of(
    Supervised,
    NetworkConfig,
    name="SupervisedConfig",
    doc="A student that learns from the released labels alone.",
    tag=("learner", "supervised"),
)
PseudoLabelConfig = section_of(
    PseudoLabel,
    NetworkConfig,
    name="PseudoLabelConfig",
    doc="A student that also learns from its own confident predictions on the rest of the pool (Lee 2013).",
    tag=("learner", "pseudo-label"),
    later=("ramp",),
    types={"weight": Positive, "threshold": Fraction, "unlabelled_ratio": Count, "ramp": tuple[Fraction, Fraction]},
)
FixMatchConfig = section_of(
    FixMatch,
    NetworkConfig,
    name="FixMatchConfig",
    doc="A student for images, trained for consistency between weak and strong augmentation (Sohn et al. 2020).",
    tag=("learner", "fixmatch"),
    later=("alignment",),
    types={"threshold": Fraction, "unlabelled_ratio": Count, "weight": Positive},
)
BoostedTreesConfig = section_of(
    BoostedTrees,
    TreesConfig,
    name="BoostedTreesConfig",
    doc="A student of boosted trees, for tables.",
    tag=("learner", "boosted-trees"),
    types={
        "self_training": Annotated[int, Field(ge=0, le=20)],
        "threshold": Fraction,
        "weight": Annotated[float, Field(gt=0, le=1)],
    },
)


class CustomLearnerConfig(LearnerConfig):
    """A learner of the user's: an object whose ``fit`` turns public inputs and released labels into a student."""

    learner: Literal["custom"]
    builder: str = Field(description="import path of a function that gives the learner, such as mypackage:learner")

    @field_validator("builder")
    @classmethod
    def _import_path(cls, builder: str) -> str:
        require_import_path(builder, key="student.builder")
        return builder

    def build(self) -> Learner:
        learner: Learner = call_part(self.builder, key="student.builder")
        if not callable(getattr(learner, "fit", None)):
            raise broken("student.builder", self.builder, f"{type(learner).__name__} without fit")
        return learner

    def pooled(self) -> CustomLearnerConfig:
        return self

    def shortened(self) -> CustomLearnerConfig:
        return self

    def updates(self, labels: int) -> int:
        count = getattr(self.build(), "updates", None)
        return int(count(labels)) if callable(count) else 1

    @property
    def model_kind(self) -> str:
        return f"user-defined ({self.builder})"


StudentConfig: TypeAlias = Annotated[
    LearnerConfig,
    OneOf("learner", SupervisedConfig, PseudoLabelConfig, FixMatchConfig, BoostedTreesConfig, CustomLearnerConfig),
]

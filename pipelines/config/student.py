"""The ``student`` part of a configuration: how the model that is published learns."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from pate.models import TreesSpec
from pate.models.specs import Augmentation
from pate.student import BoostedTrees, FixMatch, Learner, PseudoLabel, StudentSpec, Supervised
from pipelines.config.fields import MOST, Count, Positive, Section, Threads


class LearnerConfig(Section):
    """What every learner's part of the configuration has."""

    threads: Threads = Field(1, description="torch threads; small networks are fastest with one")
    start: Literal["fresh", "features"] = Field(
        "fresh", description="features: begin with the weights of the encoder, which must be the same network"
    )
    see: Literal["inputs", "features"] = Field(
        "inputs", description="features: the student is a head on the encoder, which becomes its first part"
    )

    @abstractmethod
    def build(self) -> Learner:
        """The learner."""

    @abstractmethod
    def updates(self, labels: int) -> int:
        """The last step that the learner will report, for so many released labels."""

    @property
    @abstractmethod
    def model_kind(self) -> str:
        """What the student is made of, such as ``mlp`` or ``logistic on features``."""


class NetworkConfig(LearnerConfig):
    """A student that is a network."""

    spec: StudentSpec

    @field_validator("spec")
    @classmethod
    def _of_a_size_that_ends(cls, spec: StudentSpec) -> StudentSpec:
        sizes = {name: getattr(spec.train, name) or 1 for name in ("epochs", "steps", "batch_size")}
        for name, size in {**sizes, "report_every": spec.report_every}.items():
            if size > MOST:
                raise ValueError(f"Expected {name} <= {MOST}, got {size}; train for less")
        return spec

    def updates(self, labels: int) -> int:
        return self.spec.train.updates(labels)

    @property
    def model_kind(self) -> str:
        kind = self.spec.model.kind
        return kind if self.see == "inputs" else f"{kind} on features"


class SupervisedConfig(NetworkConfig):
    """A student that learns from the released labels alone."""

    learner: Literal["supervised"]
    augmentation: Augmentation | None = None

    def build(self) -> Learner:
        return Supervised(spec=self.spec, augmentation=self.augmentation)


class PseudoLabelConfig(NetworkConfig):
    """A student that also learns from its own confident answers on the rest of the pool (Lee 2013)."""

    learner: Literal["pseudo-label"]
    weight: Positive = 1.0
    threshold: float = Field(0.0, ge=0, le=1)
    unlabelled_ratio: Count = 4

    def build(self) -> Learner:
        return PseudoLabel(
            spec=self.spec, weight=self.weight, threshold=self.threshold, unlabelled_ratio=self.unlabelled_ratio
        )


class FixMatchConfig(NetworkConfig):
    """A student for images that must agree with itself on weak and strong changes (Sohn et al. 2020)."""

    learner: Literal["fixmatch"]
    weak: Augmentation
    strong: Augmentation
    threshold: float = Field(0.95, ge=0, le=1)
    unlabelled_ratio: Count = 4
    weight: Positive = 1.0

    def build(self) -> Learner:
        return FixMatch(
            spec=self.spec,
            weak=self.weak,
            strong=self.strong,
            threshold=self.threshold,
            unlabelled_ratio=self.unlabelled_ratio,
            weight=self.weight,
        )


class BoostedTreesConfig(LearnerConfig):
    """A student of boosted trees, for tables."""

    learner: Literal["boosted-trees"]
    spec: TreesSpec
    self_training: int = Field(0, ge=0, le=20, description="rounds in which it also learns from its own guesses")
    threshold: float = Field(0.8, ge=0, le=1, description="confidence that a guess needs to take part")
    weight: float = Field(0.5, gt=0, le=1, description="of a guess, where a released label weighs 1")

    @field_validator("start", "see")
    @classmethod
    def _without_network(cls, chosen: str, info: ValidationInfo) -> str:
        if chosen == "features":
            raise ValueError(
                f"Expected no {info.field_name}: features for boosted-trees, which are no network, got it; remove it"
            )
        return chosen

    def build(self) -> Learner:
        return BoostedTrees(
            spec=self.spec, self_training=self.self_training, threshold=self.threshold, weight=self.weight
        )

    def updates(self, labels: int) -> int:
        return 1 + self.self_training

    @property
    def model_kind(self) -> str:
        return self.spec.kind


StudentConfig: TypeAlias = Annotated[
    SupervisedConfig | PseudoLabelConfig | FixMatchConfig | BoostedTreesConfig, Field(discriminator="learner")
]

"""One YAML file per experiment, read into frozen models; an unknown key is an error.

The file's values are public. Where a value is wrong the error names the file, the key path, the value and
what was expected, in one line.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from pate.accounting import ACCOUNTANTS, DEFAULT_ACCOUNTANT, EpsilonBound, PrivacyEvent, data_independent_epsilon
from pate.accounting.data_independent.account_rule import AccountRule
from pate.accounting.events import SanitisedReleaseEvent
from pate.accounting.rounding import up
from pate.accounting.sanitised.gap_sensitivity import require_teachers
from pate.aggregation import ConfidentGNMax, GNMax, LNMax, NoisyMax, campaign_event
from pate.data.partition import site_shares
from pate.errors import InputError
from pate.models import ModelSpec, TrainSpec, TreesSpec
from pipelines.config import yaml_file
from pipelines.config.data import DataConfig, DigitsData, FilesData, SiteName, Texts, VisionData
from pipelines.config.features import FeaturesConfig
from pipelines.config.fields import Count, Name, Positive, Section, Seed, Votes
from pipelines.config.student import StudentConfig
from pipelines.tracking.cards import check_experiment, check_name
from pipelines.tracking.destination import destination

_NOT_IN_RESULTS: dict[str, Any] = {
    "tracking": True,
    "ray": True,
    "description": True,
    "faults": True,
    "privacy": {"retention_days"},
}


class SiteTeachersConfig(Section):
    """The teachers of one site."""

    site: SiteName
    teachers: Count


class PartitionConfig(Section):
    """Which teacher learns from which record."""

    teachers: Count
    by: Literal["random", "unit", "site"] = Field("random", description="site: each teacher stays within a hospital")
    group_size: Count = Field(1, description="partitions that one privacy unit may sit in; the cost grows with it")
    label_skew: Positive | None = Field(None, description="simulation: Dirichlet concentration per class")
    sites: tuple[SiteTeachersConfig, ...] = Field(
        (), description="by site: each site and its teachers; default: the sites of private_files, with equal numbers"
    )

    @model_validator(mode="after")
    def _sites_share(self) -> PartitionConfig:
        if self.sites and self.by != "site":
            raise ValueError(f"Expected partition.sites only with partition.by: site, got by={self.by!r}")
        if self.sites:
            site_shares(self.site_names(), teachers=self.teachers, declared=self.declared_sites())
        return self

    def site_names(self) -> list[str]:
        """The listed sites, in order."""
        return [row.site for row in self.sites]

    def declared_sites(self) -> dict[str, int]:
        """Teachers of each listed site."""
        return {row.site: row.teachers for row in self.sites}


class SanitisedConfig(Section):
    """Show a noisy figure of what these very votes cost, once, at the end; its own cost is part of the campaign's."""

    order: float = Field(gt=1, allow_inf_nan=False, description="Renyi order of the figure")
    beta: Positive = Field(description="smoothness: how fast the noise may change with the votes, per privacy unit")
    sigma_ss: Positive = Field(description="noise of the figure, in smooth sensitivities")
    tau_s: Positive = Field(description="noise of the logarithm of that noise's width, which is shown too")

    def build(self) -> SanitisedReleaseEvent:
        return SanitisedReleaseEvent(order=self.order, beta=self.beta, sigma_ss=self.sigma_ss, tau_s=self.tau_s)


def _model_tag(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "trees" if kind == "boosted-trees" else "network"


class TeachersConfig(Section):
    """How teachers are trained, and how many in one Ray task."""

    model: Annotated[
        Annotated[ModelSpec, Tag("network")] | Annotated[TreesSpec, Tag("trees")], Discriminator(_model_tag)
    ]
    training: TrainSpec | None = Field(None, description="how networks are fitted; trees say it in model")
    see: Literal["features", "inputs"] = Field(
        "features", description="the representation, where there is one; or the inputs themselves"
    )
    bundle_size: Count = Field(25, description="teachers in one task")
    strategy: Literal["sequential", "fused", "auto"] = "auto"
    num_cpus: Positive = Field(1.0, description="processor cores of one task")
    num_gpus: float = Field(0.0, ge=0, allow_inf_nan=False, description="GPUs of one task; fractions share one")

    @model_validator(mode="after")
    def _training_of_networks(self) -> TeachersConfig:
        if isinstance(self.model, ModelSpec) == (self.training is None):
            raise ValueError(
                f"Expected training with networks and without it for boosted-trees, got kind={self.model.kind!r}; "
                f"{'add' if self.training is None else 'remove'} teachers.training"
            )
        if isinstance(self.model, TreesSpec) and self.num_gpus:
            raise ValueError(f"Expected num_gpus=0 for boosted-trees, got {self.num_gpus:g}; they use processors alone")
        return self


class GNMaxConfig(Section):
    """Answer every query with a noisy argmax, discrete Gaussian noise."""

    kind: Literal["gnmax"]
    sigma: Votes = Field(description="noise on each count, votes")

    def build(self) -> NoisyMax:
        return GNMax(sigma=self.sigma)


class LNMaxConfig(Section):
    """Answer every query with a noisy argmax, discrete Laplace noise."""

    kind: Literal["lnmax"]
    scale: Votes = Field(description="scale of the noise on each count, votes")

    def build(self) -> NoisyMax:
        return LNMax(scale=self.scale)


class ConfidentGNMaxConfig(Section):
    """Refuse queries without a clear majority, answer the others."""

    kind: Literal["confident-gnmax"]
    threshold: Votes = Field(description="votes that the noisy top count must reach")
    sigma_threshold: Votes = Field(description="noise of that test, votes")
    sigma: Votes = Field(description="noise on each count of an accepted query, votes")
    max_answered: Count = Field(description="the campaign ends with this many answers")

    def build(self) -> NoisyMax:
        return ConfidentGNMax(
            threshold=self.threshold,
            sigma_threshold=self.sigma_threshold,
            sigma=self.sigma,
            max_answered=self.max_answered,
        )


class LabellingConfig(Section):
    """The campaign: which mechanism, how many queries."""

    mechanism: GNMaxConfig | LNMaxConfig | ConfidentGNMaxConfig = Field(discriminator="kind")
    max_asked: Count = Field(description="public inputs that are asked about, chosen before the first vote")
    queries: Literal["random", "central"] = Field(
        "random", description="central: nearest to k-means centres of the pool's features, or of the inputs"
    )
    batch_size: Count = Field(1000, description="answers released together")
    insecure_seeded_noise: Seed | None = Field(
        None, description="tests only: predictable noise from this seed; protects nobody, is never registered"
    )


class DeclaredCampaignConfig(Section):
    """A campaign that is declared with the budget, before anything is answered."""

    mechanism: GNMaxConfig | LNMaxConfig | ConfidentGNMaxConfig = Field(discriminator="kind")
    max_asked: Count = Field(description="public inputs that it asks about")
    sanitised: SanitisedConfig | None = Field(None, description="the figure that it buys, as privacy.sanitised")


class PrivacyConfig(Section):
    """The budget of the data; fixed when the data are first registered."""

    epsilon: Positive = Field(description="most that may ever be spent on these data")
    delta: float = Field(gt=0, lt=1, description="failure probability, far below one over the number of units")
    unit: str = Field("patient", min_length=1, max_length=80, description="whom the guarantee protects")
    accountant: str = Field(DEFAULT_ACCOUNTANT, description="the data-independent accountant that enforces the budget")
    sanitised: SanitisedConfig | None = Field(
        None, description="buy a noisy, public figure of the data-dependent cost; `pate plan --sanitised` proposes one"
    )
    campaigns: tuple[DeclaredCampaignConfig, ...] = Field(
        (), description="all campaigns on these data, where they are fixed now; default: each is decided when it is run"
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


class TrackingConfig(Section):
    """Where MLflow keeps the run."""

    uri: str | None = Field(None, description="an MLflow server or store; default: SQLite in PATE_HOME")
    experiment: str = Field("pate", description="up to 200 letters, digits and '_ . - /' or spaces")
    registered_model: str | None = Field(
        None, description="name in the model registry, of letters, digits, '_', '.' and '-'; default: pate-<name>"
    )
    system_metrics: bool = Field(True, description="record how busy this process is while it trains the student")

    @field_validator("uri")
    @classmethod
    def _known_scheme(cls, uri: str | None) -> str | None:
        destination(uri, home=Path())
        return uri

    @field_validator("experiment")
    @classmethod
    def _experiment_that_mlflow_takes(cls, name: str) -> str:
        check_experiment(name)
        return name

    @field_validator("registered_model")
    @classmethod
    def _model_that_the_registry_takes(cls, name: str | None) -> str | None:
        if name is not None:
            check_name("model", name)
        return name


class RayConfig(Section):
    """Which Ray. RAY_ADDRESS and an initialised Ray are joined without being asked."""

    address: str | None = Field(None, description="host:port; default: RAY_ADDRESS, else a local one")
    num_cpus: Count | None = Field(None, description="cores of the local Ray; default: all")


class SitesConfig(Section):
    """Records stay where they are: each file of data.private_files is read on the Ray nodes of its site alone."""

    folder: Path = Field(
        exclude=True, description="private folder on the nodes, shared by the nodes of a site; teachers stay there"
    )
    label: str = Field("site", min_length=1, description="the label of Ray nodes whose value names their site")
    protects: Literal["unit", "site"] = Field(
        "unit", description="site: the privacy unit is a whole hospital, which then has one teacher"
    )
    nodes: Texts = Field(
        (), description="rehearsals with a public set: hospitals are dealt to these labels; default: their own names"
    )

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        if not folder.is_absolute():
            raise ValueError("Expected an absolute path, got a relative one: tasks have no working folder of yours")
        return folder


class FaultsConfig(Section):
    """What happens when machines fail. It changes no result, so it may be changed for a run that is resumed."""

    retries: int = Field(3, ge=0, le=100, description="tries after a task's first that crashed")
    task_seconds: Positive | None = Field(
        None, description="most seconds of one task; one that takes longer is tried once more, elsewhere at its site"
    )
    patience_seconds: Positive = Field(60.0, description="how long a site may be without a node before it is given up")
    quorum_teachers: Count | None = Field(None, description="fewest teachers that must take part; default: all")
    quorum_sites: Count | None = Field(None, description="fewest sites that must take part; default: all")


class Config(Section):
    """An experiment."""

    name: Name
    description: str = ""
    seed: Seed = Field(0, description="of splits, partitions and training; privacy noise is never seeded")
    data: DataConfig
    partition: PartitionConfig
    privacy: PrivacyConfig
    features: FeaturesConfig | None = Field(None, description="what teachers learn on; default: the inputs themselves")
    teachers: TeachersConfig
    labelling: LabellingConfig
    student: StudentConfig
    tracking: TrackingConfig = TrackingConfig()
    ray: RayConfig = RayConfig()
    sites: SitesConfig | None = Field(
        None, description="tasks go to the records; default: the records come to the tasks"
    )
    faults: FaultsConfig = FaultsConfig()

    @model_validator(mode="after")
    def _sites_are_named(self) -> Config:
        if self.sites is None:
            return self
        if self.partition.by != "site" or self.partition.label_skew is not None:
            raise ValueError(
                f"Expected partition.by: site, without label_skew, where sites is given, got {self.partition.by!r}"
            )
        if self.sites.protects == "site" and self.partition.sites:
            raise ValueError("Expected one teacher for each hospital with sites.protects: site; remove partition.sites")
        if self.sites.protects == "site" and self.privacy.unit == "patient":
            raise ValueError(
                "Expected privacy.unit to name whom sites.protects: site protects, got 'patient'; write privacy.unit: "
                "hospital"
            )
        files = self.data.private_files if isinstance(self.data, FilesData) else ()
        unnamed = sum(file.site is None for file in files)
        if self.held_at_sites and unnamed:
            raise ValueError(
                f"Expected a site for each of data.private_files where sites is given, got {unnamed} without; name "
                "the label of the nodes that hold the file"
            )
        if self.held_at_sites and getattr(self.data, "site", None) is not None:
            raise ValueError("Expected one site for each of data.private_files where sites is given; remove data.site")
        return self

    @property
    def held_at_sites(self) -> bool:
        """Whether private records are read at their sites alone, since the pool does not come out of them."""
        return self.sites is not None and isinstance(self.data, FilesData) and bool(self.data.pool_files)

    @model_validator(mode="after")
    def _features_are_there(self) -> Config:
        for name in ("start", "see"):
            if getattr(self.student, name) == "features" and self.features is None:
                raise ValueError(f"Expected a features section for student.{name}='features', got none; add it")
        if self.student.start == self.student.see == "features":
            raise ValueError(
                "Expected student.start or student.see to be 'features', got both; a head on the encoder starts fresh"
            )
        return self

    @model_validator(mode="after")
    def _counts_fit(self) -> Config:
        if self.data.pool < 2:
            raise ValueError(
                f"Expected data.pool >= 2, got {self.data.pool}; a student is kept with two public inputs as an example"
            )
        if isinstance(self.data, DigitsData | VisionData) and self.partition.teachers > self.data.private:
            raise ValueError(
                f"Expected partition.teachers <= data.private={self.data.private}, got {self.partition.teachers}; use "
                "fewer teachers"
            )
        if self.labelling.max_asked > self.data.pool:
            raise ValueError(
                f"Expected labelling.max_asked <= data.pool={self.data.pool}, got {self.labelling.max_asked}; ask fewer"
            )
        bound = self.campaign_epsilon()
        if bound.epsilon > self.privacy.epsilon:
            raise ValueError(
                f"Expected a campaign within privacy.epsilon={self.privacy.epsilon:g}, got {up(bound.epsilon, 4)} "
                f"by {bound.accountant}; ask fewer queries or use more noise"
            )
        return self

    @model_validator(mode="after")
    def _declared_fit(self) -> Config:
        rule = self.account_rule()
        if not rule.declared:
            return self
        if not rule.admits(rule.declared):
            raise ValueError(
                f"Expected privacy.campaigns within privacy.epsilon={self.privacy.epsilon:g} together, got "
                f"{up(rule.fixed(rule.declared).epsilon, 4)}; declare fewer queries or more noise"
            )
        if not rule.admits((self.campaign_event(),)):
            raise ValueError(
                "Expected a campaign out of privacy.campaigns, got another; together they use so much of the budget "
                "that nothing else may follow, so run what was declared"
            )
        return self

    def campaign_event(self) -> PrivacyEvent:
        """The worst case of everything that the campaign releases."""
        return campaign_event(
            self.labelling.mechanism.build(),
            queries=self.labelling.max_asked,
            moved_votes=self.partition.group_size,
            sanitised=self.sanitised_release(),
        )

    def declared_campaigns(self) -> tuple[PrivacyEvent, ...]:
        """The worst case of each campaign that is declared with the budget."""
        return tuple(
            campaign_event(
                declared.mechanism.build(),
                queries=declared.max_asked,
                moved_votes=self.partition.group_size,
                sanitised=None if declared.sanitised is None else declared.sanitised.build(),
            )
            for declared in self.privacy.campaigns
        )

    def account_rule(self) -> AccountRule:
        """What the account of these data accepts."""
        return AccountRule(
            epsilon=self.privacy.epsilon,
            delta=self.privacy.delta,
            accountant=self.privacy.accountant,
            declared=self.declared_campaigns(),
        )

    def sanitised_release(self) -> SanitisedReleaseEvent | None:
        """The figure that the campaign buys, if it does."""
        if self.privacy.sanitised is None:
            return None
        require_teachers(self.partition.teachers)
        return self.privacy.sanitised.build()

    def campaign_epsilon(self) -> EpsilonBound:
        """The campaign's data-independent cost, computed from the configuration alone."""
        return data_independent_epsilon(self.campaign_event(), self.privacy.delta, self.privacy.accountant)

    def content(self) -> dict[str, Any]:
        """The resolved configuration, without what cannot change a result and so may change while a run is resumed.

        Keys that came later are left out where they are not used, so that a run keeps its id.
        """
        found = self.model_dump(mode="json", exclude=_NOT_IN_RESULTS)
        if not self.privacy.campaigns:
            del found["privacy"]["campaigns"]
        if not self.partition.sites:
            del found["partition"]["sites"]
        if found["data"].get("equal_records") == "refuse":
            del found["data"]["equal_records"]
        return found

    def digest(self) -> str:
        """SHA-256 of ``content``."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """The configuration's name and the first 8 hex digits of its hash."""
        return f"{self.name}-{self.digest()[:8]}"


def load(path: Path, overrides: dict[str, Any] | None = None) -> Config:
    """Read a configuration file.

    Args:
        path: the YAML file.
        overrides: keys that replace the file's, such as ``seed``; within a section, only those that are named.

    Raises:
        InputError: one line that names file, key path, value and what was expected; further faults are counted.
    """
    content = _merged(yaml_file.read(path), overrides or {})
    try:
        return Config.model_validate(content, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise InputError(yaml_file.one_line(path, content, error.errors())) from error


def _merged(content: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    found = dict(content)
    for key, value in overrides.items():
        own = found.get(key)
        found[key] = _merged(own, value) if isinstance(own, dict) and isinstance(value, dict) else value
    return found


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}

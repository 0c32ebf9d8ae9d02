"""One YAML file per experiment, as frozen models; an unknown key is an error.

The file's values are public. Where a value is wrong the error names the file, the key path, the value and
what was expected, in one line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError, model_validator

from pate.accounting import EpsilonBound, PrivacyEvent, data_independent_epsilon
from pate.accounting.data_independent.account_rule import AccountRule
from pate.accounting.events import SanitisedReleaseEvent
from pate.accounting.rounding import up
from pate.accounting.sanitised.gap_sensitivity import require_teachers
from pate.aggregation import campaign_event
from pate.files import content_hash
from pipelines.config import yaml_file
from pipelines.config.data import DataConfig, DigitsData, FilesData, VisionData
from pipelines.config.faults import refusal
from pipelines.config.features import FeaturesConfig
from pipelines.config.fields import Name, Section, Seed
from pipelines.config.infrastructure import FaultsConfig, RayConfig, ReportConfig, TrackingConfig
from pipelines.config.labelling import LabellingConfig
from pipelines.config.partition import PartitionConfig, SitesConfig
from pipelines.config.privacy import PrivacyConfig
from pipelines.config.student import StudentConfig
from pipelines.config.teachers import GivenVotesModel, TeachersConfig

_NOT_IN_RESULTS: dict[str, Any] = {
    "tracking": True,
    "ray": True,
    "description": True,
    "faults": True,
    "report": True,
    "privacy": {"retention_days"},
}


class Config(Section):
    """An experiment."""

    name: Name
    description: str = ""
    seed: Seed = Field(0, description="of splits, partitions and training; privacy noise is never seeded")
    data: DataConfig
    partition: PartitionConfig
    privacy: PrivacyConfig
    features: FeaturesConfig | None = Field(
        None, description="representation of inputs; default: the inputs themselves"
    )
    teachers: TeachersConfig
    labelling: LabellingConfig
    student: StudentConfig
    tracking: TrackingConfig = TrackingConfig()
    ray: RayConfig = RayConfig()
    sites: SitesConfig | None = Field(
        None, description="tasks run where the records are; default: records are sent to the tasks"
    )
    faults: FaultsConfig = FaultsConfig()
    report: ReportConfig | None = Field(None, description="declarations of the organisation for the privacy report")

    later: ClassVar[frozenset[str]] = frozenset({"report"})

    @model_validator(mode="after")
    def _records_are_named(self) -> Config:
        if not isinstance(self.data, FilesData):
            if self.votes_are_given:
                raise ValueError(
                    f"Expected public files with teachers.model.kind: votes, got data.source={self.data.source!r}"
                )
            return self
        if not self.votes_are_given:
            if not self.data.private_files:
                raise ValueError("Expected data.private_files, got none; name the files that teachers learn from")
            return self
        if self.data.private_files or not self.data.pool_files or not self.data.evaluation_files:
            raise ValueError(
                "Expected data.pool_files and data.evaluation_files, without data.private_files, with "
                "teachers.model.kind: votes; the records that the votes were learned from stay where they are"
            )
        if self.sites is not None or self.partition.by != "random" or self.partition.label_skew is not None:
            raise ValueError(
                "Expected no sites and only the number of teachers in partition with teachers.model.kind: votes"
            )
        return self

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
                "Expected privacy.unit to name what sites.protects: site protects, got 'patient'; write privacy.unit: "
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
    def votes_are_given(self) -> bool:
        """Return ``True`` if the votes were made elsewhere and are given to the run."""
        return isinstance(self.teachers.model, GivenVotesModel)

    @property
    def held_at_sites(self) -> bool:
        """Return ``True`` if private records are read at their sites alone, since the pool is not drawn from them."""
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
                f"Expected data.pool >= 2, got {self.data.pool}; a student is exported with two public inputs"
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
                "Expected a campaign out of privacy.campaigns, got another; together they use too much of the budget "
                "for any other, so run a declared one"
            )
        return self

    def campaign_event(self) -> PrivacyEvent:
        """Worst-case event of everything that the campaign releases."""
        return campaign_event(
            self.labelling.mechanism.build(),
            queries=self.labelling.max_asked,
            moved_votes=self.partition.group_size,
            sanitised=self.sanitised_release(),
        )

    def declared_campaigns(self) -> tuple[PrivacyEvent, ...]:
        """Worst-case event of each campaign that is declared with the budget."""
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
        """Rule of the account of these data."""
        return AccountRule(
            epsilon=self.privacy.epsilon,
            delta=self.privacy.delta,
            accountant=self.privacy.accountant,
            declared=self.declared_campaigns(),
        )

    def sanitised_release(self) -> SanitisedReleaseEvent | None:
        """Sanitised estimate of the campaign, or ``None``."""
        if self.privacy.sanitised is None:
            return None
        require_teachers(self.partition.teachers)
        return self.privacy.sanitised.build()

    def campaign_epsilon(self) -> EpsilonBound:
        """The campaign's data-independent cost, computed from the configuration alone."""
        return data_independent_epsilon(self.campaign_event(), self.privacy.delta, self.privacy.accountant)

    def content(self) -> dict[str, Any]:
        """The resolved configuration, without keys that do not affect results and so may change when a run is resumed.

        Keys that were added later are left out where they are not used, so that a run keeps its id.
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
        return content_hash(self.content())

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
        InputError: one line for each fault, with key path, value and what was expected.
    """
    content = _merged(yaml_file.read(path), overrides or {})
    try:
        return Config.model_validate(content, context={"folder": path.absolute().parent})
    except ValidationError as error:
        raise refusal(path, content, error.errors(), json_schema) from error


def _merged(content: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    found = dict(content)
    for key, value in overrides.items():
        own = found.get(key)
        found[key] = _merged(own, value) if isinstance(own, dict) and _is_part(value) else value
    return found


def _is_part(value: object) -> bool:
    return isinstance(value, dict) and not isinstance(value, yaml_file.Whole)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}

"""The ``partition`` and ``sites`` sections of a configuration: assignment of records to teachers, and where they are
read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pate.data.partition import site_shares
from pipelines.config.data import SiteName
from pipelines.config.fields import Count, Positive, Section, Texts


class SiteTeachersConfig(Section):
    """The teachers of one site."""

    site: SiteName
    teachers: Count


class PartitionConfig(Section):
    """Assignment of records to teachers."""

    teachers: Count
    by: Literal["random", "unit", "site"] = Field("random", description="site: each teacher stays within a hospital")
    group_size: Count = Field(1, description="partitions that one privacy unit may be in; the cost grows with it")
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


class SitesConfig(Section):
    """Records stay at their sites: each file of data.private_files is read on the Ray nodes of its site alone."""

    folder: Path = Field(
        exclude=True, description="private folder on the nodes, shared by the nodes of a site; teachers stay there"
    )
    label: str = Field("site", min_length=1, description="the label of Ray nodes whose value names their site")
    protects: Literal["unit", "site"] = Field(
        "unit", description="site: the privacy unit is a whole hospital, which then has one teacher"
    )
    nodes: Texts = Field(
        (),
        description="rehearsal on a public set: node labels that share the hospitals; default: their own names",
    )

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        if not folder.is_absolute():
            raise ValueError("Expected an absolute path, got a relative one: tasks do not run in your working folder")
        return folder

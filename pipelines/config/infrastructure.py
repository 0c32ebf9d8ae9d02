"""The sections of a configuration that change no result: tracking, Ray, faults and the report's declarations."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints, field_validator

from pipelines.config.fields import Count, Positive, Section
from pipelines.tracking.cards import check_experiment, check_name
from pipelines.tracking.destination import destination

Line: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class TrackingConfig(Section):
    """MLflow's record of the run."""

    uri: str | None = Field(None, description="an MLflow server or store; default: SQLite in PATE_HOME")
    experiment: str = Field("pate", description="up to 200 letters, digits and '_ . - /' or spaces")
    registered_model: str | None = Field(
        None, description="name in the model registry, of letters, digits, '_', '.' and '-'; default: pate-<name>"
    )
    system_metrics: bool = Field(True, description="record system metrics of this process while it trains the student")

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
    """The Ray that is used. RAY_ADDRESS and an initialised Ray are joined by default."""

    address: str | None = Field(None, description="host:port; default: RAY_ADDRESS, else a local one")
    num_cpus: Count | None = Field(None, description="cores of the local Ray; default: all")


class FaultsConfig(Section):
    """Behaviour when machines fail. It changes no result, so it may be changed for a run that is resumed."""

    retries: int = Field(3, ge=0, le=100, description="further tries of a task that crashed")
    task_seconds: Positive | None = Field(
        None, description="time limit of one task in seconds; a slower one is retried once, on another node of its site"
    )
    patience_seconds: Positive = Field(60.0, description="time that a site may be without a node before it is given up")
    quorum_teachers: Count | None = Field(None, description="fewest teachers that must take part; default: all")
    quorum_sites: Count | None = Field(None, description="fewest sites that must take part; default: all")


class ReportConfig(Section):
    """Declarations of the organisation that the privacy report repeats. They are public."""

    controller: Line | None = Field(None, description="organisation that is responsible for the private data")
    contact: Line | None = Field(None, description="address for questions and objections")
    dpia: Line | None = Field(None, description="reference of the data-protection impact assessment")
    delete_by: date | None = Field(None, description="date by which the private records are deleted, YYYY-MM-DD")
    largest_epsilon: Positive | None = Field(
        None, description="the organisation's own limit on epsilon of everything charged to these data"
    )
    largest_delta: float | None = Field(None, gt=0, lt=1, description="the organisation's own limit on delta")
    declared_units: Count | None = Field(
        None,
        description="number of privacy units as already published, to compare delta with; never a private count",
    )

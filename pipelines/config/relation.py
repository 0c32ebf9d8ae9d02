"""The two data sets that the guarantee of a configuration compares."""

from __future__ import annotations

from pipelines.config.data import ImagesData, NpzData, TableData
from pipelines.config.experiment import Config


def carries_ids(config: Config) -> bool | None:
    """Return ``True`` if private records carry the ids of their units; ``None`` if they may, as in manifests of
    images, or where votes were made elsewhere."""
    data = config.data
    if config.votes_are_given:
        return None
    if config.sites is not None and config.sites.protects == "site":
        return True
    if isinstance(data, ImagesData):
        return None
    if isinstance(data, TableData):
        return data.unit is not None
    return isinstance(data, NpzData) and data.unit_array is not None


def neighbours_of(config: Config) -> str:
    """The neighbouring relation in words, for report and card."""
    from pate.report.words import neighbours  # noqa: PLC0415 - loads the template engine

    if config.votes_are_given:
        return (
            f"Two tables of votes are neighbours if they differ in at most {config.partition.group_size} of the votes "
            f"on each query, which is all that the records of one {config.privacy.unit} can change, as the operator "
            "declares."
        )
    whole = config.sites is not None and config.sites.protects == "site"
    return neighbours(
        config.privacy.unit, ids=carries_ids(config), within_site=config.partition.by == "site" and not whole
    )

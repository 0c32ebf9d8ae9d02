"""Enrolment of sites: each is surveyed by a task, and its teachers are assigned from the survey."""

from __future__ import annotations

import json
from pathlib import Path

from pate.data import Study
from pate.errors import QuorumLost, expected
from pate.ledger.keys import LedgerKey
from pipelines.cluster.job import Job, Lost, Needs
from pipelines.cluster.session import RaySession
from pipelines.config.experiment import Config
from pipelines.data.site_shares import file_sites, shares
from pipelines.teachers.ensemble import limits
from pipelines.teachers.holders import HeldAtSites
from pipelines.teachers.roster import named
from pipelines.teachers.site_records import SiteReader, Survey, survey


def site_readers(config: Config, study: Study) -> list[SiteReader]:
    """Return a reader of each site's records.

    Hospitals of a public set are assigned to the declared sites in turn; else each site is one hospital.
    """
    found = shares(config, study)
    if found is None:
        raise expected("partition.by: site where sites is given", "correct it", by=config.partition.by)
    nodes = config.sites.nodes if config.sites is not None and not config.held_at_sites else ()
    names = nodes[: len(found)] or tuple(share.site for share in found)
    if config.held_at_sites:
        names = file_sites(config)
    return [
        SiteReader(
            site=name,
            config=config,
            classes=study.classes,
            input_shape=study.input_shape,
            encoding=study.encoding,
            public_units=study.public_units,
            shares=found[number :: len(names)],
            rehearsal=not config.held_at_sites,
        )
        for number, name in enumerate(names)
    ]


def survey_sites(config: Config, study: Study, key: LedgerKey, session: RaySession, journal: Path) -> list[Survey]:
    """Return one survey of each site, made there.

    Raises:
        QuorumLost: a site cannot be reached; all must be reachable for enrolment.
        RecordsRefused: records that cannot be read, or do not fit the study.
    """
    readers = site_readers(config, study)
    salt = key.units([f"salt of {config.run_id}".encode()])[0]
    jobs = [
        Job(
            name=f"survey at {reader.site}",
            function=survey,
            arguments={"reader": reader, "key": key.reveal(), "salt": salt},
            site=reader.site,
            private=True,
        )
        for reader in readers
    ]
    sites = config.sites
    needs = Needs(
        num_cpus=config.teachers.num_cpus,
        label="site" if sites is None else sites.label,
        incidents=None if sites is None else sites.folder,
    )
    found = dict(session.try_all(jobs, needs, limits(config, journal)))
    lost = [readers[position].site for position, result in found.items() if isinstance(result, Lost)]
    if lost:
        raise QuorumLost(
            f"Expected to reach all {len(readers)} sites when they are enrolled, got {len(lost)} lost to "
            f"infrastructure: {named(lost)}; start their nodes with the label {needs.label}=<site> and run again, or "
            "leave them out of the configuration"
        )
    return [found[position] for position in range(len(readers))]


def held_at_sites(config: Config, study: Study, manifest: str) -> HeldAtSites:
    """Return the holder, from the manifest of the surveys."""
    surveys = [Survey.from_dict(row) for row in json.loads(manifest)["sites"]]
    return HeldAtSites(surveys, site_readers(config, study), group_size=config.partition.group_size)


def manifest_of(config: Config, surveys: list[Survey]) -> str:
    """Return private JSON: the records of each site, by keyed hash."""
    rows = [found.to_dict() for found in surveys]
    return json.dumps({"teachers": config.partition.teachers, "sites": rows})

"""Who takes part: the sites are surveyed by a task each, and their teachers dealt from what the surveys say."""

from __future__ import annotations

import json
from pathlib import Path

from pate.data import Study
from pate.errors import QuorumLost, expected
from pate.ledger.keys import LedgerKey
from pipelines.cluster.job import Job, Limits, Lost, Needs
from pipelines.cluster.session import RaySession
from pipelines.config.experiment import Config
from pipelines.data.sources import place_names, shares
from pipelines.teachers.holders import HeldAtSites
from pipelines.teachers.site_records import Place, Survey, survey


def places_of(config: Config, study: Study) -> list[Place]:
    """What a task needs to read the records of each place.

    Hospitals of a public set are dealt to the declared nodes in turn; else each place is one hospital.
    """
    found = shares(config, study)
    if found is None:
        raise expected("partition.by: site where sites is given", "correct it", by=config.partition.by)
    nodes = config.sites.nodes if config.sites is not None and not config.held_at_sites else ()
    names = nodes[: len(found)] or tuple(share.site for share in found)
    if config.held_at_sites:
        names = place_names(config)
    return [
        Place(
            name=name,
            config=config,
            classes=study.classes,
            input_shape=study.input_shape,
            encoding=study.encoding,
            shares=found[number :: len(names)],
            rehearsal=not config.held_at_sites,
        )
        for number, name in enumerate(names)
    ]


def survey_sites(config: Config, study: Study, key: LedgerKey, session: RaySession, journal: Path) -> list[Survey]:
    """One survey of each place, made there.

    Raises:
        QuorumLost: a site cannot be reached; who is to be enrolled must be there.
        RecordsRefused: records that cannot be read, or do not fit the study.
    """
    places = places_of(config, study)
    salt = key.units([f"salt of {config.run_id}".encode()])[0]
    jobs = [
        Job(
            name=f"survey at {place.name}",
            function=survey,
            arguments={"place": place, "key": key.reveal(), "salt": salt},
            site=place.name,
            private=True,
        )
        for place in places
    ]
    sites, faults = config.sites, config.faults
    needs = Needs(
        num_cpus=config.teachers.num_cpus,
        label="site" if sites is None else sites.label,
        incidents=None if sites is None else sites.folder,
    )
    limits = Limits(
        retries=faults.retries, seconds=faults.task_seconds, patience=faults.patience_seconds, journal=journal
    )
    found = dict(session.try_all(jobs, needs, limits))
    lost = sum(isinstance(result, Lost) for result in found.values())
    if lost:
        raise QuorumLost(
            f"Expected to reach all {len(places)} sites when they are enrolled, got {lost} that are lost to "
            f"infrastructure; start their nodes with the label {needs.label}=<site> and run again, or leave them out "
            "of the configuration"
        )
    return [found[position] for position in range(len(places))]


def held_at_sites(config: Config, study: Study, manifest: str) -> HeldAtSites:
    """The holder, from the manifest that the surveys left."""
    surveys = [Survey.from_dict(row) for row in json.loads(manifest)["sites"]]
    return HeldAtSites(surveys, places_of(config, study), group_size=config.partition.group_size)


def manifest_of(config: Config, surveys: list[Survey]) -> str:
    """Private JSON: what each site holds, by keyed hash."""
    rows = [found.to_dict() for found in surveys]
    return json.dumps({"teachers": config.partition.teachers, "sites": rows})

"""Sites and their teachers, from public knowledge alone."""

from __future__ import annotations

import numpy as np

from pate.data import Study
from pate.data.partition import SiteShare, site_shares
from pate.errors import expected
from pipelines.config.data import FilesData
from pipelines.config.experiment import Config


def file_sites(config: Config) -> tuple[str, ...]:
    """The sites that hold the files of private records, in the order of the configuration."""
    files = config.data.private_files if isinstance(config.data, FilesData) else ()
    return tuple(dict.fromkeys(str(file.site) for file in files))


def shares(config: Config, study: Study) -> tuple[SiteShare, ...] | None:
    """The sites and their teachers, from public knowledge alone; ``None`` if the assignment ignores sites.

    The names are those of ``partition.sites``, else those of ``data.private_files``; on a public benchmark those in
    its records.

    Raises:
        InputError: nothing public names the sites, or there are fewer teachers than sites.
    """
    if config.partition.by != "site":
        return None
    found = _shares(config, study)
    if config.sites is not None and config.sites.protects == "site" and len(found) != config.partition.teachers:
        raise expected(
            "one teacher for each hospital with sites.protects: site",
            "set partition.teachers to the number of hospitals",
            teachers=config.partition.teachers,
            hospitals=len(found),
        )
    return found


def _shares(config: Config, study: Study) -> tuple[SiteShare, ...]:
    teachers, declared = config.partition.teachers, config.partition.declared_sites() or None
    files = config.data.private_files if isinstance(config.data, FilesData) else ()
    column = getattr(config.data, "site", None) or getattr(config.data, "site_array", None)
    if files and all(file.site is not None for file in files) and column is None:
        return site_shares(file_sites(config), teachers=teachers, declared=declared)
    if declared is not None:
        return site_shares(config.partition.site_names(), teachers=teachers, declared=declared)
    if study.benchmark is not None and study.private is not None and study.private.sites_N is not None:
        return site_shares(np.unique(study.private.sites_N).tolist(), teachers=teachers)
    raise expected(
        "the sites in partition.sites, or a site for each of data.private_files, with partition.by: site",
        "name them: the list of sites must not depend on records",
    )

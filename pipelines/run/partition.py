"""Stage ``partition``: each private record is assigned to one teacher."""

from __future__ import annotations

from pate.data import Partition
from pate.files import write_atomically
from pipelines.cluster.session import OnDemand
from pipelines.run.context import Run
from pipelines.run.stages import Done
from pipelines.teachers import enrolment
from pipelines.teachers.ensemble import JOURNAL
from pipelines.teachers.given_votes import GivenVotes
from pipelines.teachers.holders import HeldHere, Holder


def partition(run: Run, parts: Partition | GivenVotes | None, ray: OnDemand) -> Holder:
    """Record the holder of each teacher's records in a private manifest, by hash.

    Args:
        run: the run.
        parts: the partition of records that this process holds; ``None``: the sites hold them and are surveyed;
            or votes that were made elsewhere, where there is nothing to partition.
        ray: connects to the sites.
    """
    if isinstance(parts, GivenVotes):
        return parts
    path = run.folder.made(run.folder.manifest_file)

    def work() -> Done:
        if parts is None:
            with run.home.ledger() as ledger:
                journal = path.with_name(JOURNAL)
                found = enrolment.survey_sites(run.config, run.study, ledger.key, ray.session(), journal)
            write_atomically(path, enrolment.manifest_of(run.config, found))
        else:
            write_atomically(path, parts.manifest(run.study.held_here))
        settings = run.config.partition
        return Done(outputs=[path], note={}, line=f"{settings.teachers} disjoint partitions, by {settings.by}")

    run.stage("partition", work)
    if parts is not None:
        return HeldHere(run.study.held_here, parts)
    return enrolment.held_at_sites(run.config, run.study, path.read_text())

"""The ensemble on Ray: storage of its bundles of teachers, and tasks on each of them.

The driver holds one bundle and its votes at a time. Weights of records that this process holds come back and are kept
in the run's private folder; those trained at a site stay there, and the driver keeps their hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

from pate.data import Study
from pate.errors import expected
from pate.teachers import suffix_of
from pipelines.cluster.job import Job, Limits, Lost, Needs
from pipelines.cluster.session import RaySession
from pipelines.config.experiment import Config
from pipelines.config.teachers import GivenVotesModel
from pipelines.teachers.bundles import StoredBundle
from pipelines.teachers.holders import Holder
from pipelines.teachers.roster import Plan

PLAN, ROSTER, JOURNAL = "plan.json", "roster.json", "tasks.jsonl"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The teachers of a run.

    Attributes:
        folder: the run's private folder of teachers.
        config: the experiment.
        study: its public part is read.
        holder: of the private records.
        on_done: called with the number of teachers of a finished bundle and their site.
    """

    folder: Path
    config: Config
    study: Study
    holder: Holder
    on_done: Callable[[int, str | None], None] = lambda teachers, site: None

    @property
    def plan(self) -> Plan:
        """The plan that was written before training."""
        return Plan.load(self.folder / PLAN)

    def at_site(self, number: int) -> StoredBundle | None:
        """Return the location at its site of a bundle that stays there; ``None`` without sites."""
        sites = self.config.sites
        if sites is None:
            return None
        return StoredBundle(path=sites.folder / f"{self.config.run_id}-{self.holder.fingerprint}" / self._name(number))

    def here(self, number: int) -> StoredBundle:
        """Return the location of a bundle in this process's folder; of one at a site, of its hash alone."""
        return StoredBundle(path=self.folder / self._name(number))

    def _name(self, number: int) -> str:
        model = self.config.teachers.model
        if isinstance(model, GivenVotesModel):
            raise expected("teachers trained by pate", "votes made elsewhere have no teachers here", kind=model.kind)
        return f"bundle-{number:04d}.{suffix_of(model)}"

    def is_trained(self, number: int) -> bool:
        """Return ``True`` if a bundle was finished before."""
        return self.here(number).is_whole() if self.config.sites is None else self.here(number).recorded is not None

    def needs(self, plan: Plan) -> Needs:
        """Resources of one task."""
        teachers, sites = self.config.teachers, self.config.sites
        return Needs(
            num_cpus=teachers.num_cpus,
            num_gpus=teachers.num_gpus if plan.device == "cuda" else 0.0,
            threads=plan.threads,
            label="site" if sites is None else sites.label,
            incidents=None if sites is None else sites.folder,
        )

    def limits(self) -> Limits:
        """Limits on the tries of one task."""
        return limits(self.config, self.folder / JOURNAL)


def limits(config: Config, journal: Path) -> Limits:
    """Limits on the tries of a task, as the configuration declares them."""
    faults = config.faults
    return Limits(
        retries=faults.retries, seconds=faults.task_seconds, patience=faults.patience_seconds, journal=journal
    )


def teachers_per_site(ensemble: Ensemble) -> Mapping[str | None, int]:
    """Number of teachers of each site."""
    sites = ensemble.holder.sites()
    return {site: sites.count(site) for site in dict.fromkeys(sites)}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BundleTask:
    """A task that runs once on each bundle.

    Attributes:
        name: ``train`` or ``vote``.
        function: runs in the task.
        arguments: keyword arguments of the function, for the bundle with a number; made when the task is sent.
        is_done: ``True`` for a bundle that was finished before.
        keep: called with a bundle's number and its result.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[int], Mapping[str, Any]]
    is_done: Callable[[int], bool]
    keep: Callable[[int, Any], None]


def run_bundles(ensemble: Ensemble, task: BundleTask, numbers: Iterable[int], session: RaySession) -> list[int]:
    """Run a task on the bundles that have not finished it.

    Args:
        ensemble: the teachers.
        task: the task.
        numbers: of the bundles.
        session: where.

    Returns:
        The numbers of the bundles that have finished it, in order; the infrastructure lost the others.
    """
    plan, wanted = ensemble.plan, list(numbers)
    done = {number for number in wanted if task.is_done(number)}
    for number in sorted(done):
        ensemble.on_done(len(plan.bundles[number]), plan.sites[number])
    waiting = [number for number in wanted if number not in done]
    jobs = [
        Job(
            name=_task_name(task.name, plan, number),
            function=task.function,
            arguments=partial(task.arguments, number),
            site=plan.sites[number],
            private=True,
        )
        for number in waiting
    ]
    for position, result in session.try_all(jobs, ensemble.needs(plan), ensemble.limits()):
        if isinstance(result, Lost):
            continue
        number = waiting[position]
        task.keep(number, result)
        done.add(number)
        ensemble.on_done(len(plan.bundles[number]), plan.sites[number])
    return sorted(done)


def _task_name(name: str, plan: Plan, number: int) -> str:
    """``train-0007 of 40 at hospital_a``, as Ray's dashboard shows it."""
    site = plan.sites[number]
    return f"{name}-{number:04d} of {len(plan.bundles)}" + ("" if site is None else f" at {site}")

"""The training plan, the roster of enrolled and lost teachers, and the quorum.

The roster is frozen before the first vote is asked for. A teacher that was lost, or cannot be reached later, abstains:
the matrix keeps its row, and one unit moves as many votes as before. Only machine failures reported by Ray count here;
effects of the data (an empty, tiny or one-class partition, non-finite weights) are no loss and have no influence.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from pate.errors import QuorumLost
from pate.files import write_atomically
from pate.plain_text import printable
from pipelines.config.infrastructure import FaultsConfig

_IN_FILE = {"sites": "places"}
"""Fields of a plan that have another name in its file."""
_MOST_NAMED = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The training plan, fixed before the first teacher is trained, so that a retried task gives the same.

    Attributes:
        bundles: numbers of the teachers of each task, all of one site.
        sites: for each bundle the site on whose nodes it is trained and votes, or ``None``.
        strategy: ``sequential`` or ``fused``.
        threads: torch threads in a task.
        device: ``cpu`` or ``cuda``.
        rule: version of the assignment rule; plans without it used the first.
    """

    bundles: list[list[int]]
    sites: list[str | None]
    strategy: str
    threads: int
    device: str
    rule: int = 1

    @property
    def teachers(self) -> int:
        """Number of teachers."""
        return sum(len(bundle) for bundle in self.bundles)

    def save(self, path: Path) -> None:
        """Write to the private folder."""
        content = asdict(self)
        write_atomically(path, json.dumps({_IN_FILE.get(name, name): value for name, value in content.items()}))

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan that ``save`` wrote."""
        content = json.loads(path.read_text())
        names = {in_file: name for name, in_file in _IN_FILE.items()}
        return cls(**{names.get(name, name): value for name, value in content.items()})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Enrolled and lost teachers, frozen before labelling.

    Attributes:
        enrolled: number of teachers.
        lost: teachers lost to infrastructure before it was frozen; they abstain.
    """

    enrolled: int
    lost: tuple[int, ...] = ()

    def save(self, path: Path) -> None:
        """Write to the private folder."""
        write_atomically(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Roster:
        """Read a roster that ``save`` wrote."""
        content = json.loads(path.read_text())
        return cls(enrolled=content["enrolled"], lost=tuple(content["lost"]))


def make_bundles(sites: Sequence[str | None], *, size: int, slots: int) -> tuple[list[list[int]], list[str | None]]:
    """Put teachers into bundles of one site each; returns the bundles and the site of each.

    Args:
        sites: the site of each teacher.
        size: most teachers in a bundle.
        slots: tasks that run at once; bundles are small enough to use all of them.
    """
    size = min(size, max(1, -(-len(sites) // slots)))
    bundles: list[list[int]] = []
    at: list[str | None] = []
    for site in dict.fromkeys(sites):
        own = [teacher for teacher, where in enumerate(sites) if where == site]
        bundles += [own[first : first + size] for first in range(0, len(own), size)]
        at += [site] * (len(bundles) - len(at))
    return bundles, at


def named(sites: Iterable[str]) -> str:
    """Names of sites in an error, the first few of many; they are public, in the configuration."""
    known = [printable(site) for site in sorted(sites)]
    more = len(known) - _MOST_NAMED
    return ", ".join(known[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def require_quorum(faults: FaultsConfig, plan: Plan, present: Collection[int], *, doing: str) -> None:
    """Stop where too few teachers or sites are left.

    Args:
        faults: the declared quorums; without one, all are needed.
        plan: the teachers and their sites.
        present: numbers of the bundles that are there.
        doing: ``trained`` or ``voted``, for the error.

    Raises:
        QuorumLost: nothing was released.
    """
    sites = {site for site in plan.sites if site is not None}
    left = {plan.sites[number] for number in present} - {None}
    teachers = sum(len(plan.bundles[number]) for number in present)
    needed_sites = len(sites) if faults.quorum_sites is None else min(faults.quorum_sites, len(sites))
    needed_teachers = faults.quorum_teachers
    if needed_teachers is None:
        needed_teachers = plan.teachers if faults.quorum_sites is None else 1
    for what, needed, found, of in (
        ("sites", needed_sites, len(left), len(sites)),
        ("teachers", needed_teachers, teachers, plan.teachers),
    ):
        if found < needed:
            gone = f" (among them of {named(sites - left)})" if sites - left else ""
            raise QuorumLost(
                f"Expected {needed} of {of} {what} to have {doing} (faults.quorum_{what}), got {found}, the others are "
                f"lost to infrastructure{gone}; nothing was released. Restart their nodes and run again (finished work "
                f"is kept), or declare a smaller faults.quorum_{what}"
            )

"""Collection of votes: written to disk as they arrive, and to the matrix when complete. Private."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, final

import numpy as np

from pate.files import write_atomically
from pate.votes import VoteArray, VoteFile
from pipelines.cluster.session import RaySession
from pipelines.teachers.bundles import StoredBundle, vote_of_bundle
from pipelines.teachers.ensemble import ROSTER, BundleTask, Ensemble, run_bundles
from pipelines.teachers.roster import Plan, Roster, require_quorum


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    """A vote matrix on disk.

    Attributes:
        sha256: of the file.
        unreachable: teachers on the roster that no longer answered, and abstain.
    """

    sha256: str
    unreachable: int


def collect_votes(path: Path, ensemble: Ensemble, inputs: Any, session: RaySession, *, quorum: bool = True) -> Voted:
    """Write one vote of each teacher on each input, as a matrix ``[T, Q]``; unreachable teachers abstain.

    Votes are kept in a folder next to the matrix as they arrive, so that no teacher is asked twice.

    Args:
        path: of the matrix.
        ensemble: the teachers.
        inputs: the queries. Shape ``[Q, ...]``.
        session: where.
        quorum: ``False`` for votes that are never released: then too few votes are not an error.

    Raises:
        QuorumLost: too few teachers or sites answered; nothing was released.
    """
    plan, roster, classes = ensemble.plan, Roster.load(ensemble.folder / ROSTER), len(ensemble.study.classes)
    lost = set(roster.lost)
    asked = [number for number, bundle in enumerate(plan.bundles) if not lost & set(bundle)]
    parts = _parts(path)
    parts.mkdir(exist_ok=True, mode=0o700)
    files = {number: parts / f"{number:04d}-{_recorded(ensemble, number)[:16]}.npy" for number in asked}
    task = BundleTask(
        name="vote",
        function=vote_of_bundle,
        arguments=partial(_arguments, ensemble, plan, cache(lambda: session.share(inputs))),
        is_done=lambda number: files[number].exists(),
        keep=lambda number, votes: _save(files[number], votes),
    )
    answered = run_bundles(ensemble, task, asked, session)
    if quorum:
        require_quorum(ensemble.config.faults, plan, answered, doing="voted")
    matrix = VoteFile(path, teachers=plan.teachers, queries=len(inputs), classes=classes)
    for number in answered:
        matrix.put(plan.bundles[number], np.load(files[number], allow_pickle=False))
    unreachable = plan.teachers - len(lost) - sum(len(plan.bundles[number]) for number in answered)
    return Voted(sha256=matrix.finish(), unreachable=unreachable)


def forget_parts(path: Path) -> None:
    """Remove the partial votes of a finished matrix."""
    parts = _parts(path)
    for file in parts.iterdir() if parts.is_dir() else ():
        file.unlink()
    if parts.is_dir():
        parts.rmdir()


def _parts(path: Path) -> Path:
    return path.with_name(f"{path.stem}-parts")


def _arguments(ensemble: Ensemble, plan: Plan, inputs: Callable[[], Any], number: int) -> dict[str, Any]:
    at_site = ensemble.at_site(number)
    kept = StoredBundle(path=at_site.path, sha256=_recorded(ensemble, number)) if at_site else None
    return {
        "weights": kept or ensemble.here(number).read(),
        "inputs": inputs(),
        "model": ensemble.config.teachers.model,
        "classes": len(ensemble.study.classes),
        "device": plan.device,
    }


def _recorded(ensemble: Ensemble, number: int) -> str:
    return ensemble.here(number).recorded or ""


def _save(path: Path, votes: VoteArray) -> None:
    content = BytesIO()
    np.save(content, votes, allow_pickle=False)
    write_atomically(path, content.getvalue())

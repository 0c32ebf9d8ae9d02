"""End-to-end test from records to votes: one privacy unit is changed at a time, and the votes of real runs compared.

Counts over runs are printed. The changed units, their changes and the moved votes stay in this process.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from pate.auditing.learned import teachers_changed
from pate.auditing.moved_votes import Moved, most_moved
from pate.auditing.record_changes import TWICE, Files, Kind, draw_change
from pate.errors import PateError
from pate.values import Redacted
from pipelines.cluster.session import ray_session
from pipelines.config.experiment import Config
from pipelines.operations.audit_copies import Copies, copy_records
from pipelines.operations.audit_run import Seen, ToVotes, run_to_votes
from pipelines.run.label_and_train import votes_before_charge

KINDS = tuple(kind for kind in Kind if kind is not Kind.NOTHING)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The findings of an audit.

    Attributes:
        rows: one for each kind of change.
        queries: asked in each run.
        teachers: of whom each may vote once.
        simulated: ``True`` if the records are those of a public benchmark, treated as private.
    """

    rows: list[Moved]
    queries: int
    teachers: int
    simulated: bool

    @property
    def broken(self) -> bool:
        """``True`` if a change broke the claim."""
        return any(row.broken for row in self.rows)


def audit_records(
    config: Config,
    *,
    records: int,
    seed: int = 0,
    kinds: Sequence[Kind] = KINDS,
    subject: ToVotes = votes_before_charge,
    on_run: Callable[[int], None] = lambda runs: None,
) -> Findings:
    """Change one privacy unit after the other in copies of the private files, and compare votes and public bytes.

    Args:
        config: the experiment; its private files are read, never written.
        records: number of units that are changed, the kinds of change in turn; each costs a run to the votes, in
            addition to two unchanged runs.
        seed: of the choice of units.
        kinds: of change.
        subject: the path to the votes; default: the real one, with Ray.
        on_run: called with the number of finished runs.

    Raises:
        InputError: the configuration cannot be audited, or its unchanged run does not reach the votes.
    """
    with _closed_folder() as folder:
        (folder / "data").mkdir()
        copies = copy_records(config, folder / "data")
        with ray_session(address=config.ray.address, num_cpus=config.ray.num_cpus):
            return _findings(copies, folder, records, seed, kinds, subject, on_run)


def _findings(
    copies: Copies,
    folder: Path,
    records: int,
    seed: int,
    kinds: Sequence[Kind],
    subject: ToVotes,
    on_run: Callable[[int], None],
) -> Findings:
    config = copies.config
    base = _run(config, folder, {}, subject)
    on_run(1)
    if base.votes_TQ is None:
        raise PateError(f"Expected the unchanged run to reach its votes, got: {' '.join(base.said[-1:])}")
    rows: dict[Kind, Moved] = {}
    for number, kind in enumerate(_in_turn(copies, kinds, seed, records)):
        files = draw_change(copies.records, kind, seed=seed, number=number)
        if files is None:
            continue
        seen = _run(config, folder, files, subject)
        on_run(1)
        known = rows.setdefault(kind, _none_yet(config, kind))
        rows[kind] = _with(known, base, seen)
    teachers, queries = base.votes_TQ.shape
    ordered = [rows[kind] for kind in Kind if kind in rows]
    return Findings(rows=ordered, teachers=teachers, queries=queries, simulated=copies.simulated)


def _in_turn(copies: Copies, kinds: Sequence[Kind], seed: int, records: int) -> list[Kind]:
    """The kinds of change that apply to some unit, in turn; the first changes nothing."""
    found = [kind for kind in kinds if draw_change(copies.records, kind, seed=seed, number=0) is not None]
    return [Kind.NOTHING, *(found[number % len(found)] for number in range(records if found else 0))]


def _none_yet(config: Config, kind: Kind) -> Moved:
    """A row without a run; one unit may move as many votes as each campaign is charged for."""
    allowed = 0 if kind is Kind.NOTHING else config.partition.group_size * (2 if kind in TWICE else 1)
    return Moved(kind=kind, runs=0, refused=0, moved=0, teachers=0, told=0, allowed=allowed)


def _with(known: Moved, base: Seen, seen: Seen) -> Moved:
    """A row with one more run."""
    moved = teachers = 0
    if base.votes_TQ is not None and seen.votes_TQ is not None:
        moved = most_moved(base.votes_TQ, seen.votes_TQ)
        teachers = teachers_changed(base.learned, seen.learned)
    refused = seen.refused and known.kind is not Kind.NOTHING
    return replace(
        known,
        runs=known.runs + 1,
        refused=known.refused + refused,
        moved=max(known.moved, moved),
        teachers=max(known.teachers, teachers),
        told=known.told + seen.tells_from(base),
    )


def _run(config: Config, folder: Path, files: Files, subject: ToVotes) -> Seen:
    """One run with some files changed; they are restored afterwards."""
    with _changed(files), tempfile.TemporaryDirectory(dir=folder) as home:
        return run_to_votes(config, Path(home), subject)


@contextmanager
def _changed(files: Files) -> Iterator[None]:
    before = _Before({path: path.read_bytes() if path.is_file() else None for path in files})
    try:
        _write(files)
        yield
    finally:
        _write(before.files)


@final
@dataclass(frozen=True, slots=True, repr=False)
class _Before(Redacted):
    """The original files."""

    files: Files


def _write(files: Files) -> None:
    for path, content in files.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


@contextmanager
def _closed_folder() -> Iterator[Path]:
    """A folder for its owner alone, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pate-audit-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)

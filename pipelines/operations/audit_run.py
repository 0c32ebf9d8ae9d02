"""One run to the votes on a copy of the data, and its public output, which must be equal for two neighbours.

Times, keys and hashes under keys differ between any two runs and are left out of the comparison.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from pate.auditing.learned import digests_of
from pate.errors import PateError, QuorumLost, RecordsRefused
from pate.values import Redacted
from pate.votes import VoteArray, VoteMatrix
from pipelines.config.experiment import Config
from pipelines.progress import Terminal
from pipelines.run.label_and_train import votes_before_charge
from pipelines.storage.home import Home
from pipelines.tracking.outbox import OUTBOX_FILE

SECRET = ("at", "hash", "previous", "units_sha256", "salt", "key")
"""Fields of a ledger's row that depend on time or on the ledger's key."""
PRIVATE = ("private", "ledger")
"""Folders of ``PATE_HOME``, or of a run, that are not public."""

ToVotes: TypeAlias = Callable[..., VoteMatrix]


@final
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Seen(Redacted):
    """The observable outcome of a run.

    Attributes:
        votes_TQ: private; ``None`` where it ended before. Shape ``[T, Q]``.
        learned: private; a digest of each teacher's weights.
        code: its exit code.
        said: lines on the terminal, without the incident's number.
        files: public files, by path.
        ledger: the public chain.
    """

    votes_TQ: VoteArray | None
    learned: Mapping[int, str]
    code: int
    said: tuple[str, ...]
    files: Mapping[str, bytes]
    ledger: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """``True`` if it ended with the fixed sentence of a refusal."""
        return self.code == 2 and self.said[-1:] == (RecordsRefused.SENTENCE,)

    def tells_from(self, other: Seen) -> bool:
        """Return ``True`` if anything public distinguishes this run from another, except a refusal's fixed sentence."""
        if not self.refused:
            return (self.code, self.said, self.files, self.ledger) != (
                other.code,
                other.said,
                other.files,
                other.ledger,
            )
        said = self.said[:-1]
        return (
            said != other.said[: len(said)]
            or self.ledger != other.ledger[: len(self.ledger)]
            or not all(_begins(name, content, other.files) for name, content in self.files.items())
        )


def run_to_votes(config: Config, home: Path, subject: ToVotes = votes_before_charge) -> Seen:
    """Run a configuration to its votes in a ``PATE_HOME`` of its own.

    Args:
        config: the experiment, on a copy of the data.
        home: an empty folder.
        subject: the path to the votes; default: the real one.
    """
    out, votes_TQ, code, end = io.StringIO(), None, 0, ""
    with redirect_stdout(out), redirect_stderr(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as ``pate run`` does, since a library's warning may quote a record
        try:
            votes_TQ = np.array(subject(config, base=home, progress=Counted()).labels_TQ)
        except PateError as error:
            code, end = 3 if isinstance(error, QuorumLost) else 2, str(error)
        except Exception as error:  # the text of an internal error stays private
            code, end = 1, f"internal error ({type(error).__name__})"
    said = tuple(out.getvalue().replace(str(home), "PATE_HOME").splitlines())
    return Seen(
        votes_TQ=votes_TQ,
        learned=_learned(home),
        code=code,
        said=said if code == 0 else (*said, end),
        files=_public_files(home),
        ledger=_chain(Home(home)),
    )


@final
class Counted:
    """The terminal's lines, and the counts of its bars; the order in which tasks end depends on the machine."""

    def __init__(self) -> None:
        self._terminal = Terminal()

    def warn(self, text: str) -> None:
        """See ``Progress``."""
        self._terminal.warn(text)

    def line(self, stage: str, text: str) -> None:
        """See ``Progress``."""
        self._terminal.line(stage, text)

    @contextmanager
    def bar(self, stage: str, total: int) -> Iterator[Callable[[int], None]]:
        """See ``Progress``."""
        with self.bars(stage, {None: total}) as add:
            yield lambda pieces: add(pieces, None)

    @contextmanager
    def bars(self, stage: str, totals: Mapping[str | None, int]) -> Iterator[Callable[[int, str | None], None]]:
        """See ``Progress``."""
        done = dict.fromkeys(totals, 0)

        def add(pieces: int, site: str | None) -> None:
            done[site] = done.get(site, 0) + pieces

        yield add
        self._terminal.line(stage, f"{done} of {dict(totals)}")


def _learned(home: Path) -> dict[int, str]:
    """Return a digest of the weights of each teacher of a run."""
    found: dict[int, str] = {}
    for path in sorted(home.glob("runs/*/private/teachers/bundle-*")):
        found |= {} if path.suffix == ".sha256" else digests_of(path.read_bytes())
    return found


def _public_files(home: Path) -> dict[str, bytes]:
    """Return all files below ``PATE_HOME`` that are not private."""
    found = {}
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home).parts
        if path.is_file() and not any(part in PRIVATE for part in inside):
            content = path.read_bytes()
            found["/".join(inside)] = _without_times(content) if path.name == OUTBOX_FILE else content
    return found


def _without_times(outbox: bytes) -> bytes:
    """Return the events without the times at which they were recorded."""
    lines = []
    for line in outbox.splitlines():
        event = json.loads(line)
        del event["timestamp_ms"]
        lines.append(json.dumps(event))
    return "\n".join(lines).encode()


def _begins(name: str, content: bytes, others: Mapping[str, bytes]) -> bool:
    """Return ``True`` if a file of a run that ended early equals another run's, or its start and a failed status."""
    lines = content.splitlines()
    while lines and name.endswith(OUTBOX_FILE) and json.loads(lines[-1])["body"].get("status") == "FAILED":
        lines.pop()
    if name.endswith(OUTBOX_FILE):
        return lines == others.get(name, b"").splitlines()[: len(lines)]
    return content == others.get(name)


def _chain(home: Home) -> tuple[str, ...]:
    """Return the public rows of a ledger, without fields that depend on time or key."""
    if not home.ledger_folder.exists():
        return ()
    with home.ledger() as ledger:
        return tuple(json.dumps(_masked(json.loads(line))) for line in ledger.export())


def _masked(row: dict[str, Any]) -> dict[str, Any]:
    body = json.loads(row["body"])
    plain = {name: value for name, value in body.items() if name not in SECRET}
    return {**{name: value for name, value in row.items() if name not in SECRET}, "body": plain}

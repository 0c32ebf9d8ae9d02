"""Delivery of recorded events to MLflow: outcome, progress and a background process.

MLflow takes seconds to import and to set up; a process of its own does that while the run works. If that process
or the server dies, the events are still in the outbox and the next delivery continues.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, final

from pate.errors import PrivacyViolation
from pate.files import write_atomically
from pipelines.storage.home import Home
from pipelines.tracking.destination import Destination
from pipelines.tracking.outbox import read_events
from pipelines.tracking.tracker import TRACKING_FOLDER


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The outcome of a delivery.

    Attributes:
        delivered: events accepted by the store in this delivery.
        pending: events that wait for the next one.
        reason: of pending events, in a few public words; ``None`` if there are none.
        runs: phase -> MLflow run id, the run itself under ``campaign``.
        note: a remark for the user, in public words, or ``None``.
    """

    delivered: int
    pending: int
    reason: str | None
    runs: Mapping[str, str]
    note: str | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Progress of one destination through one run's outbox; stored next to the outbox, one file per destination."""

    sequence: int = 0
    experiment_id: str | None = None
    runs: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, public_folder: Path, where: Destination) -> Cursor:
        """Read the cursor, or return one at the start."""
        path = _cursor_path(public_folder, where)
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, public_folder: Path, where: Destination) -> None:
        """Replace the cursor on disk."""
        write_atomically(_cursor_path(public_folder, where), json.dumps(asdict(self)))

    def moved_to(self, sequence: int) -> Cursor:
        """Return the cursor after the event with that number."""
        return replace(self, sequence=sequence)


def pending(public_folder: Path, where: Destination) -> int:
    """Return the number of recorded events not yet delivered to the destination."""
    return len(read_events(public_folder / TRACKING_FOLDER, after=Cursor.read(public_folder, where).sequence))


VIEW_PREFIX = "mlflow.sharedViewState."
VIEW_KEY = "pate"
"""Key of the shared view of campaigns (``pipelines.tracking.mlflow.view``)."""


def runs_page(base: Path, where: Destination) -> str:
    """Return the path of MLflow's list of the campaigns of ``base``, below its address; empty before the first
    delivery.

    The address declares an experiment that trains models, since MLflow else shows pages for language models, and names
    the view of campaigns with cost and accuracy.
    """
    for run in Home(base).runs():
        experiment = Cursor.read(run.public, where).experiment_id
        if experiment is not None:
            view = f"&viewStateShareKey={VIEW_KEY}" if _has_view(where, experiment) else ""
            return f"/#/experiments/{experiment}/runs?workflowType=machine_learning{view}"
    return ""


def _has_view(where: Destination, experiment: str) -> bool:
    """Return ``True`` if the local store holds the view; an older one gets it with the next delivery."""
    query = "SELECT 1 FROM experiment_tags WHERE experiment_id = ? AND key = ?"
    try:
        with closing(sqlite3.connect(f"{where.database.absolute().as_uri()}?mode=ro", uri=True)) as store:
            return store.execute(query, (int(experiment), f"{VIEW_PREFIX}{VIEW_KEY}")).fetchone() is not None
    except (sqlite3.Error, ValueError):
        return False


@final
class BackgroundDelivery:
    """A process that delivers a run's events while the run works; it ends with this process.

    Args:
        public_folder: ``<run>/public``.
        where: the destination; its credentials go through a pipe, not the command line.

    While it makes the tables of a new local store, the run waits for it without a limit; at any other time it may be
    killed, since every delivery may be repeated.
    """

    def __init__(self, public_folder: Path, where: Destination) -> None:
        self._public_folder = public_folder
        self._where = where
        self._making = False
        self._heard = b""
        self._answer: dict[str, Any] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelines.tracking.mlflow.sink"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        self._send({"uri": where.uri, "experiment": where.experiment, "artifacts": str(where.artifacts or "")})
        self._send({"public_folder": str(public_folder.resolve())})
        self.nudge()

    @property
    def process_id(self) -> int:
        """Process id of the delivery."""
        return self._process.pid

    def nudge(self) -> None:
        """Deliver what has been recorded so far; returns at once."""
        self._send({"deliver": "now"})

    def finish(self, *, timeout_s: float = 60.0) -> Delivery:
        """Deliver the rest, end the process and report; the rest waits in the outbox.

        Args:
            timeout_s: seconds to wait, not counting the time in which a new store is made.

        Raises:
            PrivacyViolation: the outbox holds a model that may not be registered.
        """
        self._send({"deliver": "last"})
        late = False
        try:
            end = time.monotonic() + timeout_s
            while self._hear(None if self._making else end - time.monotonic()):
                if self._making:
                    end = time.monotonic() + timeout_s
                elif time.monotonic() >= end:
                    late = True
                    break
            if not late:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout_s)
        finally:
            self.close()
        if self._answer is None:
            left = pending(self._public_folder, self._where)
            cursor = Cursor.read(self._public_folder, self._where)
            code = self._process.returncode
            how = f"took longer than {timeout_s:g} s" if late else f"ended with {_exit_words(code)}"
            return Delivery(delivered=0, pending=left, reason=f"the delivering process {how}", runs=cursor.runs)
        if "refused" in self._answer:
            raise PrivacyViolation(self._answer["refused"])
        return Delivery(**self._answer)

    def close(self) -> None:
        """End the process without waiting for what is left to deliver; a store being made is completed first."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        while self._hear(0.0 if not self._making else None) and self._making:
            pass
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> BackgroundDelivery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hear(self, seconds: float | None) -> bool:
        """Read the process's next messages, waiting no longer than ``seconds``; ``False`` after its last."""
        if self._process.stdout is None or self._process.stdout.closed:
            return False
        ready, _, _ = select.select([self._process.stdout], [], [], None if seconds is None else max(0.0, seconds))
        if not ready:
            return True
        said = os.read(self._process.stdout.fileno(), 65536)
        *lines, self._heard = (self._heard + said).split(b"\n")
        for line in lines:
            content = json.loads(line)
            if "making" in content:
                self._making = content["making"]
            else:
                self._answer = content
        self._making = self._making and bool(said)
        return bool(said)

    def _send(self, message: Mapping[str, str]) -> None:
        """Send a message; a process that has died is noticed by ``finish``."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return


def _exit_words(code: int) -> str:
    """Return how a process ended."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _cursor_path(public_folder: Path, where: Destination) -> Path:
    """The file of a cursor; for the store of the same PATE_HOME, which may be moved, without its path."""
    home = public_folder.resolve().parents[2]
    own = where.local and where.database == Home(home).mlflow_folder / "mlflow.db"
    named = f"cursor-{_digest(f'local {where.experiment}')}.json"
    before = f"cursor-{_digest(where.identity)}.json"
    folder = public_folder / TRACKING_FOLDER
    return folder / named if own and not (folder / before).exists() else folder / before


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]

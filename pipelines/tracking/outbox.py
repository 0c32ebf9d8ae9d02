"""An append-only file of events, one JSON object per line, on disk before the recording call returns.

A tracker writes here first and delivery reads from here, so that nothing is lost while a server is unavailable.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pate.errors import expected
from pate.files import sync

OUTBOX_FILE = "outbox.jsonl"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A recorded event.

    Attributes:
        sequence: 1, 2, 3, ... without gaps.
        kind: meaning of the body: status, params, tags, metrics, dataset, artifact or model.
        phase: the phase of the run that it belongs to.
        timestamp_ms: when it was recorded, milliseconds since 1970.
        body: plain JSON values.
    """

    sequence: int
    kind: str
    phase: str
    timestamp_ms: int
    body: Mapping[str, Any]

    def to_line(self) -> bytes:
        """The event as one line of JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode() + b"\n"


@final
class Outbox:
    """Writer of the outbox: a lock on the file admits one process at a time.

    Args:
        folder: of the file; made if missing.

    Raises:
        InputError: another process holds the outbox, or a line other than the last cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / OUTBOX_FILE
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise expected(
                "one process to record a run", "wait for the other one to end", run_folder=folder.parent.parent.name
            ) from None
        sync(folder)
        try:
            self._events, whole = _parse(path.read_bytes())
        except ValueError:
            os.close(self._file)
            raise
        os.ftruncate(self._file, whole)
        self._size = whole

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything recorded so far, in order."""
        return tuple(self._events)

    def append(self, kind: str, phase: str, body: Mapping[str, Any]) -> Event:
        """Record one event; when this returns, it is on disk."""
        with self._lock:
            if self._file < 0:
                raise expected("a run that has not ended", "open its tracker again", event=kind, phase=phase)
            event = Event(
                sequence=len(self._events) + 1,
                kind=kind,
                phase=phase,
                timestamp_ms=time.time_ns() // 1_000_000,
                body=body,
            )
            line = event.to_line()
            try:
                written = os.write(self._file, line)
                if written != len(line):
                    raise OSError(
                        f"Expected to write {len(line)} bytes to the outbox, wrote {written}; is the disk full?"
                    )
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
            self._size += len(line)
            self._events.append(event)
            return event

    def close(self) -> None:
        """Release the file; another process may then record."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_events(folder: Path, *, after: int = 0) -> list[Event]:
    """The events with a sequence number above ``after``; a last line that is still being written is left out."""
    path = folder / OUTBOX_FILE
    if not path.exists():
        return []
    return _parse(path.read_bytes())[0][after:]


@final
class Recorded:
    """The content of an outbox, so that a resumed run records nothing twice.

    Args:
        public_folder: the run's public folder.
        events: in the outbox.
        run_id: the run's name.
        insecure: ``True`` if its noise is seeded.

    Raises:
        InputError: the outbox belongs to another run, or to one with another noise source.
    """

    __slots__ = ("digests", "insecure", "params", "points", "public_folder", "run_id", "status", "tags")

    def __init__(self, public_folder: Path, events: Iterable[Event], *, run_id: str, insecure: bool) -> None:
        self.public_folder = public_folder
        self.run_id = run_id
        self.insecure = insecure
        self.status: dict[str, str] = {}
        self.params: dict[tuple[str, str], str] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.points: dict[tuple[str, str, int], int] = {}  # and its time, milliseconds since 1970
        self.digests: set[str] = set()
        for event in events:
            self.note(event)

    def note(self, event: Event) -> None:
        """Add an event."""
        phase, body = event.phase, event.body
        if event.kind == "status":
            if (body["run_id"], body["insecure"]) != (self.run_id, self.insecure):
                raise expected(
                    f"the run on record, {body['run_id']} with insecure={body['insecure']}",
                    "give every run its own folder",
                    run_id=self.run_id,
                    insecure=self.insecure,
                )
            self.status[phase] = body["status"]
        elif event.kind == "params":
            self.params.update({(phase, key): text for key, text in body.items()})
        elif event.kind == "tags":
            self.tags.update({(phase, key): text for key, text in body.items()})
        elif event.kind == "metrics":
            for key, step, _ in body["points"]:
                self.points.setdefault((phase, key, step), event.timestamp_ms)
        else:
            self.digests.add(digest_of(event.kind, phase, body))


def digest_of(kind: str, phase: str, body: Mapping[str, Any]) -> str:
    """Return the key of a recorded data set, file or model: all its recorded fields."""
    return json.dumps([kind, phase, body], sort_keys=True)


def _parse(content: bytes) -> tuple[list[Event], int]:
    """The events and the number of bytes that they take; an interrupted write leaves at most a torn last line."""
    events: list[Event] = []
    whole = 0
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            event = Event(**json.loads(line))
        except (ValueError, TypeError):
            if number == len(lines) - 1 and not lines[-1]:
                break
            raise expected("a JSON event on every line of the outbox", "restore the file", line=number) from None
        if event.sequence != number:
            raise expected("events without gaps", "restore the outbox", line=number, sequence=event.sequence)
        events.append(event)
        whole += len(line) + 1
    return events, whole

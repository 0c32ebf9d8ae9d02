"""Tasks on Ray: sent to their site, timed, tried again, given up.

A task first reports its node, then its result, so that its time is counted from its true start and
another try can be sent to another node. What Ray reports (a worker or node that died, memory that ran out, a node
that never came) counts as infrastructure failure and makes a task ``Lost`` after the last try; an exception inside a
task is not, and is never tried again. Tasks are pure functions of their arguments, so that one done twice gives the
same; nothing that draws privacy noise runs in one.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import pipelines.cluster.environment  # noqa: F401 - before Ray, which reads the environment when it is imported

# isort: split
import ray
from ray.exceptions import RayError, RayTaskError

from pate.errors import PateError, expected
from pipelines.cluster.job import Job, Limits, Lost, Needs, Reason
from pipelines.cluster.worker import checked, send

TICK = 1.0
"""Polling interval, seconds."""
BACK_OFF = 0.25
"""Seconds of rest after a crash, doubled after each."""


@final
@dataclass(slots=True, kw_only=True)
class _Attempt:
    """A job that is waiting or running."""

    position: int
    job: Job
    crashes: int = 0
    overtimes: int = 0
    avoid: str | None = None
    node: str | None = None
    began: float | None = None
    not_before: float = 0.0


@final
class Tasks:
    """Runs jobs, a bounded number at a time, each site with its own queue."""

    def __init__(self, jobs: Sequence[Job], needs: Needs, limits: Limits) -> None:
        self._needs = needs
        self._limits = limits
        self._running: dict[Any, _Attempt] = {}
        self._waiting: dict[str | None, deque[_Attempt]] = {}
        for position, job in enumerate(jobs):
            self._waiting.setdefault(job.site, deque()).append(_Attempt(position=position, job=job))
        self._seen = dict.fromkeys(self._waiting, time.monotonic())
        self._nodes: dict[str | None, list[dict[str, Any]]] = {}
        self._count_nodes()
        for site, nodes in self._nodes.items():
            _require_room(site, nodes, needs)

    def results(self) -> Iterator[tuple[int, Any]]:
        """Yield ``(position, result or Lost)`` of each job, as they end."""
        looked = 0.0
        try:
            while self._running or any(self._waiting.values()):
                if time.monotonic() - looked >= TICK:
                    yield from self._look_around()
                    looked = time.monotonic()
                self._send()
                ready = ray.wait(list(self._running), num_returns=1, timeout=TICK)[0] if self._running else []
                for stream in ready:
                    yield from self._hear(stream)
                if not self._running and any(self._waiting.values()):
                    time.sleep(TICK / 10)
        finally:
            for stream in self._running if ray.is_initialized() else ():
                ray.cancel(stream, force=True)

    def _count_nodes(self) -> None:
        """Look up the living nodes of every site."""
        alive = [node for node in ray.nodes() if node["Alive"]]
        for site in self._waiting:
            self._nodes[site] = [n for n in alive if site is None or n["Labels"].get(self._needs.label) == site]
            if self._nodes[site]:
                self._seen[site] = time.monotonic()

    def _send(self) -> None:
        """Fill the queue of every site that has a node."""
        for site, waiting in self._waiting.items():
            slots = sum(_slots(node, self._needs) for node in self._nodes[site])
            sent = sum(attempt.job.site == site for attempt in self._running.values())
            while waiting and sent < self._needs.ahead * slots and waiting[0].not_before <= time.monotonic():
                attempt = waiting.popleft()
                self._running[send(attempt.job, self._needs, avoid=attempt.avoid)] = attempt
                sent += 1

    def _hear(self, stream: Any) -> Iterator[tuple[int, Any]]:
        """Read a task's next report: its node, its result, or its end."""
        attempt = self._running[stream]
        try:
            said = ray.get(next(stream))
        except (RayError, StopIteration) as error:
            del self._running[stream]
            if isinstance(error, RayTaskError) and not isinstance(error.cause, RayError):
                raise PateError(
                    f"Expected task {attempt.job.name!r} to start, got an error on its node; install the same version "
                    "of pate there, or give the job a runtime environment",
                    private_detail=str(error),
                ) from error
            self._note(attempt, type(error).__name__)
            attempt.crashes += 1
            attempt.not_before = time.monotonic() + BACK_OFF * 2**attempt.crashes
            over = attempt.crashes > self._limits.retries
            yield from self._again(attempt, "crashed" if over else None, f"{type(error).__name__}: {error}")
            return
        if attempt.began is None:
            attempt.node, attempt.began = said, time.monotonic()
            return
        del self._running[stream]
        yield attempt.position, checked(said, attempt.job)
        self._note(attempt, "done")  # by now the caller has kept the result

    def _look_around(self) -> Iterator[tuple[int, Any]]:
        """Stop tasks that take too long, and give up those of sites without a node."""
        self._count_nodes()
        now = time.monotonic()
        gone = {site for site, seen in self._seen.items() if now - seen > self._limits.patience}
        for stream, attempt in list(self._running.items()):
            if attempt.began is None and attempt.job.site in gone:
                self._drop(stream)
                yield from self._again(attempt, "found no node", "its site has no node")
            elif attempt.began is None and attempt.avoid is not None and not self._others(attempt, attempt.avoid):
                self._drop(stream)  # the node chosen instead is gone too
                yield from self._again(attempt, None, "")
            elif attempt.began is not None and now - attempt.began > (self._limits.seconds or float("inf")):
                self._drop(stream)
                self._note(attempt, "overtime")
                attempt.overtimes += 1
                over = attempt.overtimes > 1
                yield from self._again(attempt, "took too long" if over else None, f"on node {attempt.node}")
        for site in gone:
            while self._waiting[site]:
                attempt = self._waiting[site].popleft()
                yield from self._again(attempt, "found no node", "its site has no node")

    def _note(self, attempt: _Attempt, outcome: str) -> None:
        """Append a line to the journal."""
        if self._limits.journal is not None:
            line = {"task": attempt.job.name, "place": attempt.job.site, "node": attempt.node, "outcome": outcome}
            with self._limits.journal.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _drop(self, stream: Any) -> None:
        ray.cancel(stream, force=True)
        del self._running[stream]

    def _again(self, attempt: _Attempt, why: Reason | None, detail: str) -> Iterator[tuple[int, Any]]:
        """Queue one more try, on another node if the site has one; or yield ``Lost``, given a reason to give up."""
        if why is not None:
            self._note(attempt, "given up")
            yield attempt.position, Lost(why=why, detail=detail)
            return
        self._count_nodes()
        attempt.avoid = attempt.node if self._others(attempt, attempt.node) else None
        attempt.node = attempt.began = None
        self._waiting[attempt.job.site].append(attempt)

    def _others(self, attempt: _Attempt, node: str | None) -> set[str]:
        """Return the living nodes of a task's site but for one."""
        return {found["NodeID"] for found in self._nodes[attempt.job.site]} - {node}


def _slots(node: dict[str, Any], needs: Needs) -> int:
    """Return the number of tasks that can run at once on a node."""
    room = [node["Resources"].get("CPU", 0) / needs.num_cpus]
    if needs.num_gpus:
        room.append(node["Resources"].get("GPU", 0) / needs.num_gpus)
    return int(min(room))


def _require_room(site: str | None, nodes: list[dict[str, Any]], needs: Needs) -> None:
    """Refuse a task that fits on no node: it would wait for ever, silently."""
    for name, wanted in (("CPU", needs.num_cpus), ("GPU", needs.num_gpus)):
        largest = max((node["Resources"].get(name, 0) for node in nodes), default=0)
        if nodes and wanted > largest:
            raise expected(
                f"a Ray node with {wanted:g} {name}" + ("" if site is None else f" at site {site}"),
                f"lower teachers.num_{name.lower()}s or add such a node",
                largest_node=largest,
            )

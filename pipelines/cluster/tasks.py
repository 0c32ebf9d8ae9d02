"""Tasks on Ray: sent to their site, timed, tried again, given up.

A task first says on which node it runs, then gives its result, so that its time is counted from its true start and
another try can be sent to another node. What Ray reports (a worker or node that died, memory that ran out, a node
that never came) is the infrastructure's doing and makes a task ``Lost`` after the last try; an exception inside a
task is not, and is never tried again. Tasks are pure functions of their arguments, so that one done twice gives the
same; nothing that draws privacy noise runs in one.
"""

from __future__ import annotations

import json
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

import pipelines.cluster.environment  # noqa: F401 - before Ray, which reads the environment when it is imported

# isort: split
import ray
from ray.exceptions import RayError, RayTaskError

from pate.errors import InputError, PateError, RecordsRefused, expected
from pipelines.storage.run_folder import write_incident

TICK = 1.0
"""Seconds between two looks at the clock."""
BACK_OFF = 0.25
"""Seconds of rest after a crash, doubled after each."""
QUEUED = 2
"""Tasks sent ahead for each one that can run at once."""
NODE = "ray.io/node-id"
"""The label that Ray gives each node."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One task.

    Attributes:
        name: shown in Ray's dashboard; public.
        function: a function of an installed module.
        arguments: keyword arguments, or a function that makes them when the task is sent; what
            ``RaySession.share`` returned arrives as the object itself.
        place: the site on whose nodes alone it may run; ``None``: anywhere.
        private: whether it works on private records, so that not even the fact that it was this task that failed is
            public.
    """

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    place: str | None = None
    private: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one task takes.

    Attributes:
        num_cpus: cores.
        num_gpus: GPUs; fractions share one.
        threads: torch threads.
        label: the node label whose value is the name of a place.
        incidents: private folder at a place for the text of errors, which never leaves it.
        ahead: tasks sent for each one that can run at once. 1 for tasks that have tasks of their own: while they wait
            for those, Ray would start others in their place.
    """

    num_cpus: float
    num_gpus: float = 0.0
    threads: int = 1
    label: str = "site"
    incidents: Path | None = None
    ahead: int = QUEUED


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to try again and when to give up.

    Attributes:
        retries: tries after the first that ended in a crash.
        seconds: the most one try may take from its start; a task gets one more try after the first too long one.
        patience: seconds that a place may be without a node before its tasks are given up.
        journal: private file that is told of every try: task, place, node, how it ended.
    """

    retries: int = 3
    seconds: float | None = None
    patience: float = 60.0
    journal: Path | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A task that was given up, through no fault of its data: public but for the detail."""

    why: Literal["crashed", "took too long", "found no node"]
    detail: str = field(repr=False)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """An exception inside a task, returned rather than raised: Ray's logs are no place for its text."""

    public: str | None
    private: str
    misplaced: bool = False


@final
@dataclass(slots=True, kw_only=True)
class _Attempt:
    """A job on its way."""

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
    """Runs jobs, a bounded number at a time, each place with its own queue."""

    def __init__(self, jobs: Sequence[Job], needs: Needs, limits: Limits) -> None:
        self._needs = needs
        self._limits = limits
        self._running: dict[Any, _Attempt] = {}
        self._waiting: dict[str | None, deque[_Attempt]] = {}
        for position, job in enumerate(jobs):
            self._waiting.setdefault(job.place, deque()).append(_Attempt(position=position, job=job))
        self._seen = dict.fromkeys(self._waiting, time.monotonic())
        self._nodes: dict[str | None, list[dict[str, Any]]] = {}
        self._count_nodes()
        for place, nodes in self._nodes.items():
            _require_room(place, nodes, needs)

    def results(self) -> Iterator[tuple[int, Any]]:
        """``(position, result or Lost)`` of each job, as they end."""
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
        """Look up the living nodes of every place."""
        alive = [node for node in ray.nodes() if node["Alive"]]
        for place in self._waiting:
            self._nodes[place] = [n for n in alive if place is None or n["Labels"].get(self._needs.label) == place]
            if self._nodes[place]:
                self._seen[place] = time.monotonic()

    def _send(self) -> None:
        """Fill the queue of every place that has a node."""
        for place, waiting in self._waiting.items():
            slots = sum(_slots(node, self._needs) for node in self._nodes[place])
            sent = sum(attempt.job.place == place for attempt in self._running.values())
            while waiting and sent < self._needs.ahead * slots and waiting[0].not_before <= time.monotonic():
                attempt = waiting.popleft()
                self._running[_start(attempt, self._needs)] = attempt
                sent += 1

    def _hear(self, stream: Any) -> Iterator[tuple[int, Any]]:
        """What a task has to say: where it runs, its result, or how it ended."""
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
        yield attempt.position, _checked(said, attempt.job)
        self._note(attempt, "done")  # by now whoever asked has kept the result

    def _look_around(self) -> Iterator[tuple[int, Any]]:
        """Stop tasks that take too long, and give up those of places without a node."""
        self._count_nodes()
        now = time.monotonic()
        gone = {place for place, seen in self._seen.items() if now - seen > self._limits.patience}
        for stream, attempt in list(self._running.items()):
            if attempt.began is None and attempt.job.place in gone:
                self._drop(stream)
                yield from self._again(attempt, "found no node", "its place has no node")
            elif attempt.began is None and attempt.avoid is not None and not self._others(attempt, attempt.avoid):
                self._drop(stream)  # the node that it was to take instead is gone too
                yield from self._again(attempt, None, "")
            elif attempt.began is not None and now - attempt.began > (self._limits.seconds or float("inf")):
                self._drop(stream)
                self._note(attempt, "overtime")
                attempt.overtimes += 1
                over = attempt.overtimes > 1
                yield from self._again(attempt, "took too long" if over else None, f"on node {attempt.node}")
        for place in gone:
            while self._waiting[place]:
                attempt = self._waiting[place].popleft()
                yield from self._again(attempt, "found no node", "its place has no node")

    def _note(self, attempt: _Attempt, outcome: str) -> None:
        """A line in the journal."""
        if self._limits.journal is not None:
            line = {"task": attempt.job.name, "place": attempt.job.place, "node": attempt.node, "outcome": outcome}
            with self._limits.journal.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _drop(self, stream: Any) -> None:
        ray.cancel(stream, force=True)
        del self._running[stream]

    def _again(
        self, attempt: _Attempt, why: Literal["crashed", "took too long", "found no node"] | None, detail: str
    ) -> Iterator[tuple[int, Any]]:
        """One more try, on another node where the place has one; or ``Lost``, if there is a reason to give up."""
        if why is not None:
            self._note(attempt, "given up")
            yield attempt.position, Lost(why=why, detail=detail)
            return
        self._count_nodes()
        attempt.avoid = attempt.node if self._others(attempt, attempt.node) else None
        attempt.node = attempt.began = None
        self._waiting[attempt.job.place].append(attempt)

    def _others(self, attempt: _Attempt, node: str | None) -> set[str]:
        """The living nodes of a task's place but for one."""
        return {found["NodeID"] for found in self._nodes[attempt.job.place]} - {node}


def _start(attempt: _Attempt, needs: Needs) -> Any:
    job = attempt.job
    selector = {} if job.place is None else {needs.label: job.place}
    if attempt.avoid is not None:
        selector[NODE] = f"!{attempt.avoid}"
    arguments = job.arguments() if callable(job.arguments) else job.arguments
    task = _task.options(
        name=job.name,
        num_cpus=needs.num_cpus,
        num_gpus=needs.num_gpus,
        max_retries=0,
        num_returns="streaming",
        label_selector=selector or None,
    )
    where = {} if job.place is None else {needs.label: job.place}
    return task.remote(job.function, needs.threads, where, needs.incidents, **arguments)


@ray.remote  # type: ignore[untyped-decorator]
def _task(
    function: Callable[..., Any], threads: int, where: dict[str, str], incidents: Path | None, **arguments: Any
) -> Iterator[Any]:
    import torch  # noqa: PLC0415 - only workers need it here; a new one's first import is no work of the task

    context = ray.get_runtime_context()
    yield context.get_node_id()
    torch.set_num_threads(threads)
    if not where.items() <= context.get_node_labels().items():
        error = expected("a node of the task's own site", "check the labels of the nodes", **where)
        yield _Failure(public=str(error), private="", misplaced=True)
        return
    try:
        result = function(**arguments)
    except InputError as error:
        result = _Failure(public=str(error), private=_kept(error.private_detail, incidents))
    except Exception:  # whatever it is, its text is private
        result = _Failure(public=None, private=_kept("", incidents))
    yield result


def _kept(detail: str | None, incidents: Path | None) -> str:
    """The text of an error; at a site it stays there, and only its number leaves."""
    text = f"{traceback.format_exc()}\n{detail or ''}"
    if incidents is None:
        return text
    try:
        return f"incident {write_incident(incidents, text)} in sites.folder at the site"
    except OSError:
        return "the site's folder for incidents could not be written"


def _checked(said: Any, job: Job) -> Any:
    """A result, or the exception of a task that has no place in Ray's logs."""
    if not isinstance(said, _Failure):
        return said
    if job.private and not said.misplaced:
        raise RecordsRefused(f"Expected task {job.name!r} to succeed, got an error\n{said.private}")
    if said.public:
        raise InputError(said.public, private_detail=said.private)
    raise PateError(f"Expected task {job.name!r} to succeed, got an error", private_detail=said.private)


def _slots(node: dict[str, Any], needs: Needs) -> int:
    """Tasks that can run at once on a node."""
    room = [node["Resources"].get("CPU", 0) / needs.num_cpus]
    if needs.num_gpus:
        room.append(node["Resources"].get("GPU", 0) / needs.num_gpus)
    return int(min(room))


def _require_room(place: str | None, nodes: list[dict[str, Any]], needs: Needs) -> None:
    """A task that fits on no node would wait for ever, in silence."""
    for name, wanted in (("CPU", needs.num_cpus), ("GPU", needs.num_gpus)):
        largest = max((node["Resources"].get(name, 0) for node in nodes), default=0)
        if nodes and wanted > largest:
            raise expected(
                f"a Ray node with {wanted:g} {name}" + ("" if place is None else f" at site {place}"),
                f"lower teachers.num_{name.lower()}s or add such a node",
                largest_node=largest,
            )

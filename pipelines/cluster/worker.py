"""The worker's side of a task: it first reports its node, then its result or a failure.

An exception inside a task is returned rather than raised, since its text must not reach Ray's logs.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pipelines.cluster.environment  # noqa: F401 - before Ray, which reads the environment when it is imported

# isort: split
import ray

from pate.errors import InputError, PateError, RecordsRefused, expected
from pipelines.cluster.job import Job, Needs
from pipelines.storage.incidents import write_incident

NODE = "ray.io/node-id"
"""The label that Ray gives each node."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception inside a task.

    Attributes:
        public: its message, where that is public.
        private: its text, or a reference to the incident at the site.
        misplaced: the task ran on a node of another site.
    """

    public: str | None
    private: str
    misplaced: bool = False


def send(job: Job, needs: Needs, *, avoid: str | None) -> Any:
    """Send a job to Ray; returns the stream of what the task reports.

    Args:
        job: the job.
        needs: its resources.
        avoid: a node on which it must not run.
    """
    where = {} if job.site is None else {needs.label: job.site}
    selector = where if avoid is None else {**where, NODE: f"!{avoid}"}
    arguments = job.arguments() if callable(job.arguments) else job.arguments
    task = _task.options(
        name=job.name,
        num_cpus=needs.num_cpus,
        num_gpus=needs.num_gpus,
        max_retries=0,
        num_returns="streaming",
        label_selector=selector or None,
    )
    return task.remote(job.function, needs.threads, where, needs.incidents, **arguments)


def checked(said: Any, job: Job) -> Any:
    """Return a task's result, or raise the failure that it reports."""
    if not isinstance(said, Failure):
        return said
    if job.private and not said.misplaced:
        raise RecordsRefused(f"Expected task {job.name!r} to succeed, got an error\n{said.private}")
    if said.public:
        raise InputError(said.public, private_detail=said.private)
    raise PateError(f"Expected task {job.name!r} to succeed, got an error", private_detail=said.private)


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
        yield Failure(public=str(error), private="", misplaced=True)
        return
    try:
        result = function(**arguments)
    except InputError as error:
        result = Failure(public=str(error), private=_kept(error.private_detail, incidents))
    except Exception:  # the text of any error is private
        result = Failure(public=None, private=_kept("", incidents))
    yield result


def _kept(detail: str | None, incidents: Path | None) -> str:
    """Return the text of an error; at a site it stays there, and only its number is returned."""
    text = f"{traceback.format_exc()}\n{detail or ''}"
    if incidents is None:
        return text
    try:
        return f"incident {write_incident(incidents, text)} in sites.folder at the site"
    except OSError:
        return "the site's folder for incidents could not be written"

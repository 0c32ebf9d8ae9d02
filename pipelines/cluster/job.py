"""Jobs for Ray: function, resources, retries and limits of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

QUEUED = 2
"""Tasks sent ahead for each one that can run at once."""
Reason: TypeAlias = Literal["crashed", "took too long", "found no node"]
"""Reasons to give up a task."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One task.

    Attributes:
        name: shown in Ray's dashboard; public.
        function: a function of an installed module.
        arguments: keyword arguments, or a function that makes them when the task is sent; what
            ``RaySession.share`` returned arrives as the object itself.
        site: the site on whose nodes alone it may run; ``None``: anywhere.
        private: ``True`` if it works on private records, so that even which task failed is private.
    """

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    site: str | None = None
    private: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Resources of one task.

    Attributes:
        num_cpus: cores.
        num_gpus: GPUs; fractions share one.
        threads: torch threads.
        label: the node label whose value is the name of a site.
        incidents: private folder at a site for the text of errors, which never leaves it.
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
    """Limits on the tries of a task.

    Attributes:
        retries: tries after the first that ended in a crash.
        seconds: the most one try may take from its start; a task gets one more try after the first too long one.
        patience: seconds that a site may be without a node before its tasks are given up.
        journal: private file to which every try is appended: task, site, node, outcome.
    """

    retries: int = 3
    seconds: float | None = None
    patience: float = 60.0
    journal: Path | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A task that was given up for reasons unrelated to its data: public, except for the detail."""

    why: Reason
    detail: str = field(repr=False)

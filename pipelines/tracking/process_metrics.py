"""Load of this process while it trains the student, in the form of MLflow's system metrics.

Recorded only after the labels were released, when nothing private is computed any more, and of this process alone: the
load of teachers would reveal something about their records, that of the machine about its other users. Names of hosts,
users and devices are not recorded.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import final

import psutil

from pate.values import Released
from pipelines.tracking.tracker import Tracker

PREFIX = "system/"
"""Prefix of metrics on MLflow's page of system metrics."""
_MEGABYTE = 2**20


@final
class ProcessMetrics:
    """Context manager that samples until its end; the step is the number of the sample.

    Args:
        tracker: of the phase.
        interval_s: seconds between samples.
    """

    def __init__(self, tracker: Tracker, *, interval_s: float = 10.0) -> None:
        self._tracker = tracker
        self._interval_s = interval_s
        self._process = psutil.Process()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-metrics", daemon=True)
        self._memory = 0
        self._samples = 0

    def __enter__(self) -> ProcessMetrics:
        self._memory = self._process.memory_info().rss
        self._process.cpu_percent()  # the next call returns the load since this one
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        grown = (self._process.memory_info().rss - self._memory) / _MEGABYTE
        values = {
            f"{PREFIX}process_cpu_utilization_percentage": self._process.cpu_percent(),
            f"{PREFIX}process_memory_growth_megabytes": grown,
        }
        self._tracker.metrics(Released.public(values), step=self._samples)
        self._samples += 1

"""Ray, joined or started.

It joins an initialised Ray or ``RAY_ADDRESS``, else starts a local one, and shuts down only what it started. No
module outside this folder imports Ray.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, final

from pipelines.cluster.environment import TOO_LATE  # before Ray, which reads the environment when it is imported

# isort: split
import ray
from ray.exceptions import RayError

from pate.errors import PateError, Unavailable, expected
from pipelines.cluster.abandoned import remove_abandoned, session_folder
from pipelines.cluster.job import QUEUED, Job, Limits, Lost, Needs
from pipelines.cluster.safety import host_and_port
from pipelines.cluster.tasks import Tasks

CONNECT_SECONDS = 5.0
USUAL_LIMITS = Limits()


@final
class RaySession:
    """A connected Ray."""

    @property
    def cpus(self) -> int:
        """Processor cores of the cluster."""
        return int(ray.cluster_resources().get("CPU", 1))

    @property
    def gpus(self) -> int:
        """GPUs of the cluster."""
        return int(ray.cluster_resources().get("GPU", 0))

    def share(self, value: Any) -> Any:
        """Put a value into the object store once, for many tasks."""
        return ray.put(value)

    def run(
        self,
        jobs: Sequence[Job],
        *,
        num_cpus: float,
        num_gpus: float = 0.0,
        threads: int = 1,
        ahead: int = QUEUED,
        limits: Limits = USUAL_LIMITS,
    ) -> Iterator[tuple[int, Any]]:
        """Run jobs, a bounded number at a time, and yield ``(position, result)`` as they finish.

        Args:
            jobs: the tasks.
            num_cpus: cores of one task.
            num_gpus: GPUs of one task; fractions share one.
            threads: torch threads inside a task.
            ahead: tasks sent for each one that can run at once.
            limits: on retries and time.

        Raises:
            InputError: no node is large enough for a task, or a task refused its input.
            PateError: a task failed; the details are private.
        """
        needs = Needs(num_cpus=num_cpus, num_gpus=num_gpus, threads=threads, ahead=ahead)
        for position, result in self.try_all(jobs, needs, limits):
            if isinstance(result, Lost):
                raise PateError(
                    f"Expected task {jobs[position].name!r} to finish, got one that {result.why}; run again to resume, "
                    "finished work is kept",
                    private_detail=result.detail,
                )
            yield position, result

    def try_all(self, jobs: Sequence[Job], needs: Needs, limits: Limits) -> Iterator[tuple[int, Any]]:
        """Like ``run``, but a task that was finally lost to infrastructure yields ``Lost``."""
        return Tasks(jobs, needs, limits).results()


@contextmanager
def ray_session(*, address: str | None = None, num_cpus: int | None = None) -> Iterator[RaySession]:
    """Join or start Ray for the length of a block.

    Args:
        address: ``host:port`` or ``auto``; default: an initialised Ray, else ``RAY_ADDRESS``, else a local one.
        num_cpus: cores of a local Ray; default: all.

    Raises:
        Unavailable: nothing answers at the address.
        InputError: Ray was loaded before this package, so that a local one cannot ask for tokens.
    """
    if ray.is_initialized():
        yield RaySession()
        return
    address = _remote(address)
    if address:
        preflight(address)
        with _own_connection(lambda: ray.init(address=address, log_to_driver=False)):
            yield RaySession()
        return
    if TOO_LATE:
        raise expected(
            "pipelines imported before ray", "import it first, or export RAY_AUTH_MODE=token", RAY_AUTH_MODE="unset"
        )
    remove_abandoned()
    temporary = session_folder()
    try:
        with _own_connection(lambda: _start_local(num_cpus, temporary)):
            yield RaySession()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@final
class OnDemand:
    """A Ray session that starts on first use: a resumed run whose teachers have voted needs none."""

    def __init__(self, stack: ExitStack, address: str | None, num_cpus: int | None, say: Callable[[str], None]) -> None:
        self._say = say
        self._stack = stack
        self._address = address
        self._num_cpus = num_cpus
        self._session: RaySession | None = None

    def session(self) -> RaySession:
        """The session, started at the first call and ended with the block."""
        if self._session is None:
            self._say(_first_words(self._address))
            self._session = self._stack.enter_context(ray_session(address=self._address, num_cpus=self._num_cpus))
        return self._session


@contextmanager
def on_demand(
    address: str | None = None, num_cpus: int | None = None, say: Callable[[str], None] = lambda text: None
) -> Iterator[OnDemand]:
    """Like ``ray_session``, but Ray starts when a session is first asked for; ``say`` receives a line before that."""
    with ExitStack() as stack:
        yield OnDemand(stack, address, num_cpus, say)


def _first_words(address: str | None) -> str:
    """Announcement of what may take many seconds; addresses are private."""
    if ray.is_initialized():
        return "using the Ray of this process"
    return "joining the Ray cluster" if _remote(address) else "starting Ray on this machine"


def _start_local(num_cpus: int | None, temporary: Path) -> None:
    session = temporary / "s"  # Ray makes its folder world-writable (mode 0777), so it is put into a private one
    session.mkdir()
    ray.init(
        address="local",
        num_cpus=num_cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=_object_store_bytes(),
        _temp_dir=str(session),
    )


@contextmanager
def _own_connection(connect: Callable[[], object]) -> Iterator[None]:
    try:
        try:
            connect()
        except (RayError, ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
            raise Unavailable(
                f"Expected Ray to start or answer, got {type(error).__name__}; check ray.address, RAY_ADDRESS and "
                "RAY_AUTH_MODE",
                private_detail=str(error),
            ) from error
        yield
    finally:  # also where an error or an interrupt left Ray half started
        ray.shutdown()


def _object_store_bytes() -> int:
    """Return a quarter of the free shared memory, between 100 MB and 2 GB."""
    free = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0  # noqa: S108 - Ray's own choice
    return max(100 * 2**20, min(2 * 2**30, free // 4))


def _remote(address: str | None) -> str | None:
    address = address or os.environ.get("RAY_ADDRESS")
    return None if address == "local" else address


def preflight(address: str | None) -> None:
    """Refuse, before the run, a Ray that does not answer.

    Raises:
        Unavailable: nothing listens at the address.
        InputError: it is no address.
    """
    address = _remote(address)
    if address is None or address == "auto" or ray.is_initialized():
        return
    try:
        socket.create_connection(host_and_port(address), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise Unavailable(
            f"Expected a Ray cluster at ray.address={address!r}, got {error.strerror or type(error).__name__}; start "
            "the cluster, correct the address, or remove it to use this machine"
        ) from error

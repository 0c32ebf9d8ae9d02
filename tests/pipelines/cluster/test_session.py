"""Ray is joined or started, never stopped for others; lost tasks are done again; texts of errors stay private."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pate.errors import InputError, PateError, expected
from pipelines.cluster import session as ray_runtime
from pipelines.cluster.job import Job, Limits, Lost, Needs
from pipelines.cluster.session import RaySession, ray_session

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module")
def session() -> Iterator[RaySession]:
    with ray_session(num_cpus=2) as opened:
        yield opened


def square(value: int) -> int:
    return value * value


def threads() -> int:
    import torch

    return torch.get_num_threads()


def die_once(marker: str, value: int) -> int:
    """Kill the worker the first time, as a lost node would."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(1)
    return value


def die(marker: str) -> None:
    with Path(marker).open("a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out


def dawdle(marker: str, slow_tries: int) -> str:
    with Path(marker).open("a") as file:
        file.write("x")
    if len(Path(marker).read_text()) <= slow_tries:
        time.sleep(60)
    return "done"


def fail() -> None:
    raise RuntimeError("patient anna, row 7")


def refuse() -> None:
    raise expected("a better input", "give one", value=3)


def results(session: RaySession, jobs: list[Job], **settings: int) -> list[object]:
    done = dict(session.run(jobs, num_cpus=1, **settings))
    return [done[position] for position in range(len(jobs))]


def job(function, **arguments: object) -> Job:
    return Job(name=function.__name__, function=function, arguments=arguments)


def test_every_result_comes_once_with_its_position(session: RaySession) -> None:
    assert results(session, [job(square, value=i) for i in range(25)]) == [i * i for i in range(25)]


def test_shared_values_arrive_as_themselves(session: RaySession) -> None:
    assert results(session, [job(square, value=session.share(12))]) == [144]


def test_a_task_uses_the_threads_it_was_given(session: RaySession) -> None:
    assert results(session, [job(threads)], threads=1) == [1]


def test_a_task_whose_worker_died_is_done_again(session: RaySession, tmp_path: Path) -> None:
    marker = tmp_path / "died"
    assert results(session, [job(die_once, marker=str(marker), value=5)]) == [5]
    assert marker.exists()


def test_a_task_that_dies_every_time_is_lost_after_the_declared_tries(session: RaySession, tmp_path: Path) -> None:
    jobs = [job(die, marker=str(tmp_path / "died")), job(square, value=3)]
    found = dict(session.try_all(jobs, Needs(num_cpus=1), Limits(retries=1)))
    assert found[1] == 9
    assert isinstance(found[0], Lost)
    assert found[0].why == "crashed"
    assert (tmp_path / "died").read_text() == "xx"
    with pytest.raises(PateError, match=r"'die' to finish.*run again to resume"):
        list(session.run([job(die, marker=str(tmp_path / "died"))], num_cpus=1, limits=Limits(retries=0)))


def test_a_task_that_takes_too_long_is_tried_once_more_and_then_lost(session: RaySession, tmp_path: Path) -> None:
    needs, limits = Needs(num_cpus=1), Limits(seconds=3)
    jobs = [job(dawdle, marker=str(tmp_path / name), slow_tries=tries) for name, tries in (("once", 1), ("ever", 9))]
    found = dict(session.try_all(jobs, needs, limits))
    assert found[0] == "done"
    assert isinstance(found[1], Lost)
    assert found[1].why == "took too long"
    assert [(tmp_path / name).read_text() for name in ("once", "ever")] == ["xx", "xx"]


def test_arguments_are_made_when_a_task_is_sent_and_not_before(session: RaySession) -> None:
    made: list[int] = []

    def arguments(value: int) -> dict[str, int]:
        made.append(value)
        return {"value": value}

    jobs = [Job(name="lazy", function=square, arguments=partial(arguments, value)) for value in range(40)]
    ahead = 0
    for done, _ in enumerate(session.try_all(jobs, Needs(num_cpus=1), Limits()), start=1):
        ahead = max(ahead, len(made) - done)
    assert len(made) == 40
    assert ahead <= 2 * session.cpus, "the driver holds the arguments of a few tasks at a time"


def test_a_place_without_a_node_is_given_up_after_the_declared_patience(session: RaySession) -> None:
    jobs = [Job(name="far", function=square, arguments={"value": 1}, site="nowhere"), job(square, value=2)]
    found = dict(session.try_all(jobs, Needs(num_cpus=1), Limits(patience=1.5)))
    assert isinstance(found[0], Lost)
    assert found[0].why == "found no node"
    assert found[1] == 4


def test_the_text_of_an_error_in_a_task_is_private(session: RaySession) -> None:
    with pytest.raises(PateError, match="'fail'") as error:
        results(session, [job(fail)])
    assert "anna" not in str(error.value)
    assert "anna" in str(error.value.private_detail)


def test_a_refusal_in_a_task_is_the_same_refusal_outside(session: RaySession) -> None:
    with pytest.raises(InputError, match="a better input, got value=3"):
        results(session, [job(refuse)])


def test_a_task_that_fits_nowhere_is_refused_rather_than_waited_for(session: RaySession) -> None:
    with pytest.raises(InputError, match=r"lower teachers.num_cpus"):
        list(session.run([job(square, value=1)], num_cpus=500))
    with pytest.raises(InputError, match=r"lower teachers.num_gpus"):
        list(session.run([job(square, value=1)], num_cpus=1, num_gpus=1))


def test_an_initialised_ray_is_joined_and_left_running(session: RaySession) -> None:
    with ray_session() as inner:
        assert results(inner, [job(square, value=3)]) == [9]
    assert results(session, [job(square, value=4)]) == [16]


def test_a_ray_that_was_loaded_first_is_refused_in_words() -> None:
    code = "import ray\nfrom pipelines.cluster.session import ray_session\nwith ray_session(num_cpus=1): print('up')"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False)
    assert "InputError: Expected pipelines imported before ray" in done.stderr
    assert "up" not in done.stdout


HALF_STARTED = """
from pathlib import Path
from pipelines.cluster import session

start = session.ray.init

def struck(**settings):
    start(**settings)
    raise {error}

session.ray.init = struck
try:
    with session.ray_session(num_cpus=1):
        print("up")
except {caught}:
    left = [path.name for path in Path("/tmp").glob(f"pate-ray-{{session.os.getpid()}}-*")]
    print(session.ray.is_initialized(), left)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "caught"), [("KeyboardInterrupt", "KeyboardInterrupt"), ("RuntimeError", "session.Unavailable")]
)
def test_a_ray_that_was_half_started_is_shut_down(error: str, caught: str) -> None:
    """The process lives on, as in a notebook."""
    code = HALF_STARTED.format(error=error, caught=caught)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False)
    assert done.stdout == "False []\n", done.stderr


@pytest.mark.parametrize("address", ["nonsense", "host:", "ray://host:10001"])
def test_what_is_no_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_runtime.ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match=r"ray\.address"):
        ray_runtime.preflight(address)


@pytest.mark.slow
def test_a_run_joins_ray_address_and_leaves_it_running(shell, session: RaySession) -> None:
    address = ray_runtime.ray.get_runtime_context().gcs_address
    config = Path(__file__).parents[3] / "configs" / "smoke.yaml"
    done = shell.run("run", str(config), "--json", RAY_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    assert results(session, [job(square, value=6)]) == [36]

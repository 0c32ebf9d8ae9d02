"""Ray is joined or started, never stopped for others; lost tasks are done again; texts of errors stay private."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pate.errors import InputError, PateError, expected
from pipelines import ray_runtime
from pipelines.ray_runtime import Job, RaySession, ray_session

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


@pytest.mark.parametrize("address", ["nonsense", "host:", "ray://host"])
def test_what_is_no_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_runtime.ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match=r"ray\.address"):
        ray_runtime.preflight(address)


@pytest.mark.slow
def test_a_run_joins_ray_address_and_leaves_it_running(shell, session: RaySession) -> None:
    address = ray_runtime.ray.get_runtime_context().gcs_address
    config = Path(__file__).parents[2] / "configs" / "smoke.yaml"
    done = shell.run("run", str(config), "--json", RAY_ADDRESS=address)
    assert done.returncode == 0, done.stderr
    assert results(session, [job(square, value=6)]) == [36]

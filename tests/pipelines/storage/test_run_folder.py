"""Stages run once, their outputs are checked, and a run belongs to one process."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

import pytest

from pate.errors import InputError
from pate.files import write_atomically
from pipelines.progress import Quiet
from pipelines.run.stages import Done, run_stage
from pipelines.storage.home import Home
from pipelines.storage.incidents import write_incident
from pipelines.storage.run_folder import RunFolder


@pytest.fixture
def store(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path, "demo-12345678")
    made.create()
    return made


def work(store: RunFolder, counter: list[int], text: str = "x"):
    def do() -> Done:
        counter.append(1)
        path = store.private_folder("part") / "out.txt"
        write_atomically(path, text)
        return Done(outputs=[path], note={"n": len(counter)}, line="done")

    return do


def test_a_finished_stage_is_skipped_and_its_note_kept(store: RunFolder) -> None:
    counter: list[int] = []
    for _ in range(3):
        note = run_stage(store, "s", {"a": 1}, work(store, counter), Quiet())
    assert (len(counter), note) == (1, {"n": 1})


def test_a_stage_that_failed_is_done_again(store: RunFolder) -> None:
    counter: list[int] = []

    def fail() -> Done:
        counter.append(1)
        raise RuntimeError("x")

    with pytest.raises(RuntimeError):
        run_stage(store, "s", {}, fail, Quiet())
    run_stage(store, "s", {}, work(store, counter), Quiet())
    assert len(counter) == 2


def test_other_inputs_are_refused_rather_than_recomputed(store: RunFolder) -> None:
    run_stage(store, "s", {"a": 1}, work(store, []), Quiet())
    with pytest.raises(InputError, match="inputs of stage 's'"):
        run_stage(store, "s", {"a": 2}, work(store, []), Quiet())


@pytest.mark.parametrize("damage", ["alter", "remove"])
def test_a_changed_output_is_found_and_its_path_not_shown(store: RunFolder, damage: str) -> None:
    run_stage(store, "s", {}, work(store, []), Quiet())
    path = store.private / "part" / "out.txt"
    path.write_text("y") if damage == "alter" else path.unlink()
    with pytest.raises(InputError, match="missing or altered") as error:
        run_stage(store, "s", {}, work(store, []), Quiet())
    assert str(store.path) not in str(error.value)


def test_the_private_side_is_for_the_owner_alone(store: RunFolder) -> None:
    assert stat.S_IMODE(store.private.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.private_folder("votes").stat().st_mode) == 0o700


def test_a_run_belongs_to_one_process_at_a_time(store: RunFolder) -> None:
    with (
        store.locked(),
        pytest.raises(InputError, match="another process"),
        RunFolder(store.path.parents[1], store.run_id).locked(),
    ):
        pass
    with store.locked():
        pass


def test_a_run_is_found_by_id_by_folder_and_by_mlflow_id(store: RunFolder, tmp_path: Path) -> None:
    (store.public_folder("tracking") / "mlflow_run_id").write_text("abc123\n")
    for name in (store.run_id, str(store.path), "abc123"):
        assert Home(tmp_path).find(name).path == store.path
    with pytest.raises(InputError, match=store.run_id):
        Home(tmp_path).find("other")


def test_incidents_are_for_the_owner_alone(tmp_path: Path) -> None:
    incident = write_incident(tmp_path, "row 7 of anna")
    path = tmp_path / "incidents" / incident
    assert path.read_text() == "row 7 of anna"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("writes", range(5))
def test_outputs_that_are_replaced_are_old_or_new_wherever_it_is_cut_short(
    store: RunFolder, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [store.public / name for name in ("page", "plain")]
    for path in paths:
        write_atomically(path, "old")
    store.stages.complete("report", "inputs", paths, {"n": 1})
    done = 0

    def interrupted(path: Path, content: str | bytes) -> None:
        nonlocal done
        if done == writes:
            raise KeyboardInterrupt
        done += 1
        write_atomically(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.storage.stage_markers.write_atomically", interrupted)
        with suppress(KeyboardInterrupt):
            store.stages.rewrite("report", dict.fromkeys(paths, "new"))
    assert store.stages.unaltered("report") == {"n": 1}
    assert {path.read_text() for path in paths} <= {"old", "new"}
    store.stages.rewrite("report", dict.fromkeys(paths, "new"))
    assert store.stages.finished("report", "inputs") == {"n": 1}
    assert {path.read_text() for path in paths} == {"new"}
    paths[0].write_text("old")
    with pytest.raises(InputError, match="altered"):
        store.stages.unaltered("report")

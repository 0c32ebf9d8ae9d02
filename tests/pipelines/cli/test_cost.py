"""``pate cost`` on files as people have them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pate.accounting.events import ConfidentGNMaxEvent, RepeatedEvent
from pate.errors import InputError
from pipelines.results.sweep import member_of
from pipelines.results.vote_files import _one_release, read_numbers
from pipelines.storage.home import Home

LABELS = np.array([[0, 1, 1, 2], [0, 1, 0, 2], [0, 1, 1, -1], [0, 0, 1, 2]] * 10)
COUNTS = np.stack([(c == LABELS).sum(axis=0) for c in range(3)], axis=1)


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    path = tmp_path / "counts.npy"
    np.save(path, COUNTS)
    return path


def test_every_format_gives_the_same_table(tmp_path: Path, counts: Path) -> None:
    frame = pd.DataFrame(COUNTS, columns=["a", "b", "c"])
    frame.to_csv(tmp_path / "header.csv", index=False)
    frame.to_csv(tmp_path / "plain.csv", index=False, header=False)
    frame.to_parquet(tmp_path / "c.parquet")
    for name in ("counts.npy", "header.csv", "plain.csv", "c.parquet"):
        assert np.array_equal(read_numbers(tmp_path / name, "COUNTS"), COUNTS), name


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="numbers alone"):
        read_numbers(path, "COUNTS")


def test_json_has_a_row_for_each_accountant(shell, counts: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "votes.npy", LABELS)
    found = shell.json(
        "cost", str(counts), "--mechanism", "gnmax", "--sigma", "10", "--votes", str(tmp_path / "votes.npy")
    )
    assert set(found) == {
        "gaussian", "worst_case_rdp", "worst_case", "papernot18", "papernot18_2017_conversion", "exact_rdp", "exact",
        "exact_rdp_per_teacher", "exact_per_teacher", "sanitised", "sanitised_papernot18",
        "expected_answered",
    }  # fmt: skip
    assert found["expected_answered"] == 4
    assert found["exact"]["note"] == "per_query"
    assert found["exact_per_teacher"]["epsilon"] <= found["exact"]["epsilon"]
    assert found["worst_case"]["kind"] == "data-independent"
    assert found["gaussian"]["delta"] == 1e-5


def test_only_the_first_rows_are_charged_when_asked(shell, counts: Path) -> None:
    every = shell.json("cost", str(counts), "--sigma", "10")
    first = shell.json("cost", str(counts), "--sigma", "10", "--queries", "2")
    assert first["gaussian"]["epsilon"] < every["gaussian"]["epsilon"]


@pytest.mark.parametrize(
    ("arguments", "mention"),
    [
        ([], "--sigma"),
        (["--sigma", "nan"], "sigma"),
        (["--sigma", "10", "--delta", "0"], "delta"),
        (["--sigma", "10", "--teachers", "3"], "roster"),
        (["--sigma", "10", "--queries", "9"], "--queries=9"),
        (["--mechanism", "confident-gnmax", "--sigma", "10"], "--threshold"),
        (["--sigma", "10", "--order", "1"], "order"),
    ],
)
def test_impossible_questions_are_refused(shell, counts: Path, arguments: list[str], mention: str) -> None:
    done = shell.run("cost", str(counts), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert mention in done.stderr


@pytest.mark.parametrize("bad", [[[-1, 5]], [[float("nan"), 5]], [[float("inf"), 5]], [[0.5, 5]], [1, 2]])
def test_what_are_no_counts_is_refused(shell, tmp_path: Path, bad: list) -> None:
    np.save(tmp_path / "bad.npy", np.array(bad))
    done = shell.run("cost", str(tmp_path / "bad.npy"), "--sigma", "10")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


@pytest.mark.xdist_group("finished")
def test_a_run_is_accounted_with_its_own_votes_and_mechanism(finished, tmp_path: Path) -> None:
    from pipelines.results.table import ACCOUNT_END, ACCOUNT_START

    run_shell, summary = finished
    readme = tmp_path / "README.md"
    readme.write_text(f"{ACCOUNT_START}\n{ACCOUNT_END}\n")
    rows = run_shell.json("cost", "--run", summary["run_id"], "--readme", str(readme))
    assert rows["gaussian"]["epsilon"] == pytest.approx(summary["epsilon"])
    assert rows["exact"]["epsilon"] <= rows["worst_case"]["epsilon"]
    assert "| `worst_case` |" in readme.read_text()


@pytest.mark.parametrize(
    "mechanism",
    [
        {"kind": "gnmax", "sigma": 40.0},
        {"kind": "lnmax", "scale": 40.0},
        {"kind": "confident-gnmax", "threshold": 9.0, "sigma_threshold": 40.0, "sigma": 20.0, "max_answered": 7},
    ],
    ids=lambda mechanism: mechanism["kind"],
)
@pytest.mark.parametrize("group_size", [1, 2])
def test_the_event_of_a_run_is_that_of_its_configuration(mechanism: dict, group_size: int) -> None:
    from pipelines.api import configuration

    config = configuration("smoke")
    content = config.model_dump(mode="json")
    content["privacy"]["epsilon"] = 1e6
    content["labelling"]["mechanism"] = mechanism
    content["partition"]["group_size"] = group_size
    config = configuration(content)
    found, asked = _one_release(config.model_dump(mode="json"), config.labelling.max_asked), config.labelling.max_asked
    whole = found if isinstance(found, ConfidentGNMaxEvent) else RepeatedEvent(event=found, count=asked)
    assert whole == config.campaign_event()
    assert found.moved_votes == group_size


@pytest.mark.xdist_group("finished")
def test_a_run_whose_units_move_two_votes_gets_no_cost_that_holds_for_one(finished, tmp_path: Path) -> None:
    run_shell, summary = finished
    copy = type(run_shell)(tmp_path / "home")
    shutil.copytree(run_shell.home, copy.home, dirs_exist_ok=True)
    folder = Home(copy.home).find(summary["run_id"])
    settings = folder.settings()
    settings["partition"]["group_size"] = 2
    folder.settings_file.write_text(json.dumps(settings))
    done = copy.run("cost", "--run", summary["run_id"])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "moved_votes=2" in done.stderr
    assert member_of(folder).exact.value is None


def test_the_old_name_works_unlisted_and_says_the_new_one(shell, counts: Path) -> None:
    words = [str(counts), "--sigma", "10", "--json"]
    old, new = shell.run("account", *words), shell.run("cost", *words)
    assert (old.returncode, old.stdout) == (0, new.stdout)
    assert old.stderr == "pate: warning: `pate account` is now `pate cost`; the next version drops the old name\n"
    assert new.stderr == ""
    assert "  account" not in shell.run("--help").stdout

"""``pate cost`` on files as people have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pate.errors import InputError
from pipelines.results.vote_files import read_numbers

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


def test_the_old_name_works_unlisted_and_says_the_new_one(shell, counts: Path) -> None:
    words = [str(counts), "--sigma", "10", "--json"]
    old, new = shell.run("account", *words), shell.run("cost", *words)
    assert (old.returncode, old.stdout) == (0, new.stdout)
    assert old.stderr == "pate: warning: `pate account` is now `pate cost`; the next version drops the old name\n"
    assert new.stderr == ""
    assert "  account" not in shell.run("--help").stdout

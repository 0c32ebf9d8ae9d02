"""Campaigns on votes that were made elsewhere, with the example of docs/how_to/given_votes.md."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import pate
from pate.errors import InputError, PateError, RecordsRefused
from pipelines.storage.home import Home
from pipelines.storage.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how_to" / "given_votes.md").read_text()
TEACHERS, POOL = 60, 300


def example() -> dict[str, Any]:
    """The guide's configuration, with little noise."""
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def write_table(path: Path, records: int, seed: int) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(seed).normal(size=(records, 3))
    relapse = values[:, 0] + values[:, 1] > 0
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["age", "pressure", "score", "relapse"])
        table.writerows([*row, "yes" if ill else "no"] for row, ill in zip(values.tolist(), relapse, strict=True))
    return relapse.astype(np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide's files: nine in ten votes are right; the first ten teachers abstain on every third input."""
    found = tmp_path_factory.mktemp("given")
    truth_M = write_table(found / "pool.csv", POOL, 0)
    write_table(found / "evaluation.csv", 200, 1)
    wrong_TM = np.random.default_rng(2).random((TEACHERS, POOL)) < 0.1
    votes_TM = np.where(wrong_TM, 1 - truth_M, truth_M)
    votes_TM[:10, ::3] = -1
    np.save(found / "votes.npy", votes_TM)
    (found / "ward.yaml").write_text(yaml.safe_dump(example()))
    return found


def label(folder: Path, home: Path, votes: str = "votes.npy") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines", "label", votes, "ward.yaml", "--json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PATE_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )


def changed(**sections: dict[str, Any]) -> dict[str, Any]:
    content = example()
    for name, keys in sections.items():
        content[name] = {**content[name], **keys}
    return content


def charged(home: Path) -> float:
    """What the account has been charged; 0 without an account."""
    if not Home(home).ledger_folder.exists():
        return 0.0
    with Home(home).ledger() as ledger:
        return ledger.spent("ward-2026").epsilon if ledger.accounts() else 0.0


@pytest.mark.slow
def test_the_guides_example_gives_labels_a_report_a_student_and_a_record(folder: Path, tmp_path: Path) -> None:
    done = label(folder, tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert "is your declaration" in done.stderr
    assert facts["student_accuracy"] > 0.8
    (public,) = tmp_path.glob("runs/*/public")
    report = json.loads((public / "report.json").read_text())
    assert report["own_parts"] == {"votes": "made elsewhere"}
    assert report["teachers_enrolled"] == TEACHERS
    assert "as the operator declares" in json.dumps(report)
    for name in ("report.html", "model_card.md"):
        assert "cannot check it" in (public / name).read_text(), name
    folder_of_run = RunFolder(tmp_path, facts["run_id"])
    kept = np.load(folder_of_run.votes_file)
    asked = json.loads(folder_of_run.queries_file.read_text())
    assert (kept == np.load(folder / "votes.npy")[:, asked]).all(), "the columns are not those of the queries"
    assert folder_of_run.votes_file.parent.stat().st_mode & 0o777 == 0o700
    assert facts["tracking"] == "the local MLflow store"

    spent = charged(tmp_path)
    assert spent == pytest.approx(facts["epsilon"])
    again = label(folder, tmp_path)
    assert json.loads(again.stdout) == facts
    assert charged(tmp_path) == spent


def test_labels_are_the_majority_where_the_noise_is_small(folder: Path, tmp_path: Path) -> None:
    content = changed(
        labelling={"mechanism": {"kind": "gnmax", "sigma": 0.5}, "max_asked": 40},
        privacy={"epsilon": 5000},
        data={"pool_files": [str(folder / "pool.csv")], "evaluation_files": [str(folder / "evaluation.csv")]},
    )
    votes_TM = np.load(folder / "votes.npy")
    result = pate.Campaign.from_votes(votes_TM, content).run(home=tmp_path, quiet=True)
    ones_Q, zeros_Q = ((votes_TM == label).sum(axis=0)[result.inputs_Q] for label in (1, 0))
    clear_Q = abs(ones_Q - zeros_Q) > 10  # ten standard deviations of the difference are 7.1 votes
    assert clear_Q.sum() > 30
    assert (result.labels_Q == (ones_Q > zeros_Q))[clear_Q].all()


Spoil = Callable[[np.ndarray[Any, Any]], Any]


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (lambda votes: votes[:-1], InputError, r"votes of shape \[60, 300\].*\[59, 300\]"),
        (lambda votes: votes[:, :-1], InputError, r"votes of shape \[60, 300\].*\[60, 299\]"),
        (lambda votes: votes.T, InputError, r"votes of shape \[60, 300\]"),
        (lambda votes: votes + 1, RecordsRefused, "Expected private records"),
        (lambda votes: votes + 0.5, RecordsRefused, "Expected private records"),
        (lambda votes: np.where(votes == 1, np.nan, votes), RecordsRefused, "Expected private records"),
        (lambda votes: votes.astype(str), RecordsRefused, "Expected private records"),
        (lambda votes: "nowhere.npy", InputError, "Expected votes, got No such file"),
    ],
)
def test_other_votes_are_refused_before_anything_is_charged(
    folder: Path, tmp_path: Path, spoil: Spoil, kind: type[PateError], said: str
) -> None:
    content = changed(
        data={"pool_files": [str(folder / "pool.csv")], "evaluation_files": [str(folder / "evaluation.csv")]}
    )
    campaign = pate.Campaign.from_votes(spoil(np.load(folder / "votes.npy")), content)
    with pytest.raises(kind, match=said):
        campaign.run(home=tmp_path, quiet=True)
    assert charged(tmp_path) == 0


def test_a_run_without_its_votes_says_how_to_give_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pate label VOTES\.npy CONFIG"):
        pate.run(folder / "ward.yaml", home=tmp_path, quiet=True)
    assert not (tmp_path / "runs").exists()


def test_votes_are_for_configurations_that_declare_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"teachers\.model: \{kind: votes\} where votes are given"):
        pate.Campaign.from_votes(folder / "votes.npy", "smoke").run(home=tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"data": {"private_files": ["pool.csv"]}}, "without data.private_files"),
        ({"data": {"evaluation_files": []}}, "Expected data.pool_files and data.evaluation_files"),
        ({"partition": {"by": "site"}}, "only the number of teachers in partition"),
        ({"teachers": {"training": {"steps": 3}}}, "without it for votes"),
        ({"labelling": {"insecure_seeded_noise": 1}}, "not a public benchmark"),
        ({"data": {"pool": 299}}, r"all records of data\.pool_files"),
    ],
)
def test_settings_that_do_not_go_with_given_votes(
    folder: Path, tmp_path: Path, sections: dict[str, Any], said: str
) -> None:
    content = changed(**sections)
    for name in ("pool", "evaluation"):
        key = f"{name}_files"
        content["data"][key] = [str(folder / file) for file in content["data"][key]]
    with pytest.raises(InputError, match=said):
        pate.Campaign.from_votes(folder / "votes.npy", content).run(home=tmp_path, quiet=True)
    assert charged(tmp_path) == 0


def test_other_kinds_of_teachers_still_need_private_files(tmp_path: Path) -> None:
    content = changed(teachers={"model": {"kind": "logistic"}, "training": {"steps": 3}})
    with pytest.raises(InputError, match=r"Expected data\.private_files, got none"):
        pate.run(content, home=tmp_path, quiet=True)


def test_a_campaign_prints_none_of_its_votes(folder: Path) -> None:
    campaign = pate.Campaign.from_votes(np.load(folder / "votes.npy"), folder / "ward.yaml")
    assert repr(campaign) == "<Campaign: private>"

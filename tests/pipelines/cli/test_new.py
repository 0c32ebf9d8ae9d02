"""`pate new`: a configuration that runs, and nothing of the records in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipelines.authoring.columns_seen import look
from pipelines.authoring.first_campaign import first_campaign
from pipelines.cli.app import run
from pipelines.config.experiment import load
from pipelines.data.sources import deal, load_study

CANARY = "CANARY-7731"
ROLES = ["--numeric", "height (cm)", "--categorical", "stage"]
HEART = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"


def patients(path: Path, count: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    pd.DataFrame(
        {
            "patient": [f"{CANARY}-{seed}-{i // 2}" for i in range(count)],
            "height (cm)": rng.normal(170, 10, count).round(1),
            "stage": rng.choice(["I", "II", f"{CANARY}-III"], count),
            "note": [f"{CANARY} {i}" for i in range(count)],
            "ward": rng.choice(["7731001", "7731002"], count),
            "result": rng.choice(["ok", f"{CANARY}-bad"], count),
        }
    ).to_csv(path, index=False)
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATE_HOME", str(tmp_path / "home"))
    return tmp_path


def test_no_value_of_a_private_record_is_printed_or_copied(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patients(place / "p.csv", 300, 0)
    asked = ["new", "mine", "--from", "p.csv", "--label", "result", "--positive", "yes", "--unit", "patient", *ROLES]
    assert run([*asked[:1], "again", *asked[2:], "--json"]) == 0
    plain = capsys.readouterr()
    assert json.loads(plain.out)["config"] == "again/again.yaml"
    assert (plain.err, CANARY in plain.out, "7731001" in plain.out) == ("", False, False)
    assert run(asked) == 0
    printed = capsys.readouterr()
    written = "".join(path.read_text() for path in (place / "mine").iterdir())
    for text in (printed.out, printed.err, written):
        assert CANARY not in text
        assert "7731001" not in text
    assert "height (cm): named as numeric -> numeric" in printed.err
    assert "note" not in printed.err, "the header of a private file is private: it may be somebody's record"
    assert "Put public records with the same columns (labels too) at mine/public.csv" in printed.out
    config = load(place / "mine" / "mine.yaml")
    assert config.campaign_epsilon().epsilon <= config.privacy.epsilon


def test_the_configuration_with_public_files_loads_and_deals(place: Path) -> None:
    patients(place / "p.csv", 300, 0)
    patients(place / "q.csv", 90, 1)
    asked = ["new", "mine", "--from", "p.csv", "--public", "q.csv", "--label", "result", "--unit", "patient"]
    assert run(asked) == 0
    config = load(place / "mine" / "mine.yaml")
    study = load_study(config)
    assert study.classes == (f"{CANARY}-bad", "ok"), "names of classes come from the public labels"
    assert (len(study.private), len(study.pool), len(study.evaluation)) == (300, 60, 30)
    parts = deal(config, study)
    assert parts.teachers == 10
    assert parts.partitions_per_unit == 1
    text = (place / "mine" / "mine.yaml").read_text()
    assert text.count("#") > 15, "the file explains itself"


def test_the_first_line_of_a_private_file_is_never_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without its header begins with a patient."""
    patients(place / "p.csv", 60, 0)
    lines = (place / "p.csv").read_text().splitlines()[1:]
    (place / "p.csv").write_text("\n".join(lines) + "\n")
    label = lines[0].split(",")[-1]
    for words in ([], ["--numeric", "height (cm)"], ["--unit", "who"]):
        run(["new", "mine", "--from", "p.csv", "--label", label, "--positive", "1", *words])
        printed = capsys.readouterr()
        values = set(lines[0].split(",")) - {label}
        assert not any(value in printed.err + printed.out for value in values if len(value) > 2)


def test_hospitals_that_only_a_private_column_names_stay_unnamed(place: Path) -> None:
    for seed, (name, count) in enumerate((("p.csv", 300), ("q.csv", 90))):
        patients(place / name, count, seed)
    asked = ["new", "mine", "--from", "p.csv", "--public", "q.csv", "--label", "result", "--unit", "patient"]
    assert run([*asked, "--site", "ward"]) == 0
    text = (place / "mine" / "mine.yaml").read_text()
    assert "7731001" not in text
    assert "list the hospitals, which become public" in text
    assert load(place / "mine" / "mine.yaml").partition.by == "unit"


def test_files_of_several_hospitals_become_sites(place: Path) -> None:
    for number in range(3):
        patients(place / f"{number}.csv", 200, number)
    patients(place / "q.csv", 90, 7)
    files = [word for number in range(3) for word in ("--from", f"{number}.csv")]
    assert run(["new", "mine", *files, "--public", "q.csv", "--label", "result", "--unit", "patient"]) == 0
    config = load(place / "mine" / "mine.yaml")
    study = load_study(config)
    assert set(study.private.sites_N) == {"site_1", "site_2", "site_3"}
    assert config.partition.by == "site"
    assert deal(config, study).teachers == 20


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (["--label", "result"], ["never taken from private files", "--positive"]),
        (["--label", "outcome", "--positive", "1"], ["--label='outcome'"]),
        (
            ["--label", "result", "--positive", "1", "--above", "0"],
            ["one of --positive, --contains, --above and --classes"],
        ),
        (["--label", "result", "--positive", "1", "--unit", "who"], ["--unit='who'"]),
        (["--label", "result", "--positive", "1", "--names", "one"], ["two --names"]),
        (["--label", "result", "--positive", "1", "--from", "none.csv"], ["--from [1]", "got none"]),
        (["--label", "result", "--positive", "1"], ["--numeric and --categorical", "published"]),
        (["--label", "result", "--positive", "1", "--numeric", "heigth"], ["--numeric to name", "numeric='heigth'"]),
        (["--label", "result", "--positive", "1", "--categorical", "result"], ["neither label", "'result'"]),
        (["--label", "result", "--positive", "1", "--numeric", "stage", "--categorical", "stage"], ["each once"]),
    ],
)
def test_what_cannot_become_a_study_is_refused_and_nothing_is_written(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], mentions: list[str]
) -> None:
    patients(place / "p.csv", 60, 0)
    assert run(["new", "mine", "--from", "p.csv", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert all(text in printed.err for text in mentions), printed.err
    assert CANARY not in printed.err
    assert not (place / "mine").exists()


CELLS = {
    "height (cm)": ["none", "1e400", "170", "=1+1", ""],
    "stage": ["7", "a, b", "<b>"],
    "note": ["", "12", "a"],
    "ward": ["x", "7731003"],
    "result": ["yes", "other", "0"],
}


@pytest.mark.parametrize("public", [[], ["--public", "q.csv"]], ids=["without public files", "with public files"])
def test_no_private_cell_changes_what_is_written(
    place: Path, capsys: pytest.CaptureFixture[str], public: list[str]
) -> None:
    """The file is published: whatever stands in one private cell, or in a whole private column, it is the same."""
    patients(place / "q.csv", 90, 1)
    asked = ["--from", "p.csv", "--label", "result", "--positive", "ok", "--unit", "patient"]
    asked += public or ROLES
    written = set()
    original = pd.read_csv(patients(place / "p.csv", 300, 0), dtype=str)
    cases = [original]
    for column, values in CELLS.items():
        for value in values:
            one, whole = original.copy(), original.copy()
            one.loc[17, column] = value
            whole[column] = value
            cases += [one, whole]
    for number, case in enumerate(cases):
        case.to_csv(place / "p.csv", index=False)
        assert run(["new", f"study-{number}", *asked]) == 0
        texts = [path.read_text() for path in sorted((place / f"study-{number}").iterdir())]
        printed = capsys.readouterr()
        shown = "\n".join([*texts, printed.out, printed.err])
        written.add(re.sub(r"study-\d+(-[0-9a-f]{8})?", "study", shown))
    assert len(written) == 1


def test_what_is_proposed_from_counts_says_so(place: Path) -> None:
    patients(place / "p.csv", 300, 0)
    asked = ["--from", "p.csv", "--label", "result", "--positive", "yes", "--unit", "patient", *ROLES]
    assert run(["new", "mine", *asked]) == 0
    text = (place / "mine" / "mine.yaml").read_text()
    note = "proposed from the number of units you hold; this number becomes public with the file"
    lines = text.splitlines()
    for key in ("teachers", "delta"):
        at = next(number for number, line in enumerate(lines) if line.startswith(f"  {key}:"))
        assert lines[at - 1] == f"  # {key}: {note}"


def test_a_folder_that_exists_is_left_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patients(place / "p.csv", 60, 0)
    (place / "mine").mkdir()
    assert run(["new", "mine", "--from", "p.csv", "--label", "result", "--positive", "x"]) == 2
    assert "does not exist yet" in capsys.readouterr().err
    assert run(["new", "../mine", "--from", "p.csv", "--label", "result", "--positive", "x"]) == 2
    assert not list((place / "mine").iterdir())


@pytest.mark.parametrize(
    ("values", "number", "role"),
    [
        (["1", "1", "1"], True, "left out"),
        (["0", "1.0", "0"], True, "categorical"),
        ([str(i) for i in range(30)], True, "numeric"),
        ([f"c{i}" for i in range(30)], False, "categorical"),
        ([f"c{i}" for i in range(60)], False, "left out"),
        ([str(i) for i in range(60)], True, "numeric"),
        ([None, None], False, "left out"),
    ],
)
def test_columns_get_roles_by_type_and_coarse_counts(values: list, number: bool, role: str) -> None:
    found = look(pd.Series(values, name="x", dtype="str"))
    assert (found.number, found.role) == (number, role)


def test_queries_stay_within_the_budget() -> None:
    from pate.accounting import data_independent_epsilon
    from pate.aggregation import GNMax

    asked = first_campaign(units=500, left=500, sites=0, pool=1000).asked
    costs = [
        data_independent_epsilon(GNMax(sigma=10).worst_case_event(queries=n, moved_votes=1), 1e-5, "gaussian").epsilon
        for n in (asked, asked + 1)
    ]
    assert costs[0] <= 5 < costs[1]


@pytest.mark.slow
def test_following_the_printed_steps_leads_to_a_registered_student(shell, data_dir: Path) -> None:
    files = [
        str(data_dir / "heart4" / f"processed.{name}.data") for name in ("cleveland", "hungarian", "va", "switzerland")
    ]
    sources = [word for file in files for word in ("--from", file)]
    rules = ["--columns", HEART, "--missing", "?", "--label", "num", "--above", "0", "--names", "healthy,diseased"]
    made = shell.run("new", "heart", *sources, *rules)
    assert made.returncode == 0, made.stderr
    steps = re.findall(r"^ +pate (.+)$", made.stdout, flags=re.MULTILINE)
    assert [step.split()[0] for step in steps] == ["validate", "run", "report"]
    for step in steps:
        done = shell.run(*step.split())
        assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    assert client.get_model_version_by_alias("pate-heart", "candidate").version
    text = "".join(path.read_text(errors="ignore") for path in shell.home.rglob("public/*.json"))
    assert "cleveland" not in text, "paths stay in the configuration file"

"""A sweep's rows are the statistics of its runs, merged as they finish and never doubled."""

from __future__ import annotations

import json
import sqlite3
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from scipy import stats

from pate.errors import InputError, PrivacyViolation
from pate.ledger import PrivacyLedger
from pate.values import Released
from pipelines.cli.app import run as command_line
from pipelines.config.experiment import load
from pipelines.results.sweep import BenchmarkRow, Member, member_of, members, merge, row_of, sweep
from pipelines.results.sweep_table import comparison, plot, table
from pipelines.results.sweep_tracking import track_sweep
from pipelines.results.table import OURS_END, OURS_START, SWEEP_END, SWEEP_START
from pipelines.storage.home import Home
from pipelines.tracking.outbox import read_events

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"


@pytest.fixture
def member(finished: Any) -> Member:
    """One real finished run."""
    shell, content = finished
    return member_of(Home(shell.home).find(content["run_id"]))


def varied(member: Member, seed: int, accuracy: float) -> Member:
    return replace(member, facts=member.facts.map(lambda own: {**own, "seed": seed, "student_accuracy": accuracy}))


def test_members_differ_in_seed_and_rotation_and_in_nothing_else() -> None:
    digits = members(CONFIGS / "digits.yaml", 3)
    assert [own.seed for own in digits] == [0, 1, 2]
    assert len({own.run_id for own in digits}) == 3
    mnist = members(CONFIGS / "mnist.yaml", 3)
    plain = load(CONFIGS / "mnist.yaml").model_dump()
    for seed, own in enumerate(mnist):
        content = own.model_dump()
        assert (content["seed"], content["data"]["rotation"]) == (seed, seed)
        content["seed"], content["data"]["rotation"] = plain["seed"], plain["data"]["rotation"]
        assert content == plain


def test_members_differ_in_the_split_where_the_data_are_split() -> None:
    adult = members(CONFIGS / "adult.yaml", 2)
    assert [own.data.split.seed for own in adult] == [0, 1]
    assert adult[0].data.private_files == adult[1].data.private_files, "nothing else of the section is lost"


@pytest.mark.xdist_group("finished")
def test_a_row_holds_mean_deviation_and_students_interval(member: Member) -> None:
    accuracies = [0.81, 0.9, 0.87, 0.7]
    row = row_of([varied(member, seed, value) for seed, value in enumerate(accuracies)], "pate sweep x")
    half = stats.t.interval(
        0.95, 3, loc=statistics.fmean(accuracies), scale=statistics.stdev(accuracies) / 2
    )  # scipy's own interval, from mean and standard error
    released = row.released.value
    assert released.accuracy_mean == pytest.approx(0.82)
    assert released.accuracy_std == pytest.approx(statistics.stdev(accuracies))
    assert (released.accuracy_low, released.accuracy_high) == pytest.approx(half)
    assert released.epsilon_data_independent == member.facts.value["epsilon"]
    assert 0 < row.benchmark.value.epsilon_exact_private <= released.epsilon_data_independent
    assert row_of([member], "x").released.value.accuracy_low is None
    assert released.seeds == [0, 1, 2, 3]


@pytest.mark.xdist_group("finished")
def test_what_holders_and_a_pooled_model_reach_stands_beside_the_student(member: Member) -> None:
    row, figures = row_of([member], "x").benchmark.value, member.metrics.value
    assert (row.single_teacher_accuracy, row.pooled_accuracy) == (
        figures.single_teacher_accuracy,
        figures.pooled_accuracy,
    )
    low_high = figures.single_teacher_balanced_accuracy
    assert low_high.low is not None
    assert low_high.high is not None
    assert low_high.low <= row.single_teacher_balanced <= low_high.high
    assert figures.pooled_auroc is None, "more than two classes"
    assert row.single_teacher_balanced < row.pooled_balanced <= 1


@pytest.mark.xdist_group("finished")
def test_rows_replace_their_forerunners_and_plots_repeat(member: Member, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    row = row_of([member], "x")
    assert [own["seeds"] for own in merge(file, row)] == [[0]]
    row = row_of([member, varied(member, 1, 0.5)], "x")
    assert [own["seeds"] for own in merge(file, row)] == [[0, 1]]
    changed = row.released.map(lambda own: replace(own, config="other", epsilon_data_independent=0.1))
    other = replace(row, released=changed)
    assert [own["config"] for own in merge(file, other)] == ["other", "smoke"]
    rows = json.loads(file.read_text())
    assert "`other`" in table(rows)
    plot(rows, tmp_path / "plot.svg")
    first = (tmp_path / "plot.svg").read_bytes()
    plot(rows, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_bytes() == first


def test_tables_in_the_docs_are_those_of_their_rows_and_of_the_configurations() -> None:
    reference = ROOT / "docs" / "reference"
    rows = json.loads((reference / "results.json").read_text())
    assert f"{SWEEP_START}\n\n{table(rows)}\n\n{SWEEP_END}" in (reference / "results.md").read_text()
    assert f"{OURS_START}\n\n{comparison(rows)}\n\n{OURS_END}" in (reference / "comparison.md").read_text()
    for row in rows:
        config = load(CONFIGS / f"{row['config']}.yaml")
        assert row["teachers"] == config.partition.teachers
        assert row["epsilon_data_independent"] == pytest.approx(config.campaign_epsilon().epsilon, rel=1e-9)


def test_data_that_are_no_public_benchmark_are_refused_before_anything_runs(tmp_path: Path, tables: Any) -> None:
    for folder, name, private, rows in (
        ("CANARY-PATH", "study.csv", True, 80),
        (".", "pool.csv", False, 70),
        (".", "evaluation.csv", False, 50),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        tables.write(tmp_path / folder / name, tables.rows(rows, private, seed=rows))
    (tmp_path / "study").mkdir()
    config = tmp_path / "study" / "own.yaml"
    config.write_text(tables.CONFIG.replace("NAME", "own").replace("FILE", "study.csv"))
    with pytest.raises(InputError, match="public benchmark"):
        next(sweep([load(config)], tmp_path / "home", "x"))
    assert not (tmp_path / "home").exists()


@pytest.mark.xdist_group("finished")
def test_a_foreign_results_file_is_left_alone(tmp_path: Path, member: Member) -> None:
    file = tmp_path / "results.json"
    file.write_text("not a list")
    with pytest.raises(InputError, match="list of results"):
        merge(file, row_of([member], "x"))
    assert file.read_text() == "not a list"


def test_the_readme_needs_a_file_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["sweep", str(CONFIGS / "smoke.yaml"), "--readme", "README.md"]) == 2
    assert "--results" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_sweep_of_real_runs_is_one_parent_at_the_tracker_and_can_be_started_again(shell: Any, tmp_path: Path) -> None:
    file, readme, published = (tmp_path / name for name in ("results.json", "README.md", "comparison.md"))
    readme.write_text(f"before\n{SWEEP_START}\n{SWEEP_END}\nafter\n")
    published.write_text(f"before\n{OURS_START}\n{OURS_END}\nafter\n")
    arguments = ("sweep", str(CONFIGS / "smoke.yaml"), "--seeds", "3", "--parallel", "2", "--results", str(file))
    arguments += ("--readme", str(readme), "--compare", str(published), "--plots", str(tmp_path))
    (first,) = shell.json(*arguments)
    assert readme.read_text() == f"before\n{SWEEP_START}\n\n{table([first])}\n\n{SWEEP_END}\nafter\n"
    assert published.read_text() == f"before\n{OURS_START}\n\n{comparison([first])}\n\n{OURS_END}\nafter\n"
    assert {path.name for path in tmp_path.glob("*.svg")} == {"accuracy_epsilon.svg", "accuracy_labels.svg"}
    assert first["seeds"] == [0, 1, 2]
    folders = list((shell.home / "runs").glob("*/public"))
    began, ended = (
        sorted((folder / name).stat().st_mtime for folder in folders) for name in ("config.json", "summary.json")
    )
    assert began[2] >= ended[0], "never more than two at a time"
    assert json.loads(file.read_text()) == [first]
    accounts = PrivacyLedger(shell.home / "ledger").accounts()
    assert len(accounts) == 3, "one simulated account for each run"
    runs = {path.name: path.stat().st_mtime_ns for path in (shell.home / "runs").glob("*/public/summary.json")}
    (second,) = shell.json(*arguments)
    assert {key: second[key] for key in first if key != "minutes"} == {k: first[k] for k in first if k != "minutes"}
    again = {path.name: path.stat().st_mtime_ns for path in (shell.home / "runs").glob("*/public/summary.json")}
    assert again == runs, "finished runs are taken as they are"
    client = mlflow.MlflowClient(f"sqlite:///{shell.home}/mlflow/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'pate'")
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`pate.sweep` = 'smoke, 3 seeds'")
    assert parent.data.metrics["accuracy_mean"] == pytest.approx(first["accuracy_mean"])
    below = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(below) == 3


def everything_in(folder: Path) -> tuple[set[float], str]:
    """Every number and every text that an MLflow store holds: all tables of its database, and its files."""
    numbers, texts = set(), []
    database = sqlite3.connect(folder / "mlflow.db")
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in database.execute(f'SELECT * FROM "{name}"'):
            numbers |= {float(cell) for cell in row if isinstance(cell, int | float)}
            texts += [cell for cell in row if isinstance(cell, str)]
    database.close()
    texts += [path.read_text(errors="ignore") for path in (folder / "artifacts").rglob("*") if path.is_file()]
    return numbers, "\n".join(texts)


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_what_is_known_only_on_a_benchmark_is_printed_and_kept_and_never_sent_to_mlflow(
    shell: Any, tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    (row,) = shell.json("sweep", str(CONFIGS / "smoke.yaml"), "--seeds", "2", "--results", str(file))
    assert json.loads(file.read_text()) == [row]
    numbers, text = everything_in(shell.home / "mlflow")
    assert row["accuracy_mean"] in numbers
    assert row["epsilon_data_independent"] in numbers
    assert "smoke, 2 seeds" in text
    for name in (
        "epsilon_exact_private", "label_accuracy", "single_teacher_accuracy", "single_teacher_balanced",
        "pooled_accuracy", "pooled_balanced", "pooled_auroc",
    ):  # fmt: skip
        assert name in row
        assert name not in text
        if row[name] is not None and len(repr(row[name])) > 6:  # a short one may be another's by chance
            assert row[name] not in numbers, name
            assert repr(row[name]) not in text, name


@pytest.mark.xdist_group("finished")
def test_the_tracker_of_a_sweep_takes_the_released_part_alone(member: Member, tmp_path: Path) -> None:
    row, configs = row_of([member], "x"), members(CONFIGS / "smoke.yaml", 1)
    for wrong in (row.benchmark, row, asdict(row.released.value)):
        with pytest.raises((PrivacyViolation, AttributeError)):
            track_sweep(tmp_path, configs, wrong)
    with pytest.raises(PrivacyViolation):
        Released.public(row.benchmark)
    folder = track_sweep(tmp_path, configs, row.released)
    assert track_sweep(tmp_path, configs, row.released) == folder
    points = [point for event in read_events(folder / "tracking") for point in event.body.get("points", [])]
    assert {name for name, _, _ in points} >= {"accuracy_mean", "epsilon_data_independent"}
    assert len(points) == len({(name, step) for name, step, _ in points}), "done again, it records nothing twice"
    assert not {name for name, _, _ in points} & set(BenchmarkRow.__slots__)

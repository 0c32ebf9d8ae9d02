"""A sweep's rows are the statistics of its runs, merged as they finish and never doubled."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from pate.errors import InputError
from pate.values import Released
from pipelines import summary
from pipelines.cli.app import run as command_line
from pipelines.config import Config, load
from pipelines.store import find_run
from pipelines.sweep import members, merge, plot, row_of, sweep, table

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def run_of_smoke(finished: Any) -> tuple[Any, summary.Summary]:
    """One real finished run."""
    shell, content = finished
    store = find_run(shell.home, content["run_id"])
    found = summary.load(store)
    assert found is not None
    return store, found


def varied(found: summary.Summary, accuracy: float) -> summary.Summary:
    facts = {**found.released.value, "student_accuracy": accuracy}
    return summary.Summary(released=Released.public(facts), figures=found.figures)


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


@pytest.mark.xdist_group("finished")
def test_a_row_holds_mean_deviation_and_students_interval(run_of_smoke: tuple[Any, summary.Summary]) -> None:
    store, found = run_of_smoke
    accuracies = [0.81, 0.9, 0.87, 0.7]
    row = row_of([(store, varied(found, value)) for value in accuracies], [0, 1, 2, 3], "pate sweep x")
    half = stats.t.interval(
        0.95, 3, loc=statistics.fmean(accuracies), scale=statistics.stdev(accuracies) / 2
    )  # scipy's own interval, from mean and standard error
    assert row.accuracy_mean == pytest.approx(0.82)
    assert row.accuracy_std == pytest.approx(statistics.stdev(accuracies))
    assert (row.accuracy_low, row.accuracy_high) == pytest.approx(half)
    assert row.epsilon_data_independent == found.released.value["epsilon"]
    assert row.epsilon_exact_private is not None
    assert 0 < row.epsilon_exact_private <= row.epsilon_data_independent
    assert row_of([(store, found)], [0], "x").accuracy_low is None


@pytest.mark.xdist_group("finished")
def test_rows_appear_as_runs_finish_and_replace_their_forerunners(
    run_of_smoke: tuple[Any, summary.Summary], tmp_path: Path
) -> None:
    store, found = run_of_smoke
    config = load(CONFIGS / "smoke.yaml")
    configs: list[Config] = [config, config]
    file = tmp_path / "results.json"
    seen = []
    for row in sweep(configs, lambda _: found, store.folder.parents[1], "pate sweep smoke"):
        rows = merge(file, row)
        seen.append((len(rows), rows[0]["seeds"]))
    assert seen == [(1, [0]), (1, [0, 0])]
    other = replace(row, config="other", epsilon_data_independent=0.1)
    assert [own["config"] for own in merge(file, other)] == ["other", "smoke"]
    rows = json.loads(file.read_text())
    assert "`other`" in table(rows)
    plot(rows, tmp_path / "plot.svg")
    first = (tmp_path / "plot.svg").read_bytes()
    plot(rows, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_bytes() == first


@pytest.mark.xdist_group("finished")
def test_data_that_are_no_public_benchmark_have_no_row(run_of_smoke: tuple[Any, summary.Summary]) -> None:
    store, found = run_of_smoke
    private = summary.Summary(released=found.released, figures=None)
    with pytest.raises(InputError, match="public benchmark"):
        next(sweep([load(CONFIGS / "smoke.yaml")], lambda _: private, store.folder.parents[1], "x"))


@pytest.mark.xdist_group("finished")
def test_a_foreign_results_file_is_left_alone(tmp_path: Path, run_of_smoke: tuple[Any, summary.Summary]) -> None:
    store, found = run_of_smoke
    file = tmp_path / "results.json"
    file.write_text("not a list")
    with pytest.raises(InputError, match="list of results"):
        merge(file, row_of([(store, found)], [0], "x"))
    assert file.read_text() == "not a list"


def test_the_readme_needs_a_file_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["sweep", str(CONFIGS / "smoke.yaml"), "--readme", "README.md"]) == 2
    assert "--results" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_sweep_of_real_runs_can_be_started_again(shell: Any, tmp_path: Path) -> None:
    arguments = ("sweep", str(CONFIGS / "smoke.yaml"), "--seeds", "2", "--results", str(tmp_path / "results.json"))
    (first,) = shell.json(*arguments)
    assert first["seeds"] == [0, 1]
    assert json.loads((tmp_path / "results.json").read_text()) == [first]
    again = shell.run(*arguments)
    assert again.returncode == 0
    assert again.stderr.count("finished before") == 2

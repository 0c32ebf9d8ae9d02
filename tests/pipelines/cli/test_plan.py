"""``pate plan`` answers without data, never above the budget, in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from pate.accounting import ComposedEvent, data_independent_epsilon
from pate.accounting.events import from_dict
from pate.accounting.rounding import up

BASE = ("plan", "--teachers", "250", "--classes", "10", "--accountant", "gaussian")


def test_the_middle_row_is_within_the_budget_and_others_trade_it(shell) -> None:
    rows = shell.json(*BASE, "--labels", "100", "--epsilon", "1", "--agreement", "0.6")
    middle = rows[len(rows) // 2]
    assert 0.98 < middle["epsilon"] <= 1
    again = data_independent_epsilon(from_dict(middle["event"]), 1e-5, "gaussian")
    assert again.epsilon == pytest.approx(middle["epsilon"])
    assert [row["epsilon"] for row in rows] == sorted(row["epsilon"] for row in rows)
    assert [row["label_accuracy"] for row in rows] == sorted(row["label_accuracy"] for row in rows)


def test_confident_plans_ask_more_than_they_answer(shell) -> None:
    rows = shell.json(*BASE, "--labels", "100", "--epsilon", "1", "--agreement", "0.95:0.6,0.4:0.4", "--confident")
    event = rows[len(rows) // 2]["event"]
    assert event["event"] == "ConfidentGNMax"
    assert event["max_asked"] > event["max_answered"] == 100


def test_given_noise_it_says_what_that_costs(shell) -> None:
    arguments = (
        "--labels",
        "286",
        "--sigma",
        "40",
        "--threshold",
        "200",
        "--sigma-threshold",
        "150",
        "--max-asked",
        "640",
    )
    (row,) = shell.json(*BASE, *arguments)
    assert row["epsilon"] == pytest.approx(2.7587, abs=1e-4)


def test_given_an_accuracy_it_says_the_least_budget(shell) -> None:
    (row,) = shell.json(*BASE, "--labels", "100", "--accuracy", "0.95", "--agreement", "0.7")
    assert row["label_accuracy"] >= 0.95
    (less,) = shell.json(
        *BASE, "--labels", "100", "--sigma", str(1.05 * row["event"]["of"]["sigma"]), "--agreement", "0.7"
    )
    assert less["label_accuracy"] < row["label_accuracy"]


def test_a_plot_is_written(shell, tmp_path: Path) -> None:
    path = tmp_path / "plan.svg"
    shell.json(*BASE, "--labels", "50", "--epsilon", "1", "--plot", str(path))
    assert path.read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "mention"),
    [
        ([], "--epsilon"),
        (["--epsilon", "1", "--sigma", "3"], "exactly one"),
        (["--epsilon", "-1"], "epsilon"),
        (["--epsilon", "1", "--agreement", "often"], "--agreement"),
        (["--epsilon", "1", "--pool", "50"], "--pool=50"),
        (["--sigma", "40", "--threshold", "200"], "--max-asked"),
        (["--epsilon", "1", "--accountant", "hope"], "accountant"),
        (["--epsilon", "1", "--plot", "plan.pdf"], ".pdf"),
    ],
)
def test_impossible_plans_are_refused(shell, arguments: list[str], mention: str) -> None:
    done = shell.run(*BASE, "--labels", "100", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert mention in done.stderr


def test_a_figure_is_proposed_within_its_price(shell) -> None:
    arguments = ("plan", "--teachers", "40", "--classes", "3", "--accountant", "gaussian", "--labels", "30",
                 "--sigma", "10", "--agreement", "0.9", "--sanitised", "0.3")  # fmt: skip
    (row,) = shell.json(*arguments)
    figure = row["sanitised"]
    assert row["epsilon"] == pytest.approx(figure["without"])
    assert figure["without"] < figure["epsilon"] <= figure["without"] + 0.3
    release = from_dict({"event": "SanitisedRelease", **figure["release"]})
    both = ComposedEvent(events=(from_dict(row["event"]), release))
    assert data_independent_epsilon(both, 1e-5, "gaussian").epsilon == pytest.approx(figure["epsilon"])
    said = shell.run(*arguments).stdout
    assert f"privacy.sanitised: {{order: {figure['release']['order']:g}, beta:" in said
    assert f"epsilon {up(figure['epsilon'])} instead of {up(figure['without'])}" in said

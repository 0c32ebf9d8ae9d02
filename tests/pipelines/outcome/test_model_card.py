from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pate.accounting import EpsilonBound
from pate.student.export import ExportedSpec
from pipelines.config.experiment import load
from pipelines.outcome.model_card import card_text
from pipelines.tracking.cards import MAX_TEXT

CONFIG = load(Path(__file__).parents[3] / "configs" / "smoke.yaml")
SPEC = ExportedSpec(
    input_shape=(1, 8, 8), input_dtype="float32", output_shape=(10,), output_dtype="float32", parameters=650,
    library_version="2", digest="0" * 64,
)  # fmt: skip
MEANING = {
    "failure": 1e-5, "largest_odds_factor": 2.71829, "best_guess": [{"prior": 0.5, "without": 0.5, "with": 0.71601}],
    "attack": {"false_positive": 0.05, "true_positive": 0.29401},
}  # fmt: skip


def card(**changes: Any) -> str:
    facts: dict[str, Any] = {
        "classes": [str(digit) for digit in range(10)],
        "cost": EpsilonBound(epsilon=1.00001, delta=1e-5, kind="data-independent", accountant="gaussian"),
        "meaning": MEANING,
        "counts": {"asked": 40, "answered": 30, "refused": 10},
        "figures": {"student_accuracy": 0.75},
        "evaluation_records": 200,
        "public_data": [{"name": "digits-pool", "records": 200, "fingerprint": "f" * 32}],
        "benchmark": None,
        "secure": True,
    }
    return card_text(changes.pop("config", CONFIG), SPEC, **{**facts, **changes})


def test_a_card_states_guarantee_data_figures_and_limits() -> None:
    text = card()
    for words in (
        "# pate-smoke", "per patient", "`gaussian`", "40 asked, 30 answered, 10 refused", "`digits-pool`, 200 records",
        "student_accuracy | 0.7500", "1 x 8 x 8 of float32", "0, 1, 2, 3", "## Limits",
    ):  # fmt: skip
        assert words in text
    assert "insecure" not in text
    assert "simulation" not in text


def test_a_privacy_loss_is_never_rounded_down() -> None:
    assert "epsilon 1.001 at" in card()
    said = card().replace("\u00a0", " ")
    assert "by a factor of at most 2.8, except with probability 1 in 100,000" in said
    assert "picks the right one in at most 71.7 % of cases, instead of 50 %" in said
    assert "with 5 % false alarms finds them in at most 29.5 % of cases" in said


def test_a_bound_that_is_not_finite_is_said_to_be_none() -> None:
    assert "no finite bound at this delta" in card(meaning={**MEANING, "largest_odds_factor": None})


def test_insecure_noise_and_simulations_are_said() -> None:
    assert "no guarantee" in card(secure=False)
    assert "public set `digits` was used in place" in card(benchmark="digits")


@pytest.mark.parametrize("count", [41, 5000])
def test_a_card_fits_into_a_tag_however_many_classes_there_are(count: int) -> None:
    text = card(classes=[f"a class with a long name, number {i}, of {'x' * 60}" for i in range(count)])
    assert len(text) <= MAX_TEXT
    assert "## Privacy" in text
    assert ", ..." in text


def test_user_defined_teacher_code_is_named_with_the_guarantee_and_the_learner_with_the_model(tmp_path: Path) -> None:
    changes = {
        "teachers": {"model": {"kind": "custom", "builder": "mine:build"}, "training": {"steps": 1}},
        "student": {"learner": "custom", "builder": "mine:learner"},
    }
    smoke = yaml.safe_load((Path(__file__).parents[3] / "configs" / "smoke.yaml").read_text())
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**smoke, **changes}))
    config = load(tmp_path / "c.yaml")
    text = card(config=config)
    privacy, model = text[text.index("## Privacy") : text.index("## Model")], text[text.index("## Model") :]
    assert "user-defined teacher model: mine:build. Independence of teachers is its author" in privacy
    assert "student learner: user-defined (mine:learner)" in model
    assert "mine:build" not in model
    assert "user-defined" not in card()


def test_alarms_stand_before_the_metrics_and_every_class_has_its_accuracy() -> None:
    rows = [{"class": "a", "records": 3, "accuracy": 0.25}, {"class": "b", "records": 0, "accuracy": None}]
    alarms = [f"class {number} is never predicted" for number in range(10)]
    text = card(
        student={"student_by_class": rows, "student_check": {"alarms": alarms}},
        figures={"student_accuracy": 0.75, "student_accuracy_class_0": 0.25},
    )
    assert text.index("ALARM: class 0 is never predicted") < text.index("student_accuracy | 0.7500")
    assert "ALARM: 2 more classes" in text
    assert "| a | 3 | 25.0% |\n| b | 0 |  |" in text
    assert "student_accuracy_class_0" not in text, "it is in the table of classes"
    assert "ALARM" not in card()

"""Rules from columns to labels: text is compared as text, whole numbers with and without a point."""

from __future__ import annotations

import pandas as pd
import pytest

from pate.data.columns import LabelRule, ids, numbers, plain
from pate.errors import InputError


@pytest.mark.parametrize("declared", [("0", "1"), ("0.0", "1.0")])
def test_whole_numbers_are_the_same_with_and_without_a_point(declared: tuple[str, str]) -> None:
    table = pd.DataFrame({"y": ["0", "1.0", "1", "0.0"]}, dtype="str")
    rule = LabelRule(column="y", classes=declared)
    assert rule.labels(table, rule.names_of(table), key="k").tolist() == [0, 1, 1, 0]
    assert [plain(text) for text in (" 3.0 ", "3.50", "03", "-1.00", "1.0.0")] == ["3", "3.50", "03", "-1", "1.0.0"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"above": 1}, [0, 1, 1, -1]),
        ({"positive": ("3",)}, [0, 0, 1, -1]),
        ({"classes": ("3", "2", "0")}, [2, 1, 0, -1]),
    ],
)
def test_label_rules(rule: dict, expected: list[int]) -> None:
    table = pd.DataFrame({"y": ["0", "2", "3", None]}, dtype="str")
    found = LabelRule(column="y", **rule)
    assert found.labels(table, found.names_of(table), key="k").tolist() == expected


@pytest.mark.parametrize("rule", [{}, {"above": 1, "positive": ("1",)}, {"classes": ("a",)}, {"classes": ("a", "a")}])
def test_rules_that_do_not_define_classes_are_refused(rule: dict) -> None:
    with pytest.raises(InputError, match=r"data\.label"):
        LabelRule(column="y", **rule)


def test_a_finding_among_several_is_the_positive_class() -> None:
    labels = ["No Finding", "Effusion|Mass", "Mass; Effusion", "Effusions", " Effusion ", None]
    table = pd.DataFrame({"y": labels}, dtype="str")
    found = LabelRule(column="y", contains="Effusion")
    assert found.labels(table, found.names_of(table), key="k").tolist() == [0, 1, 1, 0, 1, -1]


@pytest.mark.parametrize("rule", [{"positive": ("yes",)}, {"contains": "yes"}])
def test_a_positive_class_that_no_public_label_has_is_refused_with_those_that_they_have(rule: dict) -> None:
    found = LabelRule(column="y", **rule)
    table = pd.DataFrame({"y": ["ja", "nein", "nein", None]}, dtype="str")
    with pytest.raises(InputError, match=r"correct it; public labels are 'nein' \(2\), 'ja' \(1\)"):
        found.require_positive([table, pd.DataFrame({"x": ["yes"]})])
    found.require_positive([table, pd.DataFrame({"y": ["yes"]})])
    found.require_positive([pd.DataFrame({"x": ["yes"]})])  # no public labels, nothing to check


def test_measurements_are_no_public_classes() -> None:
    rule = LabelRule(column="days", classes="public")
    table = pd.DataFrame({"days": [str(number / 4) for number in range(40)]}, dtype="str")
    with pytest.raises(InputError, match=r"'days' is a measurement: declare data\.label\.above: NUMBER"):
        rule.names_of(table)
    few = pd.DataFrame({"days": ["0.5", "1", "2"]}, dtype="str")
    assert rule.names_of(few) == ("0.5", "1", "2")


def test_ids_and_numbers_refuse_what_is_missing_or_is_no_number() -> None:
    table = pd.DataFrame({"u": ["a", None], "x": ["1", "inf"]}, dtype="str")
    with pytest.raises(InputError, match=r"an id in every record in data\.unit='u' of k"):
        ids(table, "u", declared="data.unit", key="k")
    with pytest.raises(InputError, match="1 of 2"):
        numbers(table["x"], name="x", key="k")

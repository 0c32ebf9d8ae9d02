"""Findings of the first page, derived from the content of a report, so that older reports have them too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pate.report.wording import factor, one_in, percent, percent_up, small, up

Content: TypeAlias = Mapping[str, Any]

DECLARATIONS = {
    "controller": "Controller",
    "contact": "Contact",
    "dpia": "Impact assessment (DPIA)",
    "delete_by": "Private records deleted by",
}
"""Names of declarations, as keys of ``declared``, and their titles."""


def on_average(unit: str, meaning: Mapping[str, Any]) -> str:
    """An attacker's success on average over the noise, in words, from the bounds in the content of a report."""
    guess, attack = meaning["best_guess"][0]["with"], meaning["attack"]["true_positive"]
    return (
        f"of two equally likely hypotheses about one {unit}, an attacker who sees every release picks the right one in "
        f"at most {percent_up(guess)} of cases, instead of 50\u00a0%. A test for the records of one {unit} with "
        f"5\u00a0% false alarms finds them in at most {percent_up(attack)} of cases"
    )


def worst_outcome(unit: str, meaning: Mapping[str, Any]) -> str:
    """An attacker's gain in the worst single outcome of the noise, in words."""
    if not meaning["largest_odds_factor"]:
        return f"the odds of a hypothesis about one {unit} have no finite bound at this delta"
    return (
        f"the odds of any hypothesis about one {unit} change by a factor of at most "
        f"{factor(meaning['largest_odds_factor'])}, except with probability {one_in(meaning['failure'])}"
    )


def majority(content: Content) -> tuple[str, float]:
    """The most frequent class of the evaluation set and its fraction: the accuracy of always naming it."""
    rows = content["evaluation"]["classes"]
    largest = max(rows, key=lambda row: row["count"])
    return largest["class"], largest["count"] / max(1, sum(row["count"] for row in rows))


def worst_class(content: Content) -> tuple[str, float] | None:
    """The class with the lowest accuracy and that accuracy; ``None`` if no class occurs."""
    rows = [row for row in content["evaluation"]["classes"] if row["right"] is not None]
    found = min(rows, key=lambda row: row["right"], default=None)
    return None if found is None else (found["class"], found["right"])


def alarms(content: Content) -> list[str]:
    """Sentences that a reader must not overlook, about the student and the organisation's limits."""
    found = [
        f"{row['name']} is {row['value_text']}, above the organisation's own limit of {row['limit_text']}."
        for row in own_limit_rows(content)
        if not row["kept"]
    ]
    found += [_sentence(str(text)) for text in content.get("alarms", ())]
    evaluation = content["evaluation"]
    found += [
        f"The student recognised none of the {row['count']} evaluation records of class “{row['class']}”."
        for row in evaluation["classes"]
        if row["right"] == 0 and row["count"]
    ]
    name, share = majority(content)
    if evaluation["accuracy"] <= share and sum(row["count"] > 0 for row in evaluation["classes"]) > 1:
        found.append(
            f"By accuracy the student is no better than always naming “{name}”: {percent(evaluation['accuracy'])}, "
            f"share of that class {percent(share)}."
        )
    units = content.get("declared", {}).get("declared_units")
    if units is not None and content["total"]["delta"] * units >= 1:
        found.append(
            f"Delta, {small(content['total']['delta'])}, is not below one over the {units:,} units that are declared."
        )
    return list(dict.fromkeys(found))


def own_limits(content: Content) -> list[dict[str, Any]]:
    """The organisation's own limits, the values that they limit, and ``kept`` where the value is within the limit."""
    declared, total = content.get("declared", {}), content["total"]
    return [
        {"name": name, "limit": declared[f"largest_{name}"], "value": total[name],
         "kept": total[name] <= declared[f"largest_{name}"]}
        for name in ("epsilon", "delta")
        if declared.get(f"largest_{name}") is not None
    ]  # fmt: skip


def own_limit_rows(content: Content) -> list[dict[str, Any]]:
    """``own_limits`` with their texts."""
    rows = []
    for row in content.get("own_limits", ()):
        epsilon = row["name"] == "epsilon"
        rows.append(
            {
                "name": "Epsilon" if epsilon else "Delta",
                "limit_text": f"{row['limit']:g}" if epsilon else small(row["limit"]),
                "value_text": up(row["value"]) if epsilon else small(row["value"]),
                "kept": row["kept"],
            }
        )
    return rows


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def why_delta(content: Content) -> list[tuple[str, str, str]]:
    """Rows of a public number, that number, and delta times it."""
    delta, teachers = content["total"]["delta"], content["teachers_enrolled"]
    rows = [("Teachers enrolled", f"{teachers:,}", small(delta * teachers))]
    units = content.get("declared", {}).get("declared_units")
    if units is not None:
        rows.append((f"Declared number of units ({content['unit']})", f"{units:,}", small(delta * units)))
    return rows

"""Answers to the questions of NIST SP 800-226, one line each, from the content of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pate.report.first_page import worst_class
from pate.report.wording import one_in, percent, percent_up, small, up

NIST = "NIST SP 800-226, Guidelines for Evaluating Differential Privacy Guarantees (March 2025)"
NIST_NOTE = (
    "Topics are in the order of the publication (doi.org/10.6028/NIST.SP.800-226); sections are not numbered here."
)


def answers(content: Mapping[str, Any]) -> list[dict[str, str]]:
    """Rows of ``section`` (the topic), ``question``, ``answer`` and ``answered_in`` (a section of the page)."""
    rows = [
        *_on_the_guarantee(content), *_on_releases(content), *_on_the_student(content), *_on_the_deployment(content),
    ]  # fmt: skip
    return [dict(zip(("section", "question", "answer", "answered_in"), row, strict=True)) for row in rows]


def _on_the_guarantee(content: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    unit, total = content["unit"], content["total"]
    guess = content["meaning"]["best_guess"][0]["with"]
    return [
        (
            "The promise of differential privacy",
            "What can an attacker learn about one person?",
            f"Of two equally likely hypotheses about one {unit}, the right one in at most {percent_up(guess)} of cases "
            "instead of 50 %.",
            "meaning",
        ),
        (
            "The privacy parameter epsilon",
            "How large is epsilon?",
            f"{up(total['epsilon'])} for everything charged to these data, {up(content['campaign']['epsilon'])} for "
            f"this campaign; the budget is {content['budget']:g}.",
            "guarantee",
        ),
        (
            "Variants of differential privacy",
            "Which variant, and how large is delta?",
            f"(ε, δ)-differential privacy, δ = {small(total['delta'])} ({one_in(total['delta'])}).",
            "guarantee",
        ),
        (
            "The unit of privacy",
            "Who is protected, and which data sets are neighbours?",
            f"Each {unit}, with all records together; teachers that may have seen one {unit}'s records: "
            f"{content['moved_votes']}.",
            "whom",
        ),
        (
            "Comparing guarantees",
            "What is needed to compare this with others?",
            f"Unit, delta, accountant ({total['accountant']}) and the whole curve are given. Epsilon alone is not "
            "enough.",
            "guarantee",
        ),
    ]


def _on_releases(content: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    campaigns = sum(row["campaigns"] for row in content["charges"])
    return [
        (
            "Mixing with other releases",
            "What else was released from the data?",
            f"Campaigns charged to this account: {campaigns}, this one included. Releases without this ledger are not "
            "covered.",
            "spend",
        ),
        (
            "Mechanisms",
            "Which mechanism, sensitivity and noise?",
            f"{content['mechanism']['kind']}: a vote of {content['teachers_enrolled'] - content['teachers_lost']} "
            f"teachers with noise on every count; one {content['unit']} moves {content['moved_votes']} "
            f"{'vote' if content['moved_votes'] == 1 else 'votes'} on a question.",
            "mechanism",
        ),
    ]


def _on_the_student(content: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    evaluation, worst = content["evaluation"], worst_class(content)
    lowest = "" if worst is None else f"; lowest by class: {percent(worst[1])} ({worst[0]})"
    return [
        (
            "Utility and accuracy",
            "How accurate is the result?",
            f"{percent(evaluation['accuracy'])} of {evaluation['count']} public evaluation records{lowest}.",
            "student",
        ),
        (
            "Bias",
            "What is known about unequal accuracy?",
            "Accuracy by class is stated. By groups of people it was not measured.",
            "student",
        ),
        (
            "Machine learning",
            "Which parts of training used private data, and on what was tuning done?",
            "Only the teachers did, and they are not published. Student and settings used labels and public data.",
            "student",
        ),
    ]


def _on_the_deployment(content: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    days = content["retention_days"]
    noise = "operating system's entropy" if content["secure_noise"] else "a seed: no guarantee"
    return [
        (
            "Query models",
            "Who asks, how often, and when is it over?",
            f"A public list fixed before the first vote: {content['asked']} asked, {content['answered']} answered, "
            f"{content['refused']} refused.",
            "mechanism",
        ),
        (
            "Threat models",
            "Who is trusted with what?",
            "The operator with records and votes (central model); everybody else with nothing.",
            "trust",
        ),
        (
            "Implementation",
            "Noise source, side channels, tests of the program?",
            f"Noise from {noise}; running times are not hidden; audits of the program have a section of their own.",
            "trust",
        ),
        (
            "Data security and access control",
            "Who could reach the records?",
            "The operator's own security decides. Votes, weights and manifests are kept "
            + (f"for {days} days." if days else "without a declared limit."),
            "trust",
        ),
        (
            "Exposure in data collection",
            "What does the guarantee not protect?",
            "Records while they are collected, stored and used; facts about the population; public inputs.",
            "limits",
        ),
    ]

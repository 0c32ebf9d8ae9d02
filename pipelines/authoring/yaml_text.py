"""Blocks of a first configuration as lines of YAML, and texts and lists quoted for YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable

RETENTION = "  retention_days: 90  # then `pate purge` deletes votes, weights and incidents"
SPLIT_BY_UNIT = "  split: {by: unit, seed: 0}  # nobody is in the pool and in the evaluation set"


def teachers(*, balanced: bool = False) -> list[str]:
    """Return the section ``teachers``; ``balanced``: with equal weights of all classes."""
    more, about = (", balanced: true", "classes have equal weights: one is rare") if balanced else ("", "")
    return [
        "teachers:",
        "  model: {kind: logistic}",
        commented(f"  training: {{steps: 100, learning_rate: 0.05, weight_decay: 0.1{more}}}", about),
    ]


def labelling(*, asked: int, sigma: float, about_asked: str = "", about_sigma: str = "") -> list[str]:
    """Return the section ``labelling``.

    Args:
        asked: most queries.
        sigma: noise of the mechanism.
        about_asked: comment on ``asked``.
        about_sigma: comment on ``sigma``.
    """
    return [
        "labelling:",
        commented(f"  max_asked: {asked}", about_asked),
        commented(f"  mechanism: {{kind: gnmax, sigma: {sigma}}}", about_sigma),
    ]


def student(about_learner: str = "", *, balanced: bool = False) -> list[str]:
    """Return the section ``student``, with a comment on its learner."""
    more = ", balanced: true" if balanced else ""
    return [
        "student:",
        commented("  learner: pseudo-label", about_learner),
        "  spec:",
        "    model: {kind: logistic}",
        f"    train: {{steps: 300, learning_rate: 0.02, weight_decay: 0.1{more}}}",
    ]


def commented(line: str, comment: str) -> str:
    """Return a line with a comment after it, if there is one."""
    return f"{line}  # {comment}" if comment else line


def quoted(value: str) -> str:
    """Return a text in double quotes."""
    return json.dumps(value, ensure_ascii=False)


def listed(values: Iterable[str]) -> str:
    """Return texts as a list on one line."""
    return json.dumps(list(values), ensure_ascii=False)

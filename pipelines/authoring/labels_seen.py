"""Public labels: rules that no label follows, measurements, lists of findings, and rare classes."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from pate.data.columns import MOST_NUMBERS, LabelRule, canonical, findings, numbers, plain
from pate.errors import expected

MOST_CLASSES = 50
"""Most different texts that are taken for classes without being listed."""
RARE = 0.05
"""Fraction of records below which accuracy says little about a class."""
UNEQUAL = 0.5
"""Fraction of an equal share below which classes get equal weights."""
LISTED = 8


def look_at_labels(rule: LabelRule, values: pd.Series[str]) -> tuple[str, ...]:
    """Lines about public labels.

    Args:
        rule: from labels to classes.
        values: public labels as text, missing ones as NaN.

    Raises:
        InputError: the rule gives no second class, or public labels are no classes.
    """
    known = canonical(values).dropna()
    if len(known) == 0:
        raise expected("public labels", f"fill in column {rule.column!r}, or name labelled files by --evaluation")
    counts = Counter(known)
    if rule.classes == "public":
        _require_classes(rule.column, counts)
    rule.require_positive([pd.DataFrame({rule.column: values})])
    shares = _shares(rule, known, counts)
    absent = [name for name in _names(rule, counts) if not shares.get(name)]
    if absent:
        raise expected(
            "public labels of every class",
            f"correct --{_option(rule)}; public labels are {listed(counts)}",
            without_labels=absent,
        )
    return _rare(shares)


def are_unequal(rule: LabelRule, values: pd.Series[str]) -> bool:
    """Return ``True`` if a class has less than half of an equal share of public labels.

    Args:
        rule: from labels to classes, which ``look_at_labels`` has accepted.
        values: public labels as text, missing ones as NaN.
    """
    known = canonical(values).dropna()
    shares = _shares(rule, known, Counter(known))
    return min(shares.values()) < UNEQUAL / len(shares)


def listed(counts: Counter[str]) -> str:
    """Return the most frequent values with their counts, in words."""
    shown = ", ".join(f"{value!r} ({count})" for value, count in counts.most_common(LISTED))
    return shown if len(counts) <= LISTED else f"{shown} and {len(counts) - LISTED} more"


def _require_classes(name: str, counts: Counter[str]) -> None:
    """Refuse numbers, lists of findings and free text as classes."""
    if len(counts) < 2:
        raise expected("two or more classes in the public labels", "list --classes", labels=listed(counts))
    parsed = pd.to_numeric(pd.Series(list(counts), dtype="str"), errors="coerce")
    if len(counts) > MOST_NUMBERS and bool(parsed.notna().all()):
        middle = float(pd.to_numeric(pd.Series(list(counts.elements()), dtype="str")).median())
        raise expected(
            "classes in the public labels",
            f"{name!r} is a measurement: --above NUMBER makes two classes of it (the median is {middle:g})",
            different_numbers=len(counts),
        )
    parts = {value: findings(value) for value in counts}
    single = Counter(part for value, count in counts.items() for part in parts[value] for _ in range(count))
    lists = [value for value, found in parts.items() if len(found) > 1 and all(part in single for part in found)]
    shared = [value for value in lists if any(single[part] > counts[value] for part in parts[value])]
    if "|" in "".join(lists) or len(shared) > 1:
        raise expected(
            "one class in each public label",
            f"--contains FINDING asks for one at a time; there are {listed(single)}; several at once are not offered",
            labels_that_list_findings=len(lists),
            for_example=lists[0],
        )
    if len(counts) > MOST_CLASSES:
        raise expected(
            f"at most {MOST_CLASSES} classes in the public labels",
            "name the column of the label, list --classes, or make two classes by --positive",
            different=len(counts),
        )


def _shares(rule: LabelRule, known: pd.Series[str], counts: Counter[str]) -> dict[str, float]:
    """Class -> its fraction of the public labels."""
    if isinstance(rule.classes, tuple):
        unknown = Counter({value: count for value, count in counts.items() if value not in map(plain, rule.classes)})
        if unknown:
            raise expected("--classes to list every public label", "add them", unlisted=listed(unknown))
    if rule.above is not None:
        numbers(known, name=rule.column, key="the public labels")
    names = _names(rule, counts)
    labels = rule.labels(pd.DataFrame({rule.column: known}), names, key="the public labels")
    found = Counter(names[label] for label in labels.tolist())
    return {name: found[name] / len(labels) for name in names}


def _names(rule: LabelRule, counts: Counter[str]) -> tuple[str, ...]:
    if rule.classes == "public":
        return tuple(sorted(counts))
    return rule.classes or rule.names


def _option(rule: LabelRule) -> str:
    return next(name for name in ("positive", "contains", "above", "classes") if getattr(rule, name) is not None)


def _rare(shares: dict[str, float]) -> tuple[str, ...]:
    rare = [(name, share) for name, share in shares.items() if share < RARE / max(1, len(shares) - 1)]
    if not rare:
        return ()
    name, share = min(rare, key=lambda row: row[1])
    most, largest = max(shares.items(), key=lambda row: row[1])
    return (
        f"class {name!r} is {share:.2%} of the public labels: a student that always answers {most!r} is right in "
        f"{largest:.2%}, so accuracy says little; read balanced accuracy and AUROC",
    )

"""A first configuration for tables of one's own, from a look at their columns.

What is looked at: names of columns, whether they hold numbers, and how many different values they hold, in coarse
steps. No value is printed or copied; names of classes come from the user or from public files. Where public files are
given, types and steps are taken from them and the private files give names of columns and sizes only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from pate.data.columns import canonical, column
from pate.data.table_file import FileFormat, read_table
from pate.errors import expected
from pate.public_sets import recognise_files
from pipelines.first_campaign import BUDGET, first_campaign

STEPS = (1, 10, 50)
"""Different values are counted up to 1, 10, 50 and more."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user says on the command line.

    Attributes:
        name: of the study.
        private: files of private records.
        public: public files for pool and, without ``evaluation``, evaluation set.
        evaluation: labelled public files.
        label: column of the label.
        positive: values of the second of two classes.
        above: numbers above this are the second of two classes.
        classes: all values of the label.
        names: names of two classes.
        unit: column of the privacy unit's id.
        site: column of the site.
        columns: names of the columns of files without a header.
        missing: texts that mean a missing value.
        separator: between the values of a line.
    """

    name: str
    private: tuple[Path, ...]
    public: tuple[Path, ...] = ()
    evaluation: tuple[Path, ...] = ()
    label: str
    positive: tuple[str, ...] = ()
    above: float | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, str] = ("negative", "positive")
    unit: str | None = None
    site: str | None = None
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    separator: str = ","

    @property
    def format(self) -> FileFormat:
        """How the files are written."""
        return FileFormat(
            header=not self.columns,
            columns=self.columns or None,
            separator=self.separator,
            missing=self.missing,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at one column shows.

    Attributes:
        name: of the column.
        number: whether every value that is not missing is a number.
        most: the step that the number of different values does not exceed; ``None`` above the last.
    """

    name: str
    number: bool
    most: int | None

    @property
    def role(self) -> str:
        """``numeric``, ``categorical`` or ``left out`` (constant, or text with too many values)."""
        if self.most == 1:
            return "left out"
        if self.most == STEPS[1]:
            return "categorical"
        if self.number:
            return "numeric"
        return "categorical" if self.most is not None else "left out"

    def words(self) -> str:
        """For people."""
        count = f"at most {self.most}" if self.most is not None else f"more than {STEPS[-1]}"
        return f"{'numbers' if self.number else 'text'}, {count} different"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that the configuration is written from.

    Attributes:
        wish: what the user said.
        looks: the columns, without label, unit and site.
        seen_in: ``public`` or ``private``: where types and steps were taken from.
        benchmark: name of the public set that the private files are, or ``None``.
        sites: how many sites there are, 0 where none is known.
        teachers: how many teachers.
        sigma: noise, votes.
        delta: failure probability.
        asked: queries within the budget.
        pool: public inputs.
        evaluation: evaluation records.
    """

    wish: Wish
    looks: tuple[Look, ...]
    seen_in: str
    benchmark: str | None
    sites: int
    teachers: int
    sigma: int
    delta: float
    asked: int
    pool: int
    evaluation: int


def plan(wish: Wish) -> Plan:
    """Look at the columns and choose sizes.

    Raises:
        InputError: unreadable files, a missing column, or no rule for the label.
    """
    private = [read_table(path, wish.format, key=f"--from [{n}]") for n, path in enumerate(wish.private)]
    public = [read_table(path, wish.format, key=f"--public [{n}]") for n, path in enumerate(wish.public)]
    held = [read_table(path, wish.format, key=f"--evaluation [{n}]") for n, path in enumerate(wish.evaluation)]
    table = pd.concat(private, ignore_index=True)
    _check(wish, table)
    source = recognise_files(wish.private)
    seen = pd.concat(public or private, ignore_index=True)
    special = {wish.label, wish.unit, wish.site}
    looks = tuple(look(seen[name]) for name in table.columns if name not in special and name in seen.columns)
    groups = table[wish.unit].nunique() if wish.unit else len(table)
    sites = table[wish.site].nunique() if wish.site else (len(private) if len(private) > 1 else 0)
    drawn = source is not None and not public
    pool, evaluation = _sizes([len(part) for part in public], [len(part) for part in held], len(table), drawn=drawn)
    left = groups - (pool + evaluation if drawn else 0)
    first = first_campaign(units=int(groups), left=int(left), sites=int(sites), pool=pool)
    return Plan(
        wish=wish,
        looks=looks,
        seen_in="public" if public else "private",
        benchmark=None if source is None else source.name,
        sites=int(sites),
        teachers=first.teachers,
        sigma=first.sigma,
        delta=first.delta,
        asked=first.asked,
        pool=pool,
        evaluation=evaluation,
    )


def look(values: pd.Series[str]) -> Look:
    """Type and number of different values, in coarse steps."""
    known = canonical(values).dropna()
    different = known.nunique()
    number = len(known) > 0 and bool(pd.to_numeric(known, errors="coerce").notna().all())
    most = next((step for step in STEPS if different <= step), None)
    return Look(name=str(values.name), number=number, most=most)


def _check(wish: Wish, table: pd.DataFrame) -> None:
    for option, name in (("--label", wish.label), ("--unit", wish.unit), ("--site", wish.site)):
        if name is not None:
            column(table, name, declared=option, key="--from")
    rules = [bool(wish.positive), wish.above is not None, bool(wish.classes)]
    if sum(rules) > 1:
        raise expected(
            "one of --positive, --above and --classes", "say once how values become classes", given=sum(rules)
        )
    if not any(rules) and not (wish.public or wish.evaluation):
        raise expected(
            "--positive, --above or --classes, or labelled public files",
            "say which values are which class: names of classes are never taken from private files",
        )


def _sizes(public: list[int], held: list[int], records: int, *, drawn: bool) -> tuple[int, int]:
    """Inputs of the pool and evaluation records."""
    if drawn:
        return max(10, records // 50 * 10), max(10, records // 100 * 10)
    if not public:
        return 200, 100
    if held:
        return sum(public), sum(held)
    evaluation = max(1, min(1000, sum(public) // 3))
    return sum(public) - evaluation, evaluation


def to_yaml(found: Plan) -> str:
    """The commented configuration."""
    wish = found.wish
    return "\n".join(
        [
            f"# pate run {wish.name}/{wish.name}.yaml",
            "# Written by `pate new` from names and types of columns. What stands here becomes public with the",
            "# student, except the paths of files.",
            f"name: {wish.name}",
            f"description: {_text(f'Private labelling for {wish.name}.')}",
            "data:",
            "  source: table",
            f"  data_id: {wish.name}  # the body of private data; its budget is kept under this name for ever",
            f"  task: {_text(wish.label)}  # what is being labelled",
            *_files(found),
            *_format(wish),
            *_label(wish),
            *_ids(wish),
            *_features(found),
            "partition:",
            f"  teachers: {found.teachers}  # more teachers bear more noise, and each sees fewer records",
            f"  by: {_by(found)}  # random, unit (ids declared) or site (no teacher sees two sites)",
            "privacy:",
            f"  epsilon: {BUDGET:g}  # most that may ever be spent on these data; fixed with the first run",
            f"  delta: {found.delta:.0e}  # far below one over the number of {'units' if wish.unit else 'records'}",
            f"  unit: {'patient' if wish.unit else 'record'}  # whom the guarantee protects, in a word",
            "teachers:",
            "  model: {kind: logistic}",
            "  training: {steps: 100, learning_rate: 0.05, weight_decay: 0.1}",
            "labelling:",
            f"  max_asked: {found.asked}  # each answer costs; `pate validate` prints the sum",
            f"  mechanism: {{kind: gnmax, sigma: {found.sigma}}}  # noise on each count, in votes",
            "student:",
            "  learner: pseudo-label  # learns from the released labels and its own guesses on the rest of the pool",
            "  spec:",
            "    model: {kind: logistic}",
            "    train: {steps: 300, learning_rate: 0.02, weight_decay: 0.1}",
            "",
        ]
    )


def _files(found: Plan) -> list[str]:
    wish = found.wish
    several = len(wish.private) > 1 and wish.site is None
    lines = ["  private_files:  # what teachers learn from; never leaves"]
    for number, path in enumerate(wish.private, start=1):
        site = f", site: site_{number}" if several else ""
        lines.append(f"    - {{path: {_text(str(path.absolute()))}{site}}}")
    if found.benchmark is not None and not wish.public:
        lines += [
            f"  # These files are the public set {found.benchmark}: this is a simulation, in which records drawn at",
            "  # random play the pool and the evaluation set. With data of your own, name public files: pool_files.",
            f"  split: {{by: {'unit' if wish.unit else 'record'}, seed: 0}}",
        ]
    else:
        paths = [str(path.absolute()) for path in wish.public] or ["public.csv"]
        lines.append(f"  pool_files: {json.dumps(paths)}  # public records with the same columns")
        if wish.evaluation:
            held = json.dumps([str(path.absolute()) for path in wish.evaluation])
            lines.append(f"  evaluation_files: {held}  # public records with labels")
        else:
            lines.append("  # evaluation_files: [...]  # public records with labels; without, drawn from pool_files")
    lines.append(f"  pool: {found.pool}  # public inputs that may be asked about")
    lines.append(f"  evaluation: {found.evaluation}  # labelled public records, used once, at the end")
    return lines


def _format(wish: Wish) -> list[str]:
    parts = []
    if wish.columns:
        parts += ["    header: false", f"    columns: {_list(wish.columns)}"]
    if wish.separator != ",":
        parts.append(f"    separator: {_text(wish.separator)}")
    if wish.missing:
        parts.append(f"    missing: {_list(wish.missing)}  # texts that mean a missing value, besides an empty one")
    return ["  format:", *parts] if parts else []


def _label(wish: Wish) -> list[str]:
    lines = ["  label:", f"    column: {_text(wish.label)}"]
    if wish.positive:
        lines.append(f"    positive: {_list(wish.positive)}  # these values are the second class, all others the first")
    elif wish.above is not None:
        lines.append(f"    above: {wish.above:g}  # numbers above this are the second class")
    elif wish.classes:
        lines.append(f"    classes: {_list(wish.classes)}")
    else:
        lines.append("    classes: public  # those that occur in the public labels")
    if wish.positive or wish.above is not None:
        lines.append(f"    names: {_list(wish.names)}")
    lines.append("    missing: refuse  # or drop: leave out records without a label")
    return lines


def _ids(wish: Wish) -> list[str]:
    unit = (
        f"  unit: {_text(wish.unit)}  # all records of one of these are protected together"
        if wish.unit
        else "  # unit: patient_id  # declare it where a patient has several records"
    )
    return [unit, f"  site: {_text(wish.site)}"] if wish.site else [unit]


def _features(found: Plan) -> list[str]:
    lines = [
        f"  # Features, by a look at the {found.seen_in} files. Statistics come from the public pool alone, never from",
        "  # private records. Move columns between the lists where the look was wrong.",
        "  features:",
    ]
    numeric, categorical, out = (
        [one for one in found.looks if one.role == role] for role in ("numeric", "categorical", "left out")
    )
    if numeric:
        lines += [
            "    numeric:",
            f"      - columns: {_list(one.name for one in numeric)}",
            "        missing: {strategy: public_median, indicator: true}  # or {strategy: constant, value: 0}",
            "        clip: 4  # standard deviations of the pool",
        ]
    if categorical:
        lines += [
            "    categorical:",
            f"      - columns: {_list(one.name for one in categorical)}",
            "        unknown: ignore  # a category that the pool lacks: no feature is set; or refuse",
            "        missing: category  # missing is a category of its own; or ignore, or refuse",
        ]
    lines += [f"    # left out: {_text(one.name)} ({one.words()})" for one in out]
    return lines


def _by(found: Plan) -> str:
    return "site" if found.sites else ("unit" if found.wish.unit else "random")


def _list(values: object) -> str:
    return json.dumps(list(values), ensure_ascii=False)  # type: ignore[call-overload]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)

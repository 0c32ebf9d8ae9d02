"""A first configuration for the user's own tables, from names of columns, public files and the command line.

The private files give names of columns and numbers of records, units and sites. Whether a column holds numbers
or categories comes from public files or the user: one private cell could decide it, and the file is published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from pate.data.columns import canonical, column
from pate.data.files.file_format import FileFormat
from pate.data.files.table_file import read_table
from pate.errors import expected
from pate.public_sets import recognise_files
from pipelines.authoring.first_campaign import first_campaign

STEPS = (1, 10, 50)
"""Different values are counted up to 1, 10, 50 and more."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The command line of the user.

    Attributes:
        name: of the study.
        private: files of private records.
        public: public files for pool and, without ``evaluation``, evaluation set.
        evaluation: labelled public files.
        label: column of the label.
        positive: values of the positive class.
        above: numbers above this are the positive class.
        classes: all values of the label.
        names: names of two classes.
        unit: column of the privacy unit's id.
        site: column of the site.
        numeric: columns of numbers, instead of an inspection.
        categorical: columns of categories, likewise.
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
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    separator: str = ","

    @property
    def format(self) -> FileFormat:
        """The format of the files."""
        return FileFormat(
            header=not self.columns,
            columns=self.columns or None,
            separator=self.separator,
            missing=self.missing,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A column as seen in public files, or as declared by the user.

    Attributes:
        name: of the column.
        number: ``True`` if every value that is not missing is a number.
        most: the step that the number of different values does not exceed; ``None`` above the last.
        said: the role declared by the user; ``None``: by inspection.
    """

    name: str
    number: bool
    most: int | None
    said: str | None = None

    @property
    def role(self) -> str:
        """``numeric``, ``categorical`` or ``left out`` (constant, or text with too many values)."""
        if self.said is not None:
            return self.said
        if self.most == 1:
            return "left out"
        if self.most == STEPS[1]:
            return "categorical"
        if self.number:
            return "numeric"
        return "categorical" if self.most is not None else "left out"

    def words(self) -> str:
        """Return a short description."""
        if self.said is not None:
            return "not named" if self.said == "left out" else f"named as {self.said}"
        count = f"at most {self.most}" if self.most is not None else f"more than {STEPS[-1]}"
        return f"{'numbers' if self.number else 'text'}, {count} different"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Content of the configuration to write.

    Attributes:
        wish: the command line.
        looks: the columns, without label, unit and site.
        benchmark: name of the public set that the private files are, or ``None``.
        sites: number of sites, 0 where none is known.
        teachers: number of teachers.
        sigma: noise, votes.
        delta: failure probability.
        asked: queries within the budget.
        pool: public inputs.
        evaluation: evaluation records.
    """

    wish: Wish
    looks: tuple[Look, ...]
    benchmark: str | None
    sites: int
    teachers: int
    sigma: int
    delta: float
    asked: int
    pool: int
    evaluation: int


def plan(wish: Wish) -> Plan:
    """Inspect the columns and choose sizes.

    Raises:
        InputError: unreadable files, a missing column, or no rule for the label.
    """
    private = [read_table(path, wish.format, key=f"--from [{n}]") for n, path in enumerate(wish.private)]
    public = [read_table(path, wish.format, key=f"--public [{n}]") for n, path in enumerate(wish.public)]
    held = [read_table(path, wish.format, key=f"--evaluation [{n}]") for n, path in enumerate(wish.evaluation)]
    table = pd.concat(private, ignore_index=True)
    _check(wish, table)
    source = recognise_files(wish.private)
    looks = _looks(wish, table, public or held or (private if source is not None else []))
    groups = table[wish.unit].nunique() if wish.unit else len(table)
    if wish.site is None:
        sites = len(private) if len(private) > 1 else 0
    else:  # hospitals that only a private column names are not counted: they would become public
        sites = table[wish.site].nunique() if source is not None else 0
    drawn = source is not None and not public
    pool, evaluation = _sizes([len(part) for part in public], [len(part) for part in held], len(table), drawn=drawn)
    left = groups - (pool + evaluation if drawn else 0)
    first = first_campaign(units=int(groups), left=int(left), sites=int(sites), pool=pool)
    return Plan(
        wish=wish,
        looks=looks,
        benchmark=None if source is None else source.name,
        sites=int(sites),
        teachers=first.teachers,
        sigma=first.sigma,
        delta=first.delta,
        asked=first.asked,
        pool=pool,
        evaluation=evaluation,
    )


def _looks(wish: Wish, table: pd.DataFrame, public: list[pd.DataFrame]) -> tuple[Look, ...]:
    """Return the columns and their roles, as declared by the user or seen in public files.

    Raises:
        InputError: neither is there, or a named column is not.
    """
    names = [str(name) for name in table.columns if name not in {wish.label, wish.unit, wish.site}]
    said = {name: role for role in ("numeric", "categorical") for name in getattr(wish, role)}
    for role in ("numeric", "categorical"):
        for name in getattr(wish, role):
            if name not in names or said[name] != role:
                raise expected(
                    f"--{role} to name columns that are neither label, unit nor site, each once",
                    "correct the name",
                    **{role: name},
                )
    if said:
        return tuple(Look(name=name, number=False, most=None, said=role) for name, role in said.items())
    if not public:
        raise expected(
            "public files, or the names of columns by --numeric and --categorical",
            "declare the columns: one private value could decide their kind, and the configuration is published",
        )
    seen = pd.concat(public, ignore_index=True)
    return tuple(look(seen[name]) for name in names if name in seen.columns)


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
            "one of --positive, --above and --classes", "choose one rule that maps values to classes", given=sum(rules)
        )
    if not any(rules) and not (wish.public or wish.evaluation):
        raise expected(
            "--positive, --above or --classes, or labelled public files",
            "declare the class of each value: names of classes are never taken from private files",
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

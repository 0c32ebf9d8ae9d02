"""The command line of `pate new`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from pate.data.columns import LabelRule
from pipelines.authoring.recognised_format import Asked


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """The command line of the user.

    Attributes:
        name: of the study.
        private: files of private records.
        public: public files for pool and, without ``evaluation``, evaluation set.
        evaluation: labelled public files.
        label: column of the label.
        positive: values of the positive class.
        contains: a finding; labels that list it are the positive class.
        above: numbers above this are the positive class.
        classes: all values of the label.
        names: names of two classes.
        unit: column of the privacy unit's id.
        site: column of the site.
        numeric: columns of numbers, instead of an inspection.
        categorical: columns of categories, likewise.
        asked: the parts of the files' format that are named.
    """

    name: str
    private: tuple[Path, ...]
    public: tuple[Path, ...] = ()
    evaluation: tuple[Path, ...] = ()
    label: str
    positive: tuple[str, ...] = ()
    contains: str | None = None
    above: float | None = None
    classes: tuple[str, ...] = ()
    names: tuple[str, str] = ("negative", "positive")
    unit: str | None = None
    site: str | None = None
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    asked: Asked

    @property
    def rule(self) -> LabelRule:
        """The rule from labels to classes; without one, the classes are those of the public labels."""
        positive, classes = self.positive or None, self.classes or None
        public = positive is None and self.contains is None and self.above is None and classes is None
        return LabelRule(
            column=self.label,
            positive=positive,
            contains=self.contains,
            above=self.above,
            classes="public" if public else classes,
            names=self.names,
        )

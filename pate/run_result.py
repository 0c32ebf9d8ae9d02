"""The result of a run from Python: released values and public files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from pate.arrays import IntArray

if TYPE_CHECKING:
    from torch import nn


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Released results of a finished run.

    Attributes:
        run_id: name of the run, as commands take it.
        epsilon: data-independent cost of everything that the run released, nats.
        delta: of that epsilon.
        accountant: that computed it.
        unit: privacy unit that the guarantee protects.
        secure_noise: noise came from operating-system entropy; if not, there is no guarantee.
        accuracy: of the student on the public evaluation set.
        metrics: all its metrics there, by name.
        inputs_Q: positions of the queries in the public pool. Shape ``[Q]``.
        labels_Q: for each of them a class index, -1 (refused) or -2 (not asked). Shape ``[Q]``.
        folder: public folder of the run.
    """

    run_id: str
    epsilon: float
    delta: float
    accountant: str
    unit: str
    secure_noise: bool
    accuracy: float
    metrics: Mapping[str, float] = field(repr=False)
    inputs_Q: IntArray = field(repr=False)
    labels_Q: IntArray = field(repr=False)
    folder: Path

    @property
    def report_path(self) -> Path:
        """The privacy report as a page for any browser."""
        return self.folder / "report.html"

    def report(self) -> dict[str, Any]:
        """The privacy report as plain data (``pate schema --report`` prints its schema)."""
        content: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return content

    def student(self) -> nn.Module:
        """The student, from inputs to scores by class; loads torch."""
        from pate.student.export import load_exported  # noqa: PLC0415 - loads torch

        return load_exported(self.folder / "student")

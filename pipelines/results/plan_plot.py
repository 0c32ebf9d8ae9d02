"""A plot of a plan: label accuracy against budget."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from pate.accounting.planning.calibration import scaled
from pate.accounting.planning.campaign import CampaignPlan, ExpectedVotes, outlook
from pate.errors import expected

mpl.use("Agg")

POINTS = 5


def draw(path: Path, votes: ExpectedVotes, plan: CampaignPlan, *, accountant: str) -> None:
    """Write label accuracy against epsilon for the planned campaign with more and less noise.

    Args:
        path: a ``.png`` or ``.svg`` file.
        votes: how teachers are expected to vote.
        plan: the campaign; marked in the picture.
        accountant: one of ``ACCOUNTANTS``.
    """
    from matplotlib import pyplot  # noqa: PLC0415 - after the backend was chosen

    if path.suffix not in {".png", ".svg"}:
        raise expected("a plot as .png or .svg", "change the file's name", suffix=path.suffix)
    events = [scaled(plan.event, factor) for factor in np.geomspace(0.25, 4, POINTS)]
    around = [outlook(event, votes, delta=plan.delta, accountant=accountant, rough=True) for event in events]
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot([row.epsilon for row in around], [100 * row.label_accuracy for row in around], "-", color="black")
    axes.plot([plan.epsilon], [100 * plan.label_accuracy], "o", color="black", label="the plan")
    axes.set(xlabel=f"epsilon at delta {plan.delta:g}", ylabel="label accuracy, %", xscale="log")
    axes.set_xticks([row.epsilon for row in around], [f"{row.epsilon:.2g}" for row in around])
    axes.minorticks_off()
    axes.set_title(f"{plan.expected_answers:.0f} labels of {votes.teachers} teachers, {votes.classes} classes")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)

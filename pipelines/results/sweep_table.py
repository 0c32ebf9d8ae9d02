"""Rows of a sweep as a table in Markdown and as plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pate.accounting.rounding import up


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    head = (
        "configuration", "runs", "teachers", "labels", "epsilon (data-independent)", "sanitised", "exact, private *",
        "delta", "student accuracy", "label accuracy *", "single teacher *", "pooled, no privacy *", "minutes per run",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for own in rows:
        lines.append("| " + " | ".join(_cells(own)) + " |")
    notes = sorted({f"`{own['command']}` at commit {own['commit']} on {own['machine']}" for own in rows})
    return "\n".join(
        [
            *lines,
            "",
            "Student: mean over runs, 95% interval of the mean (Student's t over seeds and splits); AUROC and balanced "
            "accuracy for two classes. * known only because the set is a public benchmark.",
            "",
            *[f"- {note}" for note in notes],
        ]
    )


def comparison(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown, in the layout of a table of published systems."""
    lines = [
        "| configuration | data | protocol | epsilon, delta | kind | accuracy (without privacy) |", "|" + "---|" * 6
    ]  # fmt: skip
    for own in rows:
        protocol = f"{own['teachers']:,} teachers, {own['labels']:,.0f} labels; mean of {len(own['seeds'])} runs"
        epsilon = f"**{up(own['epsilon_data_independent'], 2)}**, {own['delta']:g}"
        auroc = "" if own["auroc_mean"] is None else f", AUROC {own['auroc_mean']:.3f} ({own['pooled_auroc']:.3f})"
        accuracy = f"**{own['accuracy_mean']:.1%}** ({own['pooled_accuracy']:.1%}){auroc}"
        cells = (f"`{own['config']}`", own["dataset"], protocol, epsilon, "data-independent", accuracy)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]], path: Path, x: str = "epsilon_data_independent") -> None:
    """Accuracy against epsilon or against labels, a series per public set, as SVG.

    Args:
        rows: of ``merge``.
        path: the file.
        x: ``epsilon_data_independent`` or ``labels``.
    """
    import matplotlib as mpl  # noqa: PLC0415 - slow to import

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "pate"
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for marker, name in zip("osD^vPX*<>" * 4, sorted({own["dataset"] for own in rows}), strict=False):
        own = sorted((row for row in rows if row["dataset"] == name), key=lambda row: row[x])
        low_high = [
            [row["accuracy_mean"] - (row["accuracy_low"] or row["accuracy_mean"]) for row in own],
            [(row["accuracy_high"] or row["accuracy_mean"]) - row["accuracy_mean"] for row in own],
        ]
        places, heights = [row[x] for row in own], [row["accuracy_mean"] for row in own]
        axes.errorbar(places, heights, yerr=low_high, marker=marker, capsize=3, label=name)
    axes.set(xlabel={"labels": "released labels"}.get(x, "epsilon, data-independent"), ylabel="student's accuracy")
    axes.set_xscale("log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def _cells(row: dict[str, Any]) -> list[str]:
    interval = "" if row["accuracy_low"] is None else f" [{row['accuracy_low']:.1%}, {row['accuracy_high']:.1%}]"
    two = row["auroc_mean"] is not None
    alone = f", balanced {row['single_teacher_balanced']:.1%}" if two else ""
    return [
        f"`{row['config']}`",
        str(len(row["seeds"])),
        str(row["teachers"]),
        f"{row['labels']:.0f}",
        f"**{up(row['epsilon_data_independent'], 2)}** ({row['accountant']})",
        "" if row["epsilon_sanitised"] is None else up(row["epsilon_sanitised"], 2),
        "" if row["epsilon_exact_private"] is None else up(row["epsilon_exact_private"], 2),
        f"{row['delta']:g}",
        f"**{row['accuracy_mean']:.1%}**{interval}{_two_classes(row, 'auroc_mean', 'balanced_mean')}",
        f"{row['label_accuracy']:.1%}",
        f"{row['single_teacher_accuracy']:.1%}{alone}",
        f"{row['pooled_accuracy']:.1%}{_two_classes(row, 'pooled_auroc', 'pooled_balanced')}",
        f"{row['minutes']:.1f}",
    ]


def _two_classes(row: dict[str, Any], auroc: str, balanced: str) -> str:
    return "" if row[auroc] is None else f", AUROC {row[auroc]:.3f}, balanced {row[balanced]:.1%}"

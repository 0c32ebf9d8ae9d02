"""The pictures of the report, each with the table of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

from pate.report.chart import Axis, Series, bar_chart, line_chart, linear_axis, log_axis, swatch
from pate.report.wording import down, percent, percent_down, small, up

Content: TypeAlias = Mapping[str, Any]

_LOWEST_DELTA = 1e-12


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture.

    Attributes:
        name: its id on the page.
        title: its caption.
        reading: explanation, in a sentence or two.
        svg: the picture.
        legend: a sample and the text for each kind of line or mark.
        columns: column names of the table.
        rows: cells of the table, as text.
    """

    name: str
    title: str
    reading: str
    svg: str
    legend: Sequence[tuple[str, str]]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def figures_of(content: Content) -> dict[str, Figure]:
    """All pictures with numbers in the content, by name."""
    makers: tuple[Callable[[Content], Figure | None], ...] = (
        _trade_off, _privacy_curve, _renyi, _spend, _budget, _calibration, _comparable,
    )  # fmt: skip
    made = [maker(content) for maker in makers]
    return {figure.name: figure for figure in made if figure is not None}


def _lines(
    name: str, title: str, reading: str, axes: tuple[Axis, Axis], series: Sequence[Series],
    table: tuple[Sequence[str], Sequence[Sequence[str]]], notes: Sequence[tuple[float, str]] = (),
) -> Figure:  # fmt: skip
    return Figure(
        name=name,
        title=title,
        reading=reading,
        svg=line_chart(name, title, reading, *axes, series, notes),
        legend=[(swatch(row), row.name) for row in series],
        columns=table[0],
        rows=table[1],
    )


def _trade_off(content: Content) -> Figure:
    rows = content["meaning"]["trade_off"]
    curve = [(row["false_positive"], row["false_negative"]) for row in rows]
    unit = content["unit"]
    return _lines(
        "trade-off",
        "Errors that an attacker cannot avoid",
        f"An attacker tests a hypothesis about the records of one {unit}. Every attack is on or above the solid line: "
        "fewer false positives mean more false negatives. The dotted line is a random guess; the closer the two lines, "
        "the less the release reveals.",
        (
            linear_axis("False-positive rate", 1.0, text=_whole_percent),
            linear_axis("False-negative rate, at least", 1.0, text=_whole_percent),
        ),
        [
            Series(name="random guess", points=[(0, 1), (1, 0)], look="dotted"),
            Series(name="best attack that the guarantee allows", points=curve),
        ],
        (
            ("False positives", "False negatives, at least"),
            [(f"{100 * a:g} %", percent_down(miss)) for a, miss in curve],
        ),
    )


def _privacy_curve(content: Content) -> Figure:
    rows = [row for row in content["privacy_curve"] if row["delta"] >= _LOWEST_DELTA]
    total = content["total"]
    points = [(row["epsilon"], row["delta"]) for row in rows]
    return _lines(
        "privacy-curve",
        "Epsilon and delta",
        f"Each point of the line is a guarantee, and all hold at once. The square is at the delta of the budget: "
        f"epsilon {up(total['epsilon'])} at delta {small(total['delta'])}.",
        (
            linear_axis("Epsilon, nats", max(points[-1][0], total["epsilon"])),
            log_axis("Delta", _LOWEST_DELTA, 1.0),
        ),
        [
            Series(name="all campaigns on these data", points=points),
            Series(
                name="as quoted for the budget", points=[(total["epsilon"], total["delta"])], look="none", mark="square"
            ),
        ],
        (("Epsilon, nats", "Delta"), [(up(e, 4), small(d)) for e, d in points]),
    )


def _renyi(content: Content) -> Figure:
    renyi = content["renyi"]
    points = [(row["order"], row["cost"]) for row in renyi["rows"] if row["cost"] is not None and row["cost"] > 0]
    costs = [cost for _, cost in points] or [1.0]
    orders = [row["order"] for row in renyi["rows"]]
    ticks = [(order, f"{order:g}") for order in (1.5, 2, 4, 8, 16, 32, 64, 128)]
    aside = ", except for outcomes of a hundredth of delta" if "gdp_filter" in renyi["accountant"] else ""
    return _lines(
        "renyi",
        "Rényi cost at each order",
        f"The form in which accountants add costs ({renyi['accountant']}{aside}). For specialists: other releases "
        "from the same data can be composed with it.",
        (
            Axis(title="Order", low=min(orders), high=max(orders), ticks=ticks, log=True),
            log_axis("Rényi cost, nats", min(costs), max(costs)),
        ),
        [Series(name="all campaigns on these data", points=points, mark="dot")],
        (("Order", "Cost, nats"), [(f"{order:g}", up(cost, 4)) for order, cost in points]),
    )


def _spend(content: Content) -> Figure:
    rows = content["spend"]
    top = max([content["budget"], *(max(row["planned"], row["spent"]) for row in rows)])
    last = rows[-1]["asked"]
    return _lines(
        "spend-over-queries",
        "Epsilon against the queries asked",
        "The cost of this campaign, all of it charged before its first query and never refunded, and the cost of a "
        "campaign of that many queries.",
        (linear_axis("Queries asked", last), linear_axis("Epsilon, nats", top)),
        [
            Series(
                name="budget of the data", points=[(0, content["budget"]), (last, content["budget"])], look="dotted"
            ),
            Series(
                name="a campaign of that many queries",
                points=[(r["asked"], r["planned"]) for r in rows],
                look="dashed",
                mark="ring",
            ),
            Series(name="charged", points=[(r["asked"], r["spent"]) for r in rows], mark="dot"),
        ],
        (
            ("Asked", "Answered", "Charged, epsilon", "A campaign of that many, epsilon"),
            [(f"{r['asked']:g}", f"{r['answered']:g}", up(r["spent"]), up(r["planned"])) for r in rows],
        ),
    )


def _budget(content: Content) -> Figure:
    charges, budget = content["charges"], content["budget"]
    done, bars = 0, []
    for row in charges:
        done += row["campaigns"]
        bars.append((f"after campaign {done}: {up(row['after'])}", row["after"]))
    title = "Budget spent and left"
    reading = (
        f"Epsilon of everything charged to these data, after each campaign. The dashed line is the budget, {budget:g}; "
        f"{down(content['budget_left'])} is left."
    )
    axis = linear_axis("Epsilon, nats", max(budget, bars[-1][1]))
    table = [(text.split(":")[0], row["in_words"], up(row["alone"]), up(row["after"])) for (text, _), row in zip(
        bars, charges, strict=True)]  # fmt: skip
    return Figure(
        name="budget-left",
        title=title,
        reading=reading,
        svg=bar_chart("budget-left", title, reading, axis, bars, budget),
        legend=[(swatch(Series(name="", points=[], look="dashed")), "budget of the data")],
        columns=("After", "Charged", "Alone, epsilon", "Total, epsilon"),
        rows=table,
    )


def _calibration(content: Content) -> Figure | None:
    rows = content["evaluation"]["calibration"]
    if not rows:
        return None
    points = [(row["confidence"], row["right"]) for row in rows]
    return _lines(
        "calibration",
        "Calibration: accuracy by confidence",
        "Records of the public evaluation set, grouped by the student's confidence. On the dotted line confidence "
        "equals accuracy; below it, the student is overconfident. Numbers at the top: records in the group; bars: 95 % "
        "intervals.",
        (
            linear_axis("Mean confidence", 1.0, text=_whole_percent),
            linear_axis("Accuracy", 1.0, text=_whole_percent),
        ),
        [
            Series(
                name="student", points=points, look="none", mark="dot",
                spread=[(row["right_low"], row["right_high"]) for row in rows],
            ),
            Series(name="perfectly calibrated", points=[(0, 0), (1, 1)], look="dotted"),
        ],
        (
            ("Confidence", "Records", "Mean", "Accuracy", "95 % interval"),
            [
                (
                    f"{100 * r['low']:g} to {100 * r['high']:g} %", f"{r['count']}", percent(r["confidence"]),
                    percent(r["right"]), f"{percent(r['right_low'])} to {percent(r['right_high'])}",
                )
                for r in rows
            ],
        ),
        [((row["low"] + row["high"]) / 2, f"{row['count']}") for row in rows],
    )  # fmt: skip


def _comparable(content: Content) -> Figure | None:
    others = content["comparable"]
    if not others:
        return None
    own = {
        "run_id": content["run_id"], "accuracy": content["evaluation"]["accuracy"],
        "records": content["evaluation"]["count"], **content["campaign"],
    }  # fmt: skip
    rows = [own, *others]
    low = min(row["accuracy"] for row in rows)
    return _lines(
        "accuracy-epsilon",
        "Accuracy against epsilon of comparable runs",
        "Finished runs of the same task on the same data, at the same delta. Runs differ in seed and settings, and "
        "each was evaluated on its own draw of public records.",
        (
            linear_axis(
                f"Epsilon of the campaign at delta {small(own['delta'])}, nats", max(row["epsilon"] for row in rows)
            ),
            linear_axis("Student accuracy", 1.0, low=int(low * 10) / 10, text=_whole_percent),
        ),
        [
            Series(name="this run", points=[(own["epsilon"], own["accuracy"])], look="none", mark="square"),
            Series(
                name="other runs",
                points=[(row["epsilon"], row["accuracy"]) for row in others],
                look="none",
                mark="ring",
            ),
        ],
        (
            ("Run", "Epsilon", "Accountant", "Student accuracy", "Of records"),
            [
                (row["run_id"], up(row["epsilon"]), row["accountant"], percent(row["accuracy"]), f"{row['records']}")
                for row in rows
            ],
        ),
    )


def _whole_percent(part: float) -> str:
    return f"{100 * part:g}%"

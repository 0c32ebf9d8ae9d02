"""Charts as inline SVG: text stays text, colours are CSS variables, lines differ by dashes and marks.

One unit of the picture is one CSS pixel on a phone of 360 pixels. The classes are styled by ``report.css``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape as escaped_html
from typing import TypeAlias, final

from pate.plain_text import printable

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 338, 26, 206
_ROW = 34

Point: TypeAlias = tuple[float, float]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a chart.

    Attributes:
        title: quantity and unit.
        low, high: ends.
        ticks: positions and labels.
        log: logarithmic; ends are positive then.
    """

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Position of a value between two coordinates; values beyond an end are clipped to it."""
        kept = min(max(value, self.low), self.high)
        to = math.log if self.log else float
        span = to(self.high) - to(self.low)
        return start + (end - start) * ((to(kept) - to(self.low)) / span if span else 0.5)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one kind.

    Attributes:
        name: in the legend.
        points: in the axes' units.
        look: ``solid``, ``dashed`` or ``dotted`` line, or ``none``.
        mark: ``dot``, ``ring``, ``square`` or ``none``.
        spread: for each point the ends of a vertical interval.
    """

    name: str
    points: Sequence[Point]
    look: str = "solid"
    mark: str = "none"
    spread: Sequence[Point] = field(default=())


def linear_axis(title: str, high: float, *, low: float = 0.0, text: Callable[[float], str] = "{:g}".format) -> Axis:
    """An axis with four to eight round ticks; its end is the first tick at or beyond ``high``."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * part for part in (1, 2, 2.5, 5, 10, 20) if span / (power * part) <= 6)
    count = math.ceil(span / step - 1e-9)
    ticks = [low + step * number for number in range(count + 1)]
    return Axis(title=title, low=low, high=ticks[-1], ticks=[(tick, text(round(tick, 12))) for tick in ticks])


def log_axis(title: str, low: float, high: float, *, most: int = 6) -> Axis:
    """An axis of powers of ten from below ``low`` to above ``high``."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    last = max(last, first + 1)
    every = math.ceil((last - first) / most)
    ticks = [(10.0**power, power_of_ten(power)) for power in range(first, last + 1, every)]
    return Axis(title=title, low=10.0**first, high=10.0**last, ticks=ticks, log=True)


def power_of_ten(power: int) -> str:
    """``0.01``, ``1``, ``100``; beyond that ``1e-5``."""
    return f"{10.0**power:g}" if -3 <= power <= 3 else f"1e{power}"


def line_chart(
    name: str,
    title: str,
    description: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    notes: Sequence[tuple[float, str]] = (),
) -> str:
    """A chart of lines and marks.

    Args:
        name: unique on the page; prefix of ids.
        title: for screen readers.
        description: content of the chart, for screen readers.
        x, y: axes.
        series: to draw, the first at the bottom.
        notes: positions on the x axis and short texts above them, such as counts.
    """
    body = [_frame(x, y)]
    for row in series:
        places = [(x.place(px, LEFT, RIGHT), y.place(py, BOTTOM, TOP)) for px, py in row.points]
        for (at, _), (low, high) in zip(places, row.spread, strict=False):
            body.append(
                f'<path class="spread" d="M{at:.1f} {y.place(low, BOTTOM, TOP):.1f}V{y.place(high, BOTTOM, TOP):.1f}"/>'
            )
        if row.look != "none" and len(places) > 1:
            path = "L".join(f"{px:.1f} {py:.1f}" for px, py in places)
            body.append(f'<path class="line {row.look}" d="M{path}"/>')
        body += [_mark(row.mark, *place) for place in places]
    for at, note in notes:
        body.append(f'<text class="note" x="{x.place(at, LEFT, RIGHT):.1f}" y="{TOP - 6}">{escape(note)}</text>')
    return _picture(name, title, description, HEIGHT, body)


def bar_chart(name: str, title: str, description: str, x: Axis, bars: Sequence[tuple[str, float]], limit: float) -> str:
    """Horizontal bars, one row each, with a line at a limit.

    Args:
        name, title, description: as for ``line_chart``.
        x: the axis.
        bars: text above the bar and its length.
        limit: position of the limit.
    """
    end = TOP + _ROW * len(bars)
    at = x.place(limit, LEFT, RIGHT)
    body = [f'<path class="line dashed" d="M{at:.1f} {TOP - 8}V{end}"/>']
    for number, (text, value) in enumerate(bars):
        top = TOP + _ROW * number
        width = x.place(value, LEFT, RIGHT) - LEFT
        body.append(f'<text class="row" x="{LEFT}" y="{top + 9}">{escape(text)}</text>')
        body.append(f'<rect class="bar" x="{LEFT}" y="{top + 14}" width="{max(width, 0.5):.1f}" height="12"/>')
    body.append(_x_ticks(x, end))
    return _picture(name, title, description, end + 44, body)


def swatch(row: Series) -> str:
    """A sample of a series for the legend."""
    line = "" if row.look == "none" else f'<path class="line {row.look}" d="M1 7H31"/>'
    return f'<svg class="swatch" viewBox="0 0 32 14" aria-hidden="true">{line}{_mark(row.mark, 16, 7)}</svg>'


def _frame(x: Axis, y: Axis) -> str:
    parts = [f'<text class="axis" x="2" y="12">{escape(y.title)}</text>']
    for value, text in y.ticks:
        at = y.place(value, BOTTOM, TOP)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{RIGHT}"/>')
        parts.append(f'<text class="tick y" x="{LEFT - 5}" y="{at + 3.5:.1f}">{escape(text)}</text>')
    return "".join([*parts, _x_ticks(x, BOTTOM)])


def _x_ticks(x: Axis, base: float) -> str:
    parts = [f'<path class="base" d="M{LEFT} {base}H{RIGHT}"/>']
    for value, text in x.ticks:
        at = x.place(value, LEFT, RIGHT)
        parts.append(f'<path class="base" d="M{at:.1f} {base}v4"/>')
        parts.append(f'<text class="tick x" x="{at:.1f}" y="{base + 18}">{escape(text)}</text>')
    parts.append(f'<text class="axis x" x="{(LEFT + RIGHT) / 2}" y="{base + 36}">{escape(x.title)}</text>')
    return "".join(parts)


def escape(text: str) -> str:
    """A text escaped for the picture."""
    return escaped_html(printable(text))


def _mark(kind: str, x: float, y: float) -> str:
    if kind == "square":
        return f'<rect class="mark square" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'
    return "" if kind == "none" else f'<circle class="mark {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'


def _picture(name: str, title: str, description: str, height: float, body: Sequence[str]) -> str:
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {height:g}" '
        f'aria-labelledby="{name}-title" aria-describedby="{name}-description">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>{"".join(body)}</svg>'
    )

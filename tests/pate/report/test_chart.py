"""Axes and marks of the pictures."""

from __future__ import annotations

import re

import pytest

from pate.report.chart import BOTTOM, LEFT, RIGHT, TOP, Series, bar_chart, line_chart, linear_axis, log_axis


@pytest.mark.parametrize("high", [0.03, 0.7, 1.0, 4.98, 10.0, 60.0, 286.0, 12345.0])
def test_a_linear_axis_has_few_round_ticks_and_holds_its_values(high: float) -> None:
    axis = linear_axis("x", high)
    assert 4 <= len(axis.ticks) <= 8
    assert axis.high >= high
    assert all(len(text) <= 6 for _, text in axis.ticks)


@pytest.mark.parametrize(("low", "high"), [(1e-12, 1.0), (0.3, 0.4), (2.0, 2000.0), (1.0, 1.0)])
def test_a_log_axis_has_powers_of_ten_and_holds_its_values(low: float, high: float) -> None:
    axis = log_axis("x", low, high)
    assert axis.low <= low
    assert axis.high >= high
    assert 2 <= len(axis.ticks) <= 8


def test_points_stand_where_their_values_are_and_values_beyond_stand_on_the_edge() -> None:
    x, y = linear_axis("x", 10.0), log_axis("y", 1e-2, 1.0)
    svg = line_chart("a", "t", "d", x, y, [Series(name="s", points=[(0, 1), (5, 0.1), (99, 1e-9)])])
    (path,) = re.findall(r'class="line solid" d="M([^"]+)"', svg)
    places = [tuple(map(float, point.split())) for point in path.split("L")]
    assert places == [(LEFT, TOP), ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2), (RIGHT, BOTTOM)]


def test_bars_are_as_long_as_their_values_and_text_is_escaped() -> None:
    svg = bar_chart("a", "<t>", "d & e", linear_axis("x", 10.0), [("<one>", 10.0), ("two", 5.0)], 8.0)
    assert [float(width) for width in re.findall(r'class="bar".*?width="([\d.]+)"', svg)] == [
        RIGHT - LEFT,
        (RIGHT - LEFT) / 2,
    ]
    assert "&lt;one&gt;" in svg
    assert "d &amp; e" in svg

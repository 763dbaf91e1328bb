"""Charts are well-formed SVG for any values, with few round ticks and with gaps where a value is missing."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from recdash.reporting import svg

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9)


@given(VALUES, st.booleans())
def test_ticks_lie_between_the_ends_and_are_few(values: list[float], log: bool) -> None:
    values = [abs(value) + 1e-3 for value in values] if log else values
    scale = svg.Scale(values, 0, 100, log=log)
    ticks = scale.ticks()
    assert 0 < len(ticks) <= 9
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks)
    assert all(0 <= scale(value) <= 100 for value in values)


def test_charts_are_well_formed_for_unusual_labels_and_values() -> None:
    marks = [svg.Mark("<a> & b", "#000000", 0.5, 0.5, 0.5, 1.0)]
    lines = [svg.Line("x", "#000000", [(1, math.nan), (2, 1.0), (3, 1.0), (4, math.nan), (5, 2.0)], 3)]
    for chart in (
        svg.intervals(marks, "NDCG"),
        svg.scatter(marks, "NDCG", "seconds", front=marks, log=True),
        svg.curves(lines, "loss"),
        svg.curves([svg.Line("x", "#000000", [(1, math.nan)])], "loss"),
    ):
        ElementTree.fromstring(chart)
        assert "nan" not in chart
    assert svg.curves(lines, "loss").count("M") >= 2, "a line is drawn across a gap"


def test_a_better_value_is_further_up_and_a_larger_cost_further_right() -> None:
    marks = [svg.Mark("low", "#000000", 0.1, 0.1, 0.1, 1.0), svg.Mark("high", "#111111", 0.9, 0.9, 0.9, 5.0)]
    root = ElementTree.fromstring(svg.scatter(marks, "NDCG", "seconds"))
    circles = {circle.get("fill"): circle for circle in root.iter("circle")}
    low, high = circles["#000000"], circles["#111111"]
    assert float(high.get("cy", 0)) < float(low.get("cy", 0)) and float(high.get("cx", 0)) > float(low.get("cx", 0))


def test_a_best_epoch_has_a_ring_and_an_unnamed_mark_no_label() -> None:
    line = svg.Line("x", "#000000", [(1, 1.0), (2, 2.0)], best=2, dashes=(7, 3))
    chart = svg.curves([line], "loss")
    assert chart.count("<circle") == 1 and 'stroke-dasharray="7 3"' in chart
    hidden = svg.scatter([svg.Mark("label", "#000000", 1.0, 1.0, 1.0, 1.0, named=False)], "NDCG", "seconds")
    assert ">label</text>" not in hidden


def test_a_sparkline_has_a_block_per_value_and_a_space_per_gap() -> None:
    assert svg.sparkline([1, 2, 3]) in ("▁▅█", "▁▄█")
    assert svg.sparkline([math.nan, 1.0]) == " ▁" and svg.sparkline([]) == ""
    assert len(svg.sparkline(list(range(1000)))) <= 24

"""Means with their 95% intervals, one row per run, in Altair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from recdash.runs import run_colours
from recdash.ui.charts.primitives import Point


def interval_chart(points: Sequence[Point], metric: str, better: str) -> Any:
    """Return a dot plot of means with 95% intervals, one row per run in order; `better` ends the axis title."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    order = [point.label for point in points]
    colours = alt.Scale(domain=order, range=[run_colours.colour_of(point.run) for point in points])
    tooltip = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("mean:Q", title=metric, format=".4f"),
        alt.Tooltip("low:Q", title="95% interval from", format=".4f"),
        alt.Tooltip("high:Q", title="to", format=".4f"),
    ]
    scale = alt.Scale(zero=False, padding=12)
    base = alt.Chart(pd.DataFrame([asdict(point) for point in points])).encode(
        alt.Y(
            "label:N",
            sort=order,
            title=None,
            axis=alt.Axis(labelLimit=220, ticks=False, domain=False, labelFlush=False),
        ),
        alt.Color("label:N", scale=colours, legend=None),
        tooltip=tooltip,
    )
    spans = base.mark_rule(strokeWidth=3, opacity=0.45).encode(
        alt.X(
            "low:Q",
            title=f"{metric} ({better})",
            scale=scale,
            axis=alt.Axis(tickCount=6, format=".3~f", titleAnchor="end"),
        ),
        alt.X2("high:Q"),
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(alt.X("mean:Q"))
    return (spans + dots).properties(height=max(110, 32 * len(order) + 50))

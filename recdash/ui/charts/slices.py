"""A metric by slice of users or items, one line per run, in Altair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recdash.runs import run_colours

if TYPE_CHECKING:
    import pandas as pd

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")

_LEGEND_WIDTH, _LABEL_LIMIT, _SYMBOL_WIDTH = 360, 130, 30  # pixels; half a page at 1,440, or a phone


def slice_chart(table: pd.DataFrame, runs: Mapping[str, str], metric: str, along: str) -> Any:
    """Return means with 95% intervals by slice of users or items, one mark per run and slice.

    Args:
        table: Columns slice, position, span, size, label, mean, low, high; "|" in a slice's name breaks the line.
        runs: Label and id of each run, best first.
        metric: Title of the vertical axis.
        along: Title of the horizontal axis.
    """
    import altair as alt  # lazy: altair

    order = list(runs)
    colours = alt.Scale(domain=order, range=[run_colours.colour_of(run_id) for run_id in runs.values()])
    shape = alt.Scale(domain=order, range=[SHAPES[index % len(SHAPES)] for index in range(len(order))])
    columns = min(4, _LEGEND_WIDTH // (_SYMBOL_WIDTH + min(_LABEL_LIMIT, 7 * max(map(len, order), default=1))))
    legend = alt.Legend(
        orient="bottom",
        title=None,
        columns=columns,
        labelLimit=_LABEL_LIMIT,
        symbolOpacity=1,
        symbolSize=70,
        rowPadding=4,
        offset=4,
    )
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')", labelPadding=6, labelOverlap=False)
    tooltip = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("span:N", title=along),
        alt.Tooltip("size:Q", title="Users or items", format=","),
        alt.Tooltip("mean:Q", title=metric, format=".4f"),
        alt.Tooltip("low:Q", title="95% interval from", format=".4f"),
        alt.Tooltip("high:Q", title="to", format=".4f"),
    ]
    x = alt.X("slice:O", sort=alt.EncodingSortField("position"), title=along, axis=axis)
    base = alt.Chart(table).encode(x, alt.Color("label:N", scale=colours, legend=legend), tooltip=tooltip)
    y = alt.Scale(zero=False)
    spans = base.mark_rule(strokeWidth=2, opacity=0.35).encode(
        alt.Y("low:Q", title=metric, scale=y, axis=alt.Axis(tickCount=5, format=".3~f")),
        alt.Y2("high:Q"),
        alt.XOffset("label:N", sort=order),
    )
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        alt.Y("mean:Q", scale=y),
        alt.XOffset("label:N", sort=order),
        alt.Shape("label:N", scale=shape, legend=legend),
    )
    return (spans + dots).properties(height=400)

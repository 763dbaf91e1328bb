"""Quality against cost or diversity as an interactive scatter plot, in Plotly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recdash.analysis import costs
from recdash.reporting import label_placement
from recdash.runs import run_colours
from recdash.ui.charts import theme_colours
from recdash.ui.charts.primitives import Point

PLOT_WIDTH = 420  # pixels; approximate width of a plot in half a page


@dataclass(frozen=True)
class Axis:
    """Horizontal axis of the scatter plot.

    Args:
        title: Title of the axis.
        log: Whether the axis is logarithmic.
        pareto: Whether lower is better, so that the Pareto front is drawn.
    """

    title: str
    log: bool = False
    pareto: bool = False


def scatter(points: Sequence[Point], metric: str, axis: Axis, *, lower: bool, theme: str) -> Any:
    """Return a scatter plot of a metric; on a cost axis the runs on the Pareto front are joined and labelled.

    Args:
        points: One point per run.
        metric: Title of the vertical axis.
        axis: The horizontal axis.
        lower: Whether a lower value of the metric is better.
        theme: "light" or "dark".
    """
    import plotly.graph_objects as go  # lazy: plotly

    best = costs.pareto_front([(point.x, point.mean) for point in points], lower=lower) if axis.pareto else []
    front, labelled = [points[index] for index in best], {points[index].run for index in best}
    height = max(320, 32 * len(points) + 60)
    texts = [point.label if point.run in labelled or not axis.pareto else "" for point in points]
    sides = label_placement.place_labels(
        _pixel_positions(points, axis, height), texts, "bottom right" if lower else "top right"
    )
    figure = go.Figure()
    figure.add_scatter(
        x=[point.x for point in front],
        y=[point.mean for point in front],
        mode="lines",
        hoverinfo="skip",
        line={"color": theme_colours.MUTED[theme], "width": 1.2, "dash": "dot", "shape": "hv"},
    )
    for point, text, side in zip(points, texts, sides, strict=True):
        figure.add_scatter(
            x=[point.x],
            y=[point.mean],
            error_y={"array": [point.high - point.mean], "arrayminus": [point.mean - point.low], "thickness": 1.2},
            mode="markers+text" if text else "markers",
            name=_escaped(point.label),
            text=[_escaped(text)],
            textposition=side,
            textfont={"color": theme_colours.TEXT[theme]},
            marker={"size": 12, "color": run_colours.colour_of(point.run)},
            cliponaxis=False,
            hovertemplate=_hover(point, metric, axis),
        )
    x: dict[str, Any] = {"title": f"{axis.title} (log scale)", "type": "log", "tickformat": "~g"}
    positive = [point.x for point in points if point.x > 0]
    if max(positive, default=1) > 100 * min(positive, default=1):
        x["dtick"] = 1  # ticks at powers of ten only; over less than two decades Plotly's own finer ticks fit
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 70, "t": 20, "b": 10},
        showlegend=False,
        xaxis=x if axis.log else {"title": axis.title, "nticks": 6},
        yaxis={"title": metric, "nticks": 6},
    )
    return figure


def _pixel_positions(points: Sequence[Point], axis: Axis, height: float) -> list[tuple[float, float]]:
    """Return the approximate pixel positions of the points, to place labels without overlap."""
    xs = [math.log10(point.x) if axis.log else point.x for point in points]
    ends = [end for point in points for end in (point.low, point.high)]
    left, width, bottom, span = min(xs), (max(xs) - min(xs)) or 1, min(ends), (max(ends) - min(ends)) or 1
    return [
        (PLOT_WIDTH * (x - left) / width, (height - 90) * (1 - (point.mean - bottom) / span))
        for x, point in zip(xs, points, strict=True)
    ]


def _hover(point: Point, metric: str, axis: Axis) -> str:
    note = f"<br>{_escaped(point.note)}" if point.note else ""
    text = f"{_escaped(point.label)}<br>{metric} %{{y:.4f}}<br>{_escaped(axis.title)} %{{x:.3~g}}{note}"
    return f"{text}<extra></extra>"


def _escaped(text: str) -> str:
    """Escape text for Plotly, which interprets some HTML and fields in braces."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")

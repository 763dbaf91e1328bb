"""Quality against cost or diversity as an interactive scatter plot, in Plotly."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from recdash.analysis import costs
from recdash.reporting import label_placement
from recdash.runs import run_colours
from recdash.ui.charts import theme_colours
from recdash.ui.charts.primitives import Point

PLOT_WIDTH = 900  # pixels; approximate width of the plot
HEIGHT = 390  # pixels
MAX_LABELS = 10  # without a front; more would overlap
_LABEL_SIZE = (130.0, 18.0)  # pixels
MAX_ERROR_BARS = 40  # with more points only those that are labelled have error bars
_MARGIN = 0.06  # share of the range that is left free around the points


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


def outside_scale(points: Sequence[Point], baselines: Collection[str]) -> list[Point]:
    """Return the baselines outside the scales of the other points, whose x axis is logarithmic.

    Empty if there are no others.
    """
    others = [point for point in points if point.run not in baselines]
    if not others:
        return []
    bottom, top = _padded([end for point in others for end in (point.low, point.high)])
    left, right = _padded([_exponent(point.x) for point in others])
    return [
        point
        for point in points
        if point.run in baselines and not (bottom <= point.mean <= top and left <= _exponent(point.x) <= right)
    ]


def scatter(
    points: Sequence[Point], metric: str, axis: Axis, *, lower: bool, theme: str, clipped: Collection[str] = ()
) -> Any:
    """Return a scatter plot of a metric; on a cost axis the runs on the Pareto front are joined and labelled.

    Args:
        points: One point per run.
        metric: Title of the vertical axis.
        axis: The horizontal axis.
        lower: Whether a lower value of the metric is better.
        theme: "light" or "dark".
        clipped: Ids of runs that are left out, because they would stretch the scales.
    """
    import plotly.graph_objects as go  # lazy: plotly

    points = [point for point in points if point.run not in clipped]
    best = costs.pareto_front([(point.x, point.mean) for point in points], lower=lower) if axis.pareto else []
    front = [points[index] for index in best]
    labelled = {point.run for point in (front if axis.pareto else _to_label(points, axis))}
    texts = [point.label if point.run in labelled else "" for point in points]
    sides = label_placement.place_labels(
        _pixel_positions(points, axis), texts, "bottom right" if lower else "top right"
    )
    figure = go.Figure()
    figure.add_scatter(
        x=[point.x for point in front],
        y=[point.mean for point in front],
        mode="lines",
        hoverinfo="skip",
        line={"color": theme_colours.MUTED[theme], "width": 1.2, "dash": "dot", "shape": "hv"},
    )
    for with_text in (False, True):
        chosen = [index for index, point in enumerate(points) if (point.run in labelled) == with_text]
        if not chosen:
            continue
        some = [points[index] for index in chosen]
        figure.add_scatter(
            x=[point.x for point in some],
            y=[point.mean for point in some],
            error_y={
                "array": [point.high - point.mean for point in some],
                "arrayminus": [point.mean - point.low for point in some],
                "thickness": 1.2,
                "color": theme_colours.MUTED[theme],
                "visible": with_text or len(points) <= MAX_ERROR_BARS,
            },
            mode="markers+text" if with_text else "markers",
            text=[_escaped(texts[index]) for index in chosen],
            textposition=[sides[index] for index in chosen],
            textfont={"color": theme_colours.TEXT[theme]},
            marker={"size": 11, "color": [run_colours.colour_of(point.run) for point in some]},
            cliponaxis=False,
            customdata=[[_escaped(point.label), f"<br>{_escaped(point.note)}" if point.note else ""] for point in some],
            hovertemplate=f"%{{customdata[0]}}<br>{metric} %{{y:.4f}}<br>{_escaped(axis.title)} %{{x:.3~g}}"
            "%{customdata[1]}<extra></extra>",
        )
    x: dict[str, Any] = {"title": f"{axis.title} (log scale)", "type": "log", "tickformat": "~g"}
    positive = [point.x for point in points if point.x > 0]
    if max(positive, default=1) > 100 * min(positive, default=1):
        x["dtick"] = 1  # ticks at powers of ten only; over less than two decades Plotly's own finer ticks fit
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 90, "t": 20, "b": 10},
        showlegend=False,
        xaxis=x if axis.log else {"title": axis.title, "nticks": 6},
        yaxis={"title": metric, "nticks": 6},
    )
    return figure


def _to_label(points: Sequence[Point], axis: Axis) -> list[Point]:
    """Return the first points; among many, only those whose labels do not overlap."""
    if len(points) <= MAX_ERROR_BARS:
        return list(points[:MAX_LABELS])
    chosen: list[int] = []
    places = _pixel_positions(points, axis)
    for index, (x, y) in enumerate(places[: 2 * MAX_LABELS]):
        if all(
            abs(x - places[other][0]) > _LABEL_SIZE[0] or abs(y - places[other][1]) > _LABEL_SIZE[1] for other in chosen
        ):
            chosen.append(index)
    return [points[index] for index in chosen[:MAX_LABELS]]


def _exponent(x: float) -> float:
    """Return the position on a logarithmic axis."""
    return math.log10(x) if x > 0 else -math.inf


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    free = _MARGIN * ((high - low) or abs(high) or 1.0)
    return low - free, high + free


def _pixel_positions(points: Sequence[Point], axis: Axis) -> list[tuple[float, float]]:
    """Return the approximate pixel positions of the points, to place labels without overlap."""
    if not points:
        return []
    xs = [math.log10(point.x) if axis.log else point.x for point in points]
    ends = [end for point in points for end in (point.low, point.high)]
    left, width, bottom, span = min(xs), (max(xs) - min(xs)) or 1, min(ends), (max(ends) - min(ends)) or 1
    return [
        (PLOT_WIDTH * (x - left) / width, (HEIGHT - 90) * (1 - (point.mean - bottom) / span))
        for x, point in zip(xs, points, strict=True)
    ]


def _escaped(text: str) -> str:
    """Escape text for Plotly, which interprets some HTML and fields in braces."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")

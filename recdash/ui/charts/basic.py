"""Charts: Altair for what is read, Plotly for what is explored by hand. No Streamlit here.

A learning curve's specification is written once; while it is live, only its data travels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from recdash.analysis import costs
from recdash.reporting import label_placement as labels
from recdash.ui.charts import run_colours

if TYPE_CHECKING:
    import pandas as pd

FAINT = 0.22
PLOT_WIDTH = 420  # pixels, about: of the plot in half a page
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")
RunLine = tuple[str, str, tuple[int, ...]]  # label, colour and dashes of a run


@dataclass(frozen=True)
class Point:
    """One run in a picture: a metric with its 95 % interval, and what it is set against, such as seconds."""

    label: str
    run: str
    mean: float
    low: float
    high: float
    against: float
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """What a metric is set against. front: whether less of it is better, so that a front can be drawn."""

    title: str
    log: bool = False
    front: bool = False


@dataclass(frozen=True)
class CurveStyle:
    """How one value is drawn over the epochs. x: "epoch" or "seconds".  number: a d3 format."""

    title: str
    x: str = "epoch"
    log: bool = False
    smooth: bool = False
    height: int = 240
    number: str = ",.4~r"


@lru_cache(maxsize=128)
def curve(style: CurveStyle, lines: tuple[RunLine, ...]) -> dict[str, Any]:
    """Return a Vega-Lite specification for data with columns label, epoch, seconds, value, raw and best."""
    import altair as alt

    domain = [label for label, _, _ in lines]
    kind = alt.Scale(type="log", nice=False) if style.log else alt.Scale(zero=False, nice=True)
    x = _along(style.x)
    y = alt.Y("value:Q", scale=kind, title=None, axis=alt.Axis(tickCount=5, format=style.number))
    colour = alt.Color("label:N", scale=alt.Scale(domain=domain, range=[ink for _, ink, _ in lines]), legend=None)
    patterns = alt.Scale(domain=domain, range=[list(dashes) or [1, 0] for _, _, dashes in lines])
    near = alt.selection_point(
        name="near", nearest=True, on="pointerover", fields=[style.x], empty=False, clear="pointerout"
    )
    says = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip("seconds:Q", title="Seconds", format=",.1f"),
        alt.Tooltip("raw:Q", title=style.title, format=style.number),
    ]
    base = alt.Chart().encode(x, y, colour, alt.Detail("label:N"))
    dots = base.mark_point(size=46, filled=True).encode(
        opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=says
    )
    best = base.transform_filter("datum.best").mark_point(size=110, shape="diamond", filled=True, opacity=1)
    layers = [
        base.mark_line(strokeWidth=2).encode(alt.StrokeDash("label:N", scale=patterns, legend=None)),
        best.encode(tooltip=says),
        dots.add_params(near),
    ]
    if style.smooth:
        raw = alt.Y("raw:Q", scale=kind, title=None)
        layers.insert(0, base.mark_line(strokeWidth=1, opacity=FAINT).encode(raw))
    return _without_data(alt.layer(*layers).properties(height=style.height).to_dict(validate=False))


def lines_of(labels: Mapping[str, str], run_ids: Sequence[str]) -> tuple[RunLine, ...]:
    """Return label, colour and dashes of each run, for `curve`."""
    dashes = run_colours.dashes(run_ids)
    return tuple((labels[run_id], run_colours.of(run_id), dashes[run_id]) for run_id in run_ids)


def intervals(points: Sequence[Point], metric: str, better: str) -> Any:
    """Return means with their 95 % intervals, one line per run in the given order."""
    import altair as alt

    order = [point.label for point in points]
    ink = alt.Scale(domain=order, range=[run_colours.of(point.run) for point in points])
    says = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("mean:Q", title=metric, format=".4f"),
        alt.Tooltip("low:Q", title="95 % from", format=".4f"),
        alt.Tooltip("high:Q", title="to", format=".4f"),
    ]
    reach = alt.Scale(zero=False, padding=12)
    base = alt.Chart(_frame(points)).encode(
        alt.Y(
            "label:N",
            sort=order,
            title=None,
            axis=alt.Axis(labelLimit=220, ticks=False, domain=False, labelFlush=False),
        ),
        alt.Color("label:N", scale=ink, legend=None),
        tooltip=says,
    )
    spans = base.mark_rule(strokeWidth=3, opacity=0.45).encode(
        alt.X("low:Q", title=f"{metric} ({better})", scale=reach, axis=alt.Axis(tickCount=6, format=".3~f")),
        alt.X2("high:Q"),
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(alt.X("mean:Q"))
    return (spans + dots).properties(height=max(110, 32 * len(order) + 50))


def bars(table: pd.DataFrame, x: str, y: str, x_title: str, y_title: str) -> Any:
    """Return a histogram; the values of x are names, in the order of the table."""
    import altair as alt

    return (
        alt.Chart(table)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            alt.X(f"{x}:O", title=x_title, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            alt.Y(f"{y}:Q", title=y_title, axis=alt.Axis(tickCount=4, format="~s")),
            tooltip=[alt.Tooltip(f"{x}:N", title=x_title), alt.Tooltip(f"{y}:Q", title=y_title, format=",")],
        )
        .properties(height=220)
    )


def long_tail(ranks: Sequence[tuple[int, int]]) -> Any:
    """Return the interactions of items against their rank, both logarithmic."""
    import altair as alt
    import pandas as pd

    axis = alt.Axis(grid=False, tickCount=3, format="~s")
    scale = alt.Scale(type="log", nice=False)
    base = alt.Chart(pd.DataFrame(ranks, columns=["rank", "count"])).encode(
        alt.X("rank:Q", title="Rank of the item (logarithmic)", scale=scale, axis=axis),
        alt.Y("count:Q", title="Interactions", scale=scale, axis=axis),
        tooltip=[
            alt.Tooltip("rank:Q", title="Rank", format=","),
            alt.Tooltip("count:Q", title="Interactions", format=","),
        ],
    )
    return (base.mark_line(strokeWidth=2) + base.mark_point(opacity=0, size=60)).properties(height=220)


def over_time(months: Sequence[tuple[str, int]]) -> Any:
    """Return interactions per month."""
    import altair as alt
    import pandas as pd

    table = pd.DataFrame(months, columns=["month", "count"])
    table["month"] = pd.to_datetime(table["month"])
    base = alt.Chart(table).encode(
        alt.X("month:T", title="Month", axis=alt.Axis(tickCount=6)),
        alt.Y("count:Q", title="Interactions", axis=alt.Axis(tickCount=5, format="~s")),
        tooltip=[
            alt.Tooltip("month:T", title="Month", format="%b %Y"),
            alt.Tooltip("count:Q", title="Interactions", format=","),
        ],
    )
    filled = base.mark_area(line={"strokeWidth": 2}, opacity=0.25)
    return (filled + base.mark_point(opacity=0, size=60)).properties(height=220)


def parts(users: Sequence[tuple[str, int]]) -> Any:
    """Return how users are divided, as one bar."""
    import altair as alt
    import pandas as pd

    order = [f"{part}: {number:,}" for part, number in users]
    table = pd.DataFrame({"said": order, "users": [number for _, number in users], "place": range(len(users))})
    legend = alt.Legend(orient="bottom", title=None, labelLimit=300)
    return (
        alt.Chart(table)
        .mark_bar(height=26)
        .encode(
            alt.X("users:Q", stack="zero", title=None, axis=None),
            alt.Color("said:N", sort=order, scale=alt.Scale(domain=order), legend=legend),
            alt.Order("place:Q"),
            tooltip=[alt.Tooltip("said:N", title="Users")],
        )
        .properties(height=110)
    )


def trade(points: Sequence[Point], metric: str, axis: Axis, *, lower: bool, theme: str) -> Any:
    """Return quality against something else; on a cost axis those that no other beats in both are joined and named.

    lower: whether a lower value of the metric is better.
    """
    import plotly.graph_objects as go

    places = costs.front([(point.against, point.mean) for point in points], lower=lower) if axis.front else []
    stairs, named = [points[place] for place in places], {points[place].run for place in places}
    height = max(320, 32 * len(points) + 60)
    told = [point.label if point.run in named or not axis.front else "" for point in points]
    sides = labels.places(_spots(points, axis, height), told, "bottom right" if lower else "top right")
    figure = go.Figure()
    figure.add_scatter(
        x=[point.against for point in stairs],
        y=[point.mean for point in stairs],
        mode="lines",
        hoverinfo="skip",
        line={"color": run_colours.MUTED[theme], "width": 1.2, "dash": "dot", "shape": "hv"},
    )
    for point, text, side in zip(points, told, sides, strict=True):
        figure.add_scatter(
            x=[point.against],
            y=[point.mean],
            error_y={"array": [point.high - point.mean], "arrayminus": [point.mean - point.low], "thickness": 1.2},
            mode="markers+text" if text else "markers",
            name=_plain(point.label),
            text=[_plain(text)],
            textposition=side,
            textfont={"color": run_colours.TEXT[theme]},
            marker={"size": 12, "color": run_colours.of(point.run)},
            cliponaxis=False,
            hovertemplate=_hover(point, metric, axis),
        )
    x: dict[str, Any] = {"title": f"{axis.title} (logarithmic)", "type": "log", "tickformat": "~g"}
    reach = [point.against for point in points if point.against > 0]
    if max(reach, default=1) > 100 * min(reach, default=1):
        x["dtick"] = 1  # powers of ten; within two of them Plotly finds finer ticks by itself
    figure.update_layout(
        height=height,
        margin={"l": 10, "r": 70, "t": 20, "b": 10},
        showlegend=False,
        xaxis=x if axis.log else {"title": axis.title, "nticks": 6},
        yaxis={"title": metric, "nticks": 6},
    )
    return figure


def _spots(points: Sequence[Point], axis: Axis, height: float) -> list[tuple[float, float]]:
    """Return about where the points will lie, in pixels: enough to keep their labels apart."""
    across = [math.log10(point.against) if axis.log else point.against for point in points]
    tops = [end for point in points for end in (point.low, point.high)]
    left, wide, low, tall = min(across), (max(across) - min(across)) or 1, min(tops), (max(tops) - min(tops)) or 1
    return [
        (PLOT_WIDTH * (place - left) / wide, (height - 90) * (1 - (point.mean - low) / tall))
        for place, point in zip(across, points, strict=True)
    ]


def parts_of(table: pd.DataFrame, runs: Mapping[str, str], metric: str, along: str) -> Any:
    """Return a metric for parts of users or items, one line per run.

    table: columns part, place, label, mean, low, high, size.  runs: label and run id, best first.  along: what the
    parts are of; a bar in a part's name breaks its line.
    """
    import altair as alt

    order = list(runs)
    ink = alt.Scale(domain=order, range=[run_colours.of(run_id) for run_id in runs.values()])
    shape = alt.Scale(domain=order, range=[SHAPES[place % len(SHAPES)] for place in range(len(order))])
    legend = alt.Legend(
        orient="bottom", title=None, columns=4, labelLimit=130, symbolOpacity=1, symbolSize=70, rowPadding=4, offset=4
    )
    axis = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')", labelPadding=6, labelOverlap=False)
    says = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("span:N", title=along),
        alt.Tooltip("size:Q", title="How many", format=","),
        alt.Tooltip("mean:Q", title=metric, format=".4f"),
        alt.Tooltip("low:Q", title="95 % from", format=".4f"),
        alt.Tooltip("high:Q", title="to", format=".4f"),
    ]
    x = alt.X("part:O", sort=alt.EncodingSortField("place"), title=along, axis=axis)
    base = alt.Chart(table).encode(x, alt.Color("label:N", scale=ink, legend=legend), tooltip=says)
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


def _along(x: str) -> Any:
    import altair as alt

    if x == "seconds":
        return alt.X("seconds:Q", title="Seconds of training", axis=alt.Axis(tickCount=6))
    axis = alt.Axis(tickMinStep=1, tickCount=6, format="d")
    return alt.X("epoch:Q", title="Epoch", axis=axis, scale=alt.Scale(nice=False))


def _without_data(spec: dict[str, Any]) -> dict[str, Any]:
    for name in ("data", "datasets", "$schema", "config"):
        spec.pop(name, None)
    for layer in spec.get("layer", ()):
        layer.pop("data", None)
    return spec


def _frame(points: Sequence[Point]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([asdict(point) for point in points])


def _hover(point: Point, metric: str, axis: Axis) -> str:
    note = f"<br>{_plain(point.note)}" if point.note else ""
    said = f"{_plain(point.label)}<br>{metric} %{{y:.4f}}<br>{_plain(axis.title)} %{{x:.3~g}}{note}"
    return f"{said}<extra></extra>"


def _plain(text: str) -> str:
    """Plotly reads a little HTML in its texts, and fields in braces."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "%&#123;")

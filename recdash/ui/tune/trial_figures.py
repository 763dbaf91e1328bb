"""Figures of trials: history and importance in Altair, the contour of two settings in Plotly."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recdash.settings import format_setting
from recdash.ui.charts import parallel_coordinates, theme_colours

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.tuning import Study
    from recdash.services.tuning_studies import Trial
    from recdash.tuning.importance import Contour
    from recdash.tuning.search_space import Dimension

HEIGHT = 280  # pixels of the history
CONTOUR_HEIGHT = 420
_BAR = 34  # pixels of a bar with its gap
_FENCE = 2.0  # interquartile ranges beyond the worse quartile at which the axis ends
_COMPLETE = {"light": "#2d69de", "dark": "#558efd"}
_PRUNED = {"light": "#8a5a00", "dark": "#d9b36c"}


def history_table(study: Study, trials: Sequence[Trial]) -> tuple[pd.DataFrame, int]:
    """Return one row per trial, and how many of them are drawn at the edge because they are far worse than the rest."""
    import pandas as pd  # lazy: pandas

    metric, best, rows = study.metric, None, []
    edge = _edge([float(trial.value or 0.0) for trial in trials], metric.sign)
    of_preset = study.of_preset.value if study.of_preset else None
    for trial in trials:
        value = float(trial.value or 0.0)
        if trial.state == "complete" and metric.is_better(value, best):
            best = value
        shown = value if edge is None or metric.sign * value >= metric.sign * edge else edge
        settings = ", ".join(f"{name} = {format_setting(one)}" for name, one in trial.params.items())
        rows.append((trial.number, shown, f"{value:.4f}", best, of_preset, trial.state, settings))
    columns = ["number", "shown", "value", "best", "preset", "state", "settings"]
    table = pd.DataFrame(rows, columns=columns).astype({"best": "float64", "preset": "float64"})
    return table, sum(abs(row[1] - float(trial.value or 0.0)) > 0 for row, trial in zip(rows, trials, strict=True))


def _edge(values: Sequence[float], sign: int) -> float | None:
    """Return where the axis ends on its worse side, so that one failed attempt does not flatten the rest."""
    if len(values) < 4:
        return None
    ordered = sorted(sign * value for value in values)
    low, _, high = statistics.quantiles(ordered, n=4)
    fence = low - _FENCE * (high - low)
    inside = [value for value in ordered if value >= fence]
    return None if len(inside) == len(ordered) else sign * min(inside)


def history_chart(metric: str, preset: str, theme: str) -> Any:
    """Return value by trial with the line of the best so far and that of the preset; without data."""
    import altair as alt  # lazy: altair

    scale = alt.Scale(zero=False, padding=10)
    axis = alt.Axis(tickMinStep=1, tickCount=8, format="d", grid=False)
    x = alt.X("number:Q", title="Trial", axis=axis, scale=alt.Scale(nice=False, zero=False, padding=12))
    title = f"Validation {metric}"
    base = alt.Chart().encode(x)
    tooltip = [
        alt.Tooltip("number:Q", title="Trial"),
        alt.Tooltip("value:N", title=title),
        alt.Tooltip("state:N", title="State"),
        alt.Tooltip("best:Q", title="Best so far", format=".4f"),
        alt.Tooltip("settings:N", title="Settings"),
    ]
    of_preset = base.mark_line(strokeDash=[5, 4], strokeWidth=1.5, color=theme_colours.MUTED[theme]).encode(
        alt.Y("preset:Q", title=f"{title} (dashed: preset {preset})", scale=scale, axis=alt.Axis(format=".3~f"))
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2.5, color=_COMPLETE[theme]).encode(
        alt.Y("best:Q", scale=scale)
    )
    states = ["complete", "pruned"]
    colours = alt.Scale(domain=states, range=[_COMPLETE[theme], _PRUNED[theme]])
    shapes = alt.Scale(domain=states, range=["circle", "triangle-down"])
    legend = alt.Legend(title=None, orient="top", direction="horizontal")
    points = base.mark_point(filled=True, size=70, opacity=0.9).encode(
        alt.Y("shown:Q", scale=scale),
        alt.Color("state:N", scale=colours, legend=legend),
        alt.Shape("state:N", scale=shapes, legend=legend),
        tooltip=tooltip,
    )
    return alt.layer(of_preset, line, points).properties(height=HEIGHT)


def importance_table(shares: Mapping[str, float]) -> pd.DataFrame:
    """Return one row per setting, the most important first."""
    import pandas as pd  # lazy: pandas

    rows = [(name, share, f"{share:.0%}") for name, share in shares.items()]
    return pd.DataFrame(rows, columns=["setting", "share", "text"])


def importance_chart(n_settings: int, theme: str) -> Any:
    """Return horizontal bars of shares with their values; without data."""
    import altair as alt  # lazy: altair

    axis = alt.Axis(labelLimit=200, ticks=False, domain=False)
    base = alt.Chart().encode(
        alt.Y("setting:N", sort=None, title=None, axis=axis),
        alt.X("share:Q", title="Share", axis=alt.Axis(format=".0%", tickCount=5), scale=alt.Scale(domainMin=0)),
        tooltip=[alt.Tooltip("setting:N", title="Setting"), alt.Tooltip("share:Q", title="Share", format=".1%")],
    )
    bars = base.mark_bar(cornerRadiusEnd=2, color=_COMPLETE[theme])
    texts = base.mark_text(align="left", dx=4, color=theme_colours.TEXT[theme]).encode(alt.Text("text:N"))
    return (bars + texts).properties(height=max(80, _BAR * n_settings))


def contour_figure(study: Study, found: Contour, first: str, second: str, metric: str, theme: str) -> Any:
    """Return the interpolated validation value over two settings, with a dot per trial."""
    import plotly.graph_objects as go  # lazy: plotly

    dimensions = {dimension.name: dimension for dimension in study.spec.dimensions}
    across, up = dimensions[first], dimensions[second]
    trials = [
        trial
        for trial in study.trials
        if trial.is_ended
        and trial.value is not None
        and across.share_of(trial.params.get(first)) is not None
        and up.share_of(trial.params.get(second)) is not None
    ]
    surface = go.Contour(
        x=_places(across, found.x), y=_places(up, found.y), z=found.z.tolist(),
        colorscale=[list(stop) for stop in parallel_coordinates.SCALES[theme]],
        reversescale=not study.metric.higher_is_better, ncontours=12,
        line={"width": 0.5}, colorbar={"title": {"text": metric}, "thickness": 12, "tickformat": ".3~f"},
        hovertemplate=f"{first} %{{x}}<br>{second} %{{y}}<br>{metric} %{{z:.4f}}<extra>interpolated</extra>",
    )  # fmt: skip
    dots = go.Scatter(
        x=_places(across, [trial.params[first] for trial in trials]),
        y=_places(up, [trial.params[second] for trial in trials]),
        mode="markers", showlegend=False, text=[f"trial {trial.number}: {trial.value:.4f}" for trial in trials],
        marker={"color": "#ffffff", "size": 8, "line": {"color": "#131826", "width": 1.5}},
        hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
    plot = go.Figure([surface, dots])
    plot.update_layout(height=CONTOUR_HEIGHT, margin={"l": 60, "r": 10, "t": 10, "b": 50})
    plot.update_xaxes(title=first, **_axis(across))
    plot.update_yaxes(title=second, **_axis(up))
    return plot


def _axis(dimension: Dimension) -> dict[str, Any]:
    if dimension.choices:
        return {"type": "category", "categoryarray": [format_setting(one) for one in dimension.choices]}
    return {"type": "log", "dtick": 1} if dimension.log else {}


def _places(dimension: Dimension, values: Sequence[Any]) -> list[Any]:
    return [format_setting(value) for value in values] if dimension.choices else list(values)

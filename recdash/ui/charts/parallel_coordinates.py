"""Settings and quality of many runs as parallel coordinates, in Plotly: ranges are brushed on the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recdash.settings import format_setting
from recdash.ui.charts import theme_colours

HEIGHT = 410  # pixels
MAX_AXES = 9  # more axes are too close to brush
_LOG_FROM = 20  # ratio of the largest to the smallest positive value from which an axis is logarithmic
_MAX_TICKS = 8  # different numbers that are ticks of their own
_NONE = "–"
SCALES = {  # from worst to best; visible on either background
    "light": ((0.0, "#d9b36c"), (0.5, "#4f8fbf"), (1.0, "#1d2f8f")),
    "dark": ((0.0, "#6b4a1f"), (0.5, "#3f7bea"), (1.0, "#b9f0d2")),
}


@dataclass(frozen=True)
class Coordinate:
    """One axis: its title and the value of each run, None for a run without it."""

    title: str
    values: Sequence[Any]


def figure(coordinates: Sequence[Coordinate], metric: str, values: Sequence[float], *, lower: bool, theme: str) -> Any:
    """Return a parallel coordinates plot; the last axis and the colour are the metric.

    Args:
        coordinates: Axes before that of the metric.
        metric: Title of the metric.
        values: The metric of each run.
        lower: Whether lower values are better: then the scale of the colours is reversed.
        theme: "light" or "dark".
    """
    import plotly.graph_objects as go  # lazy: plotly

    axes = [dimension(one) for one in coordinates[:MAX_AXES]]
    axes.append({"label": _escaped(metric), "values": list(values), "tickformat": ".3~f"})
    lines = go.Parcoords(
        dimensions=axes,
        line={
            "color": list(values),
            "colorscale": [list(stop) for stop in SCALES[theme]],
            "reversescale": lower,
            "showscale": True,
            "colorbar": {"title": {"text": _escaped(metric)}, "thickness": 12, "tickformat": ".3~f"},
        },
        labelfont={"color": theme_colours.TEXT[theme], "size": 13},
        tickfont={"color": theme_colours.TEXT[theme], "size": 11},
        rangefont={"color": theme_colours.MUTED[theme], "size": 10},
        unselected={"line": {"color": theme_colours.MUTED[theme], "opacity": 0.12}},
    )
    plot = go.Figure(lines)
    plot.update_layout(height=HEIGHT, margin={"l": 70, "r": 20, "t": 60, "b": 30})
    return plot


def dimension(coordinate: Coordinate) -> dict[str, Any]:
    """Return one axis as Plotly takes it.

    Numbers over a wide range get a logarithmic axis. Texts, and numbers of few different values, have evenly spaced
    ticks. Runs without a value are at a tick of their own, at the bottom.
    """
    present = [value for value in coordinate.values if value is not None]
    numeric = bool(present) and all(_is_number(value) for value in present)
    distinct = sorted(set(present)) if numeric else sorted({format_setting(value) for value in present})
    label = _escaped(coordinate.title)
    if not numeric or len(distinct) <= _MAX_TICKS:
        texts = [format_setting(value) for value in distinct] if numeric else [str(value) for value in distinct]
        places: dict[Any, int] = {text: place for place, text in enumerate(texts)}
        missing = len(present) < len(coordinate.values)
        values = [-1 if value is None else places[format_setting(value)] for value in coordinate.values]
        ticks = ([(-1, _NONE)] if missing else []) + [(place, text) for text, place in places.items()]
        return {
            "label": label,
            "values": values,
            "tickvals": [place for place, _ in ticks],
            "ticktext": [_escaped(text) for _, text in ticks],
            "range": [min(place for place, _ in ticks) - 0.2, max(place for place, _ in ticks) + 0.2],
        }
    numbers = [float(value) for value in distinct]
    low, high = min(numbers), max(numbers)
    logarithmic = low > 0 and high / low >= _LOG_FROM
    scaled = {value: math.log10(value) if logarithmic else value for value in numbers}
    bottom, top = min(scaled.values()), max(scaled.values())
    below = bottom - 0.12 * (top - bottom)
    values_ = [below if value is None else scaled[float(value)] for value in coordinate.values]
    tickvals, ticktext = _ticks(low, high, logarithmic)
    if len(present) < len(coordinate.values):
        tickvals, ticktext = [below, *tickvals], [_NONE, *ticktext]
        bottom = below
    return {"label": label, "values": values_, "tickvals": tickvals, "ticktext": ticktext, "range": [bottom, top]}


def _ticks(low: float, high: float, logarithmic: bool) -> tuple[list[float], list[str]]:
    if logarithmic:
        exponents = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        inner = [10.0**exponent for exponent in exponents]
        shown = sorted({low, *inner, high})
        return [math.log10(value) for value in shown], [f"{value:.3g}" for value in shown]
    shown = [low + (high - low) * part / 4 for part in range(5)]
    return shown, [f"{value:.3g}" for value in shown]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _escaped(text: str) -> str:
    """Escape text for Plotly, which interprets some HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")

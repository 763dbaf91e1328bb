"""Learning curves in Altair. The specification is built once; while a run trains, only its data is sent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from recdash.ui.charts.primitives import RunLine

RAW_OPACITY = 0.22  # of the raw line behind a smoothed one


@dataclass(frozen=True)
class CurveStyle:
    """Style of the chart of one epoch value.

    Args:
        title: Title of the value in tooltips.
        x: "epoch" or "seconds".
        log: Whether the vertical axis is logarithmic.
        smooth: Whether the raw line is drawn behind the smoothed one.
        height: Height in pixels.
        number: d3 number format of the value.
    """

    title: str
    x: str = "epoch"
    log: bool = False
    smooth: bool = False
    height: int = 240
    number: str = ",.4~r"


@lru_cache(maxsize=128)
def vega_spec(style: CurveStyle, lines: tuple[RunLine, ...]) -> dict[str, Any]:
    """Return a Vega-Lite specification for data with columns label, epoch, seconds, value, raw and best."""
    import altair as alt  # lazy: altair

    domain = [label for label, _, _ in lines]
    kind = alt.Scale(type="log", nice=False) if style.log else alt.Scale(zero=False, nice=True)
    x = _x_axis(style.x)
    y = alt.Y("value:Q", scale=kind, title=None, axis=alt.Axis(tickCount=5, format=style.number))
    colour = alt.Color("label:N", scale=alt.Scale(domain=domain, range=[colour for _, colour, _ in lines]), legend=None)
    patterns = alt.Scale(domain=domain, range=[list(dashes) or [1, 0] for _, _, dashes in lines])
    nearest = alt.selection_point(
        name="near", nearest=True, on="pointerover", fields=[style.x], empty=False, clear="pointerout"
    )
    tooltip = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip("seconds:Q", title="Seconds", format=",.1f"),
        alt.Tooltip("raw:Q", title=style.title, format=style.number),
    ]
    base = alt.Chart().encode(x, y, colour, alt.Detail("label:N"))
    hover = base.mark_point(size=46, filled=True).encode(
        opacity=alt.condition(nearest, alt.value(1), alt.value(0)), tooltip=tooltip
    )
    best = base.transform_filter("datum.best").mark_point(size=110, shape="diamond", filled=True, opacity=1)
    layers = [
        base.mark_line(strokeWidth=2).encode(alt.StrokeDash("label:N", scale=patterns, legend=None)),
        best.encode(tooltip=tooltip),
        hover.add_params(nearest),
    ]
    if style.smooth:
        raw = alt.Y("raw:Q", scale=kind, title=None)
        layers.insert(0, base.mark_line(strokeWidth=1, opacity=RAW_OPACITY).encode(raw))
    return _without_data(alt.layer(*layers).properties(height=style.height).to_dict(validate=False))


def _x_axis(x: str) -> Any:
    import altair as alt  # lazy: altair

    if x == "seconds":
        return alt.X("seconds:Q", title="Training time (s)", axis=alt.Axis(tickCount=6))
    axis = alt.Axis(tickMinStep=1, tickCount=6, format="d")
    return alt.X("epoch:Q", title="Epoch", axis=axis, scale=alt.Scale(nice=False))


def _without_data(spec: dict[str, Any]) -> dict[str, Any]:
    for name in ("data", "datasets", "$schema", "config"):
        spec.pop(name, None)
    for layer in spec.get("layer", ()):
        layer.pop("data", None)
    return spec

"""Altair charts whose specification stays the same while their data grow, so that they are redrawn without flicker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    import pandas as pd

PLOT_HEIGHT = 240  # pixels, of charts that name none
AXIS_HEIGHT = 52  # pixels of the horizontal axis with its title


def show(chart: Any, table: pd.DataFrame, *, key: str, alt: str) -> None:
    """Draw an Altair chart of a table; draws nothing without rows, whose scales would have an empty domain.

    Args:
        chart: A single or layered chart without data of its own.
        table: Its data.
        key: Key of the element, unique on the page.
        alt: Text for readers who do not see the chart.
    """
    if table.empty:
        return
    spec = chart.to_dict(validate=False)
    for part in (spec, *spec.get("layer", ())):
        for name in ("data", "datasets", "$schema", "config"):
            part.pop(name, None)
    # A named dataset is there before the first drawing; one passed as `data` comes after it, and Vega warns of scales
    # with an infinite extent.
    spec |= {"datasets": {"rows": table}, "data": {"name": "rows"}}
    height = int(spec.pop("height", PLOT_HEIGHT)) + AXIS_HEIGHT
    st.vega_lite_chart(spec, key=key, width="stretch", height=height, alt=alt)  # a number reserves the space at once


def epoch_axis(field: str = "epoch:Q", *, title: str = "Epoch") -> Any:
    """Return a horizontal axis of epochs."""
    import altair as alt  # lazy: altair

    axis = alt.Axis(tickMinStep=1, tickCount=6, format="d", grid=False)
    return alt.X(field, title=title, axis=axis, scale=alt.Scale(nice=False, zero=False))


def hover_rule(base: Any, field: str, tooltip: list[Any]) -> Any:
    """Return a vertical rule at the nearest epoch, whose tooltip has all values of it."""
    import altair as alt  # lazy: altair

    nearest = alt.selection_point(
        name="near", nearest=True, on="pointerover", fields=[field], empty=False, clear="pointerout"
    )
    return (
        base.mark_rule(strokeWidth=1, color="gray", aria=False)
        .encode(opacity=alt.condition(nearest, alt.value(0.7), alt.value(0)), tooltip=tooltip)
        .add_params(nearest)
    )

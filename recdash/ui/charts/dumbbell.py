"""Dumbbell charts: each line runs from the published number to the corrected one. No Streamlit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STAGES = {
    "published": "Published",
    "as_published": "As published, recomputed",
    "corrected": "Corrected",
    "common": "Common protocol",
}
COLOURS = {"published": "#dc4357", "as_published": "#d5640c", "corrected": "#0b8f67", "common": "#3f7bea"}
SHAPES = {"published": "circle", "as_published": "circle", "corrected": "circle", "common": "diamond"}
SIZES = {"published": 150, "as_published": 60, "corrected": 170, "common": 90}
_ROW = 44  # pixels


def draw(rows: Sequence[Mapping[str, Any]], *, title: str) -> Any:
    """Return a chart with one line per row; values that are not computed yet are left out.

    Args:
        rows: rows of a document of `services.reproduce`.
        title: title of the x axis: metric and unit.
    """
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    order = [row["title"] for row in rows]
    points = pd.DataFrame(
        [
            {"title": row["title"], "stage": STAGES[stage], "value": row[stage]}
            for row in rows
            for stage in STAGES
            if row[stage] is not None
        ],
        columns=["title", "stage", "value"],
    )
    spans = pd.DataFrame(
        [
            {"title": row["title"], "from": start, "to": row["corrected"]}
            for row in rows
            if (start := _start(row)) is not None and row["corrected"] is not None
        ],
        columns=["title", "from", "to"],
    )
    x = alt.Scale(zero=False, padding=18)
    y = alt.Y(
        "title:N",
        sort=order,
        title=None,
        scale=alt.Scale(domain=order),
        axis=alt.Axis(labelLimit=150, ticks=False, domain=False, grid=True, labelFontSize=13, labelFlush=False),
    )
    number = alt.Axis(tickCount=6, format=".2f", grid=True, titleAnchor="end")  # on a phone it would end outside
    lines = (
        alt.Chart(spans)
        .mark_rule(strokeWidth=5, opacity=0.36, strokeCap="round", color=COLOURS["corrected"])
        .encode(y, alt.X("from:Q", title=title, scale=x, axis=number), alt.X2("to:Q"))
    )
    kinds = list(STAGES)
    domain = alt.Scale(domain=[STAGES[kind] for kind in kinds], range=[COLOURS[kind] for kind in kinds])
    base = alt.Chart(points).encode(
        y,
        alt.X("value:Q", title=title, scale=x, axis=number),
        alt.Color("stage:N", scale=domain, legend=None),
        tooltip=[
            alt.Tooltip("title:N", title="Model"),
            alt.Tooltip("stage:N", title="Column"),
            alt.Tooltip("value:Q", title="Value", format=".4f"),
        ],
    )
    layers = [] if spans.empty else [lines]  # Vega warns of a layer without rows
    drawn = set(points["stage"])
    for kind in ("common", "corrected", "published", "as_published"):
        if STAGES[kind] not in drawn:
            continue
        mark = base.transform_filter(alt.datum.stage == STAGES[kind])
        layers.append(
            mark.mark_point(
                filled=kind != "published",
                size=SIZES[kind],
                shape=SHAPES[kind],
                strokeWidth=2.4,
                opacity=1,
            )
        )
    for kind in ("corrected", "published"):
        if STAGES[kind] in drawn:
            values = base.transform_filter(alt.datum.stage == STAGES[kind])
            text = values.mark_text(dy=-15, fontSize=12, fontWeight=600 if kind == "corrected" else 400)
            layers.append(text.encode(alt.Text("value:Q", format=".3f")))
    return alt.layer(*layers).properties(height=_ROW * len(order) + 50)


def alt_text(row: Mapping[str, Any]) -> str:
    """Return the values of one row as text, for screen readers."""
    parts = [f"{STAGES[stage].lower()} {row[stage]:.4f}" for stage in STAGES if row[stage] is not None]
    return f"{row['title']}: {', '.join(parts) or 'not computed yet'}"


def _start(row: Mapping[str, Any]) -> float | None:
    found: float | None = row["published"] if row["published"] is not None else row["as_published"]
    return found

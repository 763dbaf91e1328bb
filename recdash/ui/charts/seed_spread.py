"""Values of single seeds around their mean, one row per setting, in Altair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recdash.runs import run_colours


@dataclass(frozen=True)
class SeedPoint:
    """One run: label of its setting, id, training seed, value, and the mean of the setting."""

    label: str
    run: str
    seed: int
    value: float
    mean: float


def seed_chart(points: Sequence[SeedPoint], metric: str, better: str) -> Any:
    """Return a strip plot: a dot per seed and a tick at the mean, one row per setting in order."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    order = list(dict.fromkeys(point.label for point in points))
    table = pd.DataFrame([{**asdict(point), "colour": run_colours.colour_of(point.run)} for point in points])
    scale = alt.Scale(zero=False, padding=12)
    y = alt.Y(
        "label:N", sort=order, title=None, axis=alt.Axis(labelLimit=220, ticks=False, domain=False, labelFlush=False)
    )
    base = alt.Chart(table).encode(y)
    tooltip = [
        alt.Tooltip("label:N", title="Setting"),
        alt.Tooltip("seed:O", title="Training seed"),
        alt.Tooltip("value:Q", title=metric, format=".4f"),
        alt.Tooltip("mean:Q", title="Mean over seeds", format=".4f"),
    ]
    x = alt.X("value:Q", title=f"{metric} ({better})", scale=scale, axis=alt.Axis(tickCount=6, format=".3~f"))
    dots = base.mark_point(filled=True, size=80, opacity=0.75).encode(
        x, alt.Color("colour:N", scale=None), tooltip=tooltip
    )
    means = base.mark_tick(thickness=3, size=20, color="#667085").encode(alt.X("mean:Q", scale=scale), tooltip=tooltip)
    return (means + dots).properties(height=max(110, 30 * len(order) + 50))

"""Distributions of a dataset and user counts of a split, in Altair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def histogram(table: pd.DataFrame, x: str, y: str, x_title: str, y_title: str) -> Any:
    """Return a histogram; the values of x are category names in the order of the table."""
    import altair as alt  # lazy: altair

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
    """Return the number of interactions of each item against its popularity rank, on logarithmic axes."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    axis = alt.Axis(grid=False, tickCount=3, format="~s")
    scale = alt.Scale(type="log", nice=False)
    base = alt.Chart(pd.DataFrame(ranks, columns=["rank", "count"])).encode(
        alt.X("rank:Q", title="Popularity rank of the item (log scale)", scale=scale, axis=axis),
        alt.Y("count:Q", title="Interactions (log scale)", scale=scale, axis=axis),
        tooltip=[
            alt.Tooltip("rank:Q", title="Rank", format=","),
            alt.Tooltip("count:Q", title="Interactions", format=","),
        ],
    )
    return (base.mark_line(strokeWidth=2) + base.mark_point(opacity=0, size=60)).properties(height=220)


def interactions_per_month(months: Sequence[tuple[str, int]]) -> Any:
    """Return an area chart of interactions per month."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

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


def user_split(users: Sequence[tuple[str, int]]) -> Any:
    """Return one stacked bar of the number of users in each part of a split."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    order = [f"{part}: {number:,}" for part, number in users]
    table = pd.DataFrame({"part": order, "users": [number for _, number in users], "position": range(len(users))})
    legend = alt.Legend(orient="bottom", title=None, labelLimit=300)
    return (
        alt.Chart(table)
        .mark_bar(height=26)
        .encode(
            alt.X("users:Q", stack="zero", title=None, axis=None),
            alt.Color("part:N", sort=order, scale=alt.Scale(domain=order), legend=legend),
            alt.Order("position:Q"),
            tooltip=[alt.Tooltip("part:N", title="Users")],
        )
        .properties(height=110)
    )

"""Pictures of one table of results: how sure, at what cost, for whom, with which items, how varied."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.costs import COSTS
from recdash.reporting.formatting import plural
from recdash.ui import cache, glossary
from recdash.ui.charts import basic
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.slices import SliceView

TABS = ("Certainty and cost", "Users and items", "Variety of the lists")
VARIETY = ("coverage@100", "novelty@100", "gini@100", "coverage@10", "novelty@10", "gini@10")
MOST = 8  # lines in a picture of parts
PARTS = {
    "activity": ("Who is served well?", "by what a model reads of a user", "Interactions of the user"),
    "popularity": ("With which items?", "by popularity of the item", "Training users of the item"),
}


def show(group: Group, columns: Sequence[str], place: str) -> None:
    """Show the pictures of one group; only the open tab is computed. place: tells this group from the others."""
    there = [name for name in VARIETY if any(name in row.metrics for row in group.rows)]
    names = [name for name in TABS if name != TABS[2] or there]
    tabs = st.tabs(names, key=f"views.{place}", on_change="rerun")
    for name, tab in zip(names, tabs, strict=True):
        if tab.open:
            with tab:
                draw: dict[str, Callable[[], None]] = {
                    TABS[0]: partial(_certainty_and_cost, group, columns, place),
                    TABS[1]: partial(_users_and_items, group, place),
                    TABS[2]: partial(_variety, group, there, place),
                }
                draw[name]()


def _certainty_and_cost(group: Group, columns: Sequence[str], place: str) -> None:
    offered = list(dict.fromkeys([group.primary, *columns]))
    offered = [name for name in offered if any(name in row.metrics for row in group.rows)]
    if not offered:
        return
    metric = _pick("Metric in the charts", offered, glossary.metric, f"metric.{place}")
    points, title, better = (
        result_tables.points(group, metric),
        glossary.metric(metric),
        result_tables.direction(metric),
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**How sure are we?** :gray[:small[{title}, mean and 95 % interval]]", help=glossary.metric_help(metric)
        )
        said = f"{title} with 95 % intervals, best first: {', '.join(point.label for point in points)}"
        chart = basic.intervals(points, title, better)
        st.altair_chart(chart, key=f"intervals.{place}", width="stretch", alt=said)
    with right:
        st.markdown("**What does it cost?** :gray[:small[named and joined: nothing is better and cheaper]]")
        _cost(group, metric, place)


def _cost(group: Group, metric: str, place: str) -> None:
    name = _pick("Cost", list(COSTS), lambda one: COSTS[one].title, f"cost.{place}")
    cost, title = COSTS[name], glossary.metric(metric)

    def against(row: ResultRow) -> float | None:
        value = cost.value(row)
        return None if value is None else max(value, cost.least)

    points = result_tables.points(group, metric, against=against)
    _blanks(len([row for row in group.rows if metric in row.metrics]) - len(points), cost.title.lower())
    if points:
        axis = basic.Axis(f"{cost.unit[0].upper()}{cost.unit[1:]}", log=True, front=True)
        lower = result_tables.direction(metric) == "lower is better"
        figure = basic.trade(points, title, axis, lower=lower, theme=theme())
        said = f"{title} against {cost.unit}"
        st.plotly_chart(figure, key=f"trade.{place}", width="stretch", config={"displaylogo": False}, alt=said)
    st.caption(cost.help)


def _users_and_items(group: Group, place: str) -> None:
    left, right = st.columns(2, gap="large")
    for column, by in ((left, "activity"), (right, "popularity")):
        question, how, along = PARTS[by]
        with column:
            found = cache.parts(group, by)
            title = glossary.metric(found.metric)
            st.markdown(f"**{question}** :gray[:small[{title} {how}, 95 % intervals]]", help=_about(by, group.task))
            shown = [row for row in result_tables.chosen(group, found.metric) if row.run.id in found.cells]
            _blanks(len(found.missing), "it")
            if shown:
                shown = shown[:MOST]
                names = result_tables.labels(shown)
                runs = {names[row.run.id]: row.run.id for row in shown}
                chart = basic.parts_of(_table(found, runs), runs, title, along)
                said = f"{title} {how}, for {', '.join(runs)}"
                st.altair_chart(chart, key=f"{by}.{place}", width="stretch", alt=said)


def _variety(group: Group, there: Sequence[str], place: str) -> None:
    primary = glossary.metric(group.primary)
    st.markdown(
        f"**How varied are the lists?** :gray[:small[{primary} against coverage, novelty or Gini]]",
        help="Whoever lists the same popular items for everybody can be accurate, and shows little of the catalogue.",
    )
    other = _pick("Variety", there, glossary.metric, f"variety.{place}")
    points = result_tables.points(
        group, group.primary, against=lambda row: row.metrics[other].mean if other in row.metrics else None
    )
    axis = basic.Axis(glossary.metric(other))
    lower = result_tables.direction(group.primary) == "lower is better"
    figure = basic.trade(points, primary, axis, lower=lower, theme=theme())
    said = f"{primary} against {glossary.metric(other)}"
    st.plotly_chart(figure, key=f"variety.chart.{place}", width="stretch", config={"displaylogo": False}, alt=said)
    st.caption(glossary.metric_help(other))


def _table(found: SliceView, runs: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for label, run_id in runs.items():
        for place, (part, cell) in enumerate(zip(found.parts, found.cells[run_id], strict=True)):
            if math.isfinite(cell.mean):
                noun = "user" if found.by == "activity" else "item"
                name = f"{part.name}|{plural(part.size, noun)}"
                rows.append((name, place, part.name, part.size, label, cell.mean, cell.low, cell.high))
    return pd.DataFrame(rows, columns=["part", "place", "span", "size", "label", "mean", "low", "high"])


def _about(by: str, task: str) -> str:
    if by == "activity":
        reads = "training ratings" if task == "rating" else "fold-in items"
        return f"Test users in quarters by the number of their {reads}, the least active first."
    whole = "" if task == "rating" else " The lists stay whole; only held-out items of that part count as wanted."
    return f"Items in four parts that share the training interactions evenly, the rarest first.{whole}"


def _blanks(number: int, what: str) -> None:
    if number > 0:
        st.caption(f"{plural(number, 'run')} of an earlier version did not record {what}; train again to see it.")


def _pick(label: str, offered: Sequence[str], name: Callable[[str], str], key: str) -> str:
    chosen = st.pills(
        label,
        offered,
        required=True,
        format_func=name,
        default=offered[0],
        key=key,
        label_visibility="collapsed",
    )
    return chosen if chosen in offered else offered[0]


def theme() -> str:
    """Return the theme that the page is shown in."""
    return "dark" if st.context.theme.type == "dark" else "light"

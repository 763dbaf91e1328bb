"""Charts of one results table: intervals, cost, slices of users and items, coverage and novelty."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.costs import COSTS
from recdash.analysis.metric_info import averaging
from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import plural
from recdash.ui import cache, glossary
from recdash.ui.charts import intervals, slices, tradeoff
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.slices import SliceView

TABS = ("Intervals and cost", "Users and items", "Coverage and novelty")
LIST_METRICS = ("coverage@100", "novelty@100", "gini@100", "coverage@10", "novelty@10", "gini@10")
MAX_RUNS = 8  # in a chart of slices; more marks would overlap
SLICES = {
    "activity": (
        "Quality by user activity",
        "of test users by number of {inputs}",
        "{inputs} of the user",
    ),
    "popularity": (
        "Quality by item popularity",
        "on test users by popularity of the item",
        "Training users of the item",
    ),
}


def draw_tabs(group: Group, columns: Sequence[str], key: str) -> None:
    """Draw the charts of one group in tabs; only the open tab is computed. `key` identifies the group's widgets."""
    available = [name for name in LIST_METRICS if any(name in row.metrics for row in group.rows)]
    names = [name for name in TABS if name != TABS[2] or available]
    tabs = st.tabs(names, key=f"views.{key}", on_change="rerun")
    for name, tab in zip(names, tabs, strict=True):
        if tab.open:
            with tab:
                draw: dict[str, Callable[[], None]] = {
                    TABS[0]: partial(_intervals_and_cost, group, columns, key),
                    TABS[1]: partial(_users_and_items, group, key),
                    TABS[2]: partial(_coverage_and_novelty, group, available, key),
                }
                draw[name]()


def _intervals_and_cost(group: Group, columns: Sequence[str], key: str) -> None:
    offered = list(dict.fromkeys([group.primary, *columns]))
    offered = [name for name in offered if any(name in row.metrics for row in group.rows)]
    if not offered:
        return
    metric = _pills("Chart metric", offered, glossary.metric, f"metric.{key}")
    points, title, better = (
        result_tables.points(group, metric),
        glossary.metric(metric),
        result_tables.direction_label(metric),
    )
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(
            f"**Quality with intervals** :gray[:small[{title}, {averaging(metric)}, with 95% interval]]",
            help=glossary.metric_help(metric),
        )
        alt = f"{title} with 95% intervals, best first: {', '.join(point.label for point in points)}"
        chart = intervals.interval_chart(points, title, better)
        st.altair_chart(chart, key=f"intervals.{key}", width="stretch", alt=alt)
    with right:
        st.markdown("**Quality against cost** :gray[:small[line and labels: Pareto front]]")
        _cost(group, metric, key)


def _cost(group: Group, metric: str, key: str) -> None:
    name = _pills("Cost", list(COSTS), lambda one: COSTS[one].title, f"cost.{key}")
    cost, title = COSTS[name], glossary.metric(metric)

    def cost_of(row: ResultRow) -> float | None:
        value = cost.value(row)
        return None if value is None else max(value, cost.minimum)

    points = result_tables.points(group, metric, x=cost_of)
    _missing_note(len([row for row in group.rows if metric in row.metrics]) - len(points), cost.title.lower())
    if points:
        axis = tradeoff.Axis(f"{cost.unit[0].upper()}{cost.unit[1:]}", log=True, pareto=True)
        lower = result_tables.direction_label(metric) == "lower is better"
        figure = tradeoff.scatter(points, title, axis, lower=lower, theme=current_theme())
        alt = f"{title} against {cost.unit}"
        st.plotly_chart(figure, key=f"trade.{key}", width="stretch", config={"displaylogo": False}, alt=alt)
    st.caption(cost.help)


def _users_and_items(group: Group, key: str) -> None:
    inputs = _inputs(group.task)
    left, right = st.columns(2, gap="large")
    for column, by in ((left, "activity"), (right, "popularity")):
        heading, slices_of, along = (text.format(inputs=inputs) for text in SLICES[by])
        along = along[0].upper() + along[1:]
        with column:
            found = cache.slices(group, by)
            title = glossary.metric(found.metric)
            st.markdown(
                f"**{heading}** :gray[:small[{title} {slices_of}, 95% intervals]]", help=_slice_help(by, group.task)
            )
            shown = [row for row in result_tables.ranked_rows(group, found.metric) if row.run.id in found.cells]
            _missing_note(len(found.missing), "the values per user")
            if shown:
                shown = shown[:MAX_RUNS]
                names = run_labels([row.run for row in shown])
                runs = {names[row.run.id]: row.run.id for row in shown}
                chart = slices.slice_chart(_slice_table(found, runs), runs, title, along)
                alt = f"{title} {slices_of}, for {', '.join(runs)}"
                st.altair_chart(chart, key=f"{by}.{key}", width="stretch", alt=alt)


def _coverage_and_novelty(group: Group, available: Sequence[str], key: str) -> None:
    primary = glossary.metric(group.primary)
    st.markdown(
        f"**Quality against coverage and novelty** :gray[:small[{primary} against coverage, novelty or Gini index]]",
        help="A model that recommends the same popular items to everyone can be accurate and still cover little of the "
        "catalogue.",
    )
    other = _pills("List metric", available, glossary.metric, f"variety.{key}")
    points = result_tables.points(
        group, group.primary, x=lambda row: row.metrics[other].mean if other in row.metrics else None
    )
    axis = tradeoff.Axis(glossary.metric(other))
    lower = result_tables.direction_label(group.primary) == "lower is better"
    figure = tradeoff.scatter(points, primary, axis, lower=lower, theme=current_theme())
    alt = f"{primary} against {glossary.metric(other)}"
    st.plotly_chart(figure, key=f"variety.chart.{key}", width="stretch", config={"displaylogo": False}, alt=alt)
    st.caption(glossary.metric_help(other))


def _slice_table(view: SliceView, runs: dict[str, str]) -> pd.DataFrame:
    import pandas as pd  # lazy: pandas

    rows = []
    for label, run_id in runs.items():
        for position, (part, cell) in enumerate(zip(view.parts, view.cells[run_id], strict=True)):
            if math.isfinite(cell.mean):
                noun = "user" if view.by == "activity" else "item"
                name = f"{part.name}|{plural(part.size, noun)}"
                rows.append((name, position, part.name, part.size, label, cell.mean, cell.low, cell.high))
    return pd.DataFrame(rows, columns=["slice", "position", "span", "size", "label", "mean", "low", "high"])


def _slice_help(by: str, task: str) -> str:
    if by == "activity":
        return f"Test users in quartiles by their number of {_inputs(task)}, the least active first."
    whole = (
        "" if task == "rating" else " The full lists are evaluated; only held-out items of the slice count as relevant."
    )
    return f"Four slices of the items with equal shares of the training interactions, the least popular first.{whole}"


def _inputs(task: str) -> str:
    """Return what a model reads of a test user."""
    return "training ratings" if task == "rating" else "fold-in items"


def _missing_note(number: int, what: str) -> None:
    if number > 0:
        st.caption(f"{plural(number, 'run')} of an earlier version did not record {what}; train again to include it.")


def _pills(label: str, offered: Sequence[str], name: Callable[[str], str], key: str) -> str:
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


def current_theme() -> str:
    """Return the theme of the page, "light" or "dark"."""
    return "dark" if st.context.theme.type == "dark" else "light"

"""Charts of one results table: intervals, cost, slices of users and items, coverage and novelty, many settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis import metric_cutoff, setting_columns
from recdash.analysis.costs import COSTS
from recdash.analysis.groups import metric_names
from recdash.analysis.metric_info import averaging
from recdash.analysis.run_labels import model_title, run_labels
from recdash.evaluation.selection_metric import higher_is_better
from recdash.reporting.formatting import escape, listed, plural
from recdash.ui import cache, glossary, url_state
from recdash.ui.charts import intervals, parallel_coordinates, slices, theme_colours, tradeoff
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.slices import SliceView

LIST_METRICS = ("coverage@100", "novelty@100", "gini@100", "coverage@10", "novelty@10", "gini@10")
MAX_RUNS = 8  # in a chart of slices; more marks would overlap
MAX_INTERVALS = 15  # rows of the chart of intervals, so that it fits on the page
BASELINES = ("random", "popularity")  # they would squeeze all other models into a corner of the scale
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
_PLOTLY = {"displaylogo": False}


def list_metrics(group: Group) -> list[str]:
    """Return the metrics of whole lists (coverage, novelty, Gini) that separate the runs of a group."""
    available = [name for name in LIST_METRICS if any(name in row.metrics for row in group.rows)]
    return metric_cutoff.informative(available, group)


def choose_metric(group: Group) -> str:
    """Draw the selector of the metric of the charts; by default the one that selects the best run."""
    offered = metric_cutoff.informative(metric_names([group]), group)
    offered = list(dict.fromkeys([group.primary, *offered]))
    chosen = st.selectbox(
        "Metric of the chart",
        offered,
        format_func=glossary.metric,
        width=240,
        **url_state.bind("chart_metric", group.primary, options=offered),
    )
    return str(chosen)


def draw_intervals(group: Group) -> None:
    """Draw the means of the best runs with their 95% intervals."""
    metric = choose_metric(group)
    points = result_tables.points(group, metric, max_points=MAX_INTERVALS)
    title, better = glossary.metric(metric), result_tables.direction_label(metric)
    n_runs = sum(metric in row.metrics for row in group.rows)
    which = f", the best {len(points)} of {plural(n_runs, 'run')}" if n_runs > len(points) else ""
    st.markdown(
        f"**Quality with intervals** :gray[:small[{title}, {averaging(metric)}, with 95% interval{which}]]",
        help=glossary.metric_help(metric),
    )
    if not points:
        _no_value(metric)
        return
    alt = f"{title} with 95% intervals, best first: {', '.join(point.label for point in points)}"
    chart = intervals.interval_chart(points, title, better)
    st.altair_chart(chart, key="chart.intervals", width="stretch", alt=alt)


def draw_cost(group: Group) -> None:
    """Draw quality against one of the costs; baselines outside the scale of the others are left out."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        metric = choose_metric(group)
        name = st.segmented_control(
            "Cost",
            list(COSTS),
            required=True,
            format_func=lambda one: COSTS[one].title,
            **url_state.bind("cost", next(iter(COSTS)), options=COSTS),
        )
        whole = st.toggle(
            "Baselines in the scale",
            help="Random and Popularity are far from all other models, which then lie close together.",
            **url_state.bind("baselines", False, read=url_state.parse_flag),
        )
    cost, title = COSTS[str(name)], glossary.metric(metric)

    def cost_of(row: ResultRow) -> float | None:
        value = cost.value(row)
        return None if value is None else max(value, cost.minimum)

    points = result_tables.points(group, metric, x=cost_of, max_points=len(group.rows))
    st.markdown("**Quality against cost** :gray[:small[line and labels: Pareto front]]")
    _missing_note(len([row for row in group.rows if metric in row.metrics]) - len(points), cost.title.lower())
    clipped = [] if whole else tradeoff.outside_scale(points, _baselines(group))
    if points:
        axis = tradeoff.Axis(f"{cost.unit[0].upper()}{cost.unit[1:]}", log=True, pareto=True)
        lower = result_tables.direction_label(metric) == "lower is better"
        left_out = [point.run for point in clipped]
        figure = tradeoff.scatter(
            points, title, axis, lower=lower, theme=theme_colours.current_theme(), clipped=left_out
        )
        st.plotly_chart(figure, key="chart.cost", width="stretch", config=_PLOTLY, alt=f"{title} against {cost.unit}")
    if clipped:
        named = listed([f"{escape(point.label)} ({point.mean:.3f})" for point in clipped[:4]])
        st.caption(f":material/info: Outside the scale: {named}. {cost.help}")
    else:
        st.caption(cost.help)


def draw_parallel(group: Group) -> None:
    """Draw settings and quality of all runs as parallel coordinates."""
    metric = choose_metric(group)
    rows = [row for row in group.rows if metric in row.metrics]
    if not rows:
        _no_value(metric)
        return
    title, better = glossary.metric(metric), result_tables.direction_label(metric)
    st.markdown(
        f"**Settings and quality of {plural(len(rows), 'run')}** :gray[:small[one line per run, colour: {title}, "
        f"{better}]]",
        help="Drag along an axis to select a range; drag a heading to move an axis; click an axis to clear it.",
    )
    coordinates = _coordinates(rows)
    lower = higher_is_better(metric) is False
    values = [row.metrics[metric].mean for row in rows]
    figure = parallel_coordinates.figure(coordinates, title, values, lower=lower, theme=theme_colours.current_theme())
    alt = f"{title} of {plural(len(rows), 'run')} by {listed([one.title for one in coordinates])}"
    st.plotly_chart(figure, key="chart.parallel", width="stretch", config=_PLOTLY, alt=alt)
    st.caption(
        "Settings in which runs of one model differ come first. – marks runs of models without that setting. Drag "
        "along an axis to keep only the runs in that range."
    )


def _coordinates(rows: Sequence[ResultRow]) -> list[parallel_coordinates.Coordinate]:
    within, between = setting_columns.differing_settings([row.run for row in rows])
    models = [model_title(row.run) for row in rows]
    found = [parallel_coordinates.Coordinate("Model", models)] if len(set(models)) > 1 else []
    used: list[Mapping[str, Any]] = [setting_columns.settings_of(row.run) for row in rows]
    for name in [*within, *between][: parallel_coordinates.MAX_AXES - len(found) - 1]:
        found.append(parallel_coordinates.Coordinate(name, [values.get(name) for values in used]))
    seeds = [row.run.seed for row in rows]
    return [*found, parallel_coordinates.Coordinate("seed", seeds)] if len(set(seeds)) > 1 else found


def draw_slices(group: Group) -> None:
    """Draw the primary metric by activity of the users and by popularity of the items."""
    inputs = _inputs(group.task)
    left, right = st.columns(2, gap="large")
    for column, by in ((left, "activity"), (right, "popularity")):
        heading, slices_of, along = (text.format(inputs=inputs) for text in SLICES[by])
        along = along[0].upper() + along[1:]
        with column:
            found = cache.slices(_best_runs(group), by)
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
                table = _slice_table(found, runs)
                if table.empty:
                    _no_value(found.metric)
                    continue
                alt = f"{title} {slices_of}, for {', '.join(runs)}"
                chart = slices.slice_chart(table, runs, title, along)
                st.altair_chart(chart, key=f"chart.{by}", width="stretch", alt=alt)


def draw_variety(group: Group) -> None:
    """Draw quality against coverage, novelty or Gini index of the lists."""
    primary, available = glossary.metric(group.primary), list_metrics(group)
    if not available:
        st.caption("The runs shown have no metric of whole lists that separates models on this catalogue.")
        return
    other = st.segmented_control(
        "List metric",
        available,
        required=True,
        format_func=glossary.metric,
        **url_state.bind("variety", available[0], options=available),
    )
    st.markdown(
        f"**Quality against coverage and novelty** :gray[:small[{primary} against {glossary.metric(str(other))}]]",
        help="A model that recommends the same popular items to everyone can be accurate and still cover little of the "
        "catalogue.",
    )
    points = result_tables.points(
        group,
        group.primary,
        x=lambda row: row.metrics[str(other)].mean if str(other) in row.metrics else None,
        max_points=len(group.rows),
    )
    if points:
        axis = tradeoff.Axis(glossary.metric(str(other)))
        lower = result_tables.direction_label(group.primary) == "lower is better"
        figure = tradeoff.scatter(points, primary, axis, lower=lower, theme=theme_colours.current_theme())
        alt = f"{primary} against {glossary.metric(str(other))}"
        st.plotly_chart(figure, key="chart.variety", width="stretch", config=_PLOTLY, alt=alt)
    st.caption(glossary.metric_help(str(other)))


def _best_runs(group: Group) -> Group:
    """Return a group of the runs that a chart of slices can show: their per-user results are read and resampled."""
    return replace(group, rows=tuple(result_tables.ranked_rows(group, group.primary, max_rows=MAX_RUNS)))


def _baselines(group: Group) -> list[str]:
    return [
        row.run.id
        for row in group.rows
        if row.run.model in BASELINES or (row.run.model == "bias" and row.run.config.get("variant") == "global")
    ]


def _no_value(metric: str) -> None:
    st.caption(f"No run shown has {glossary.metric(metric)}.")


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

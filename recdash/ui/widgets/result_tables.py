"""Tables of results with intervals, of means over seeds, published figures and setting differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis.run_labels import run_labels
from recdash.evaluation.selection_metric import higher_is_better
from recdash.reporting import seed_tables
from recdash.reporting.formatting import (
    count,
    duration,
    escape,
    listed,
    plural,
)
from recdash.settings import format_setting
from recdash.ui import glossary
from recdash.ui.charts.primitives import Point

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.reference_figures import ReferenceTable
    from recdash.analysis.seeds import SeedTable
    from recdash.analysis.versus_best import BestComparison
    from recdash.services.runs import RunRecord

NO_VALUE = "–"
MAX_NAMED = 4  # runs in a sentence; further ones are counted
PUBLISHED_COLUMNS = ("rmse", "precision@100", "recall@100", "ndcg@100")  # of the published table, in its order
EXTRA_COLUMNS = ("recall@20", "recall@50", "mae", "coverage@100")


def points(
    group: Group,
    metric: str,
    *,
    max_points: int = 30,
    one_per_model: bool = False,
    x: Callable[[ResultRow], float | None] | None = None,
) -> list[Point]:
    """Return the rows that have a metric as chart points, best first.

    Args:
        group: Comparable runs.
        metric: Name of the metric.
        max_points: Maximum number of points.
        one_per_model: Whether only the best run of each model is returned.
        x: Value of a row on the horizontal axis; rows where it is None are omitted.
    """
    chart_points = []
    rows = ranked_rows(group, metric, max_rows=max_points, one_per_model=one_per_model)
    names = run_labels([row.run for row in rows])
    for row in rows:
        value, position = row.metrics[metric], 0.0 if x is None else x(row)
        if position is not None:
            low, high = (value.mean if bound is None else bound for bound in (value.low, value.high))
            chart_points.append(Point(names[row.run.id], row.run.id, value.mean, low, high, position, _note(row)))
    return chart_points


def ranked_rows(group: Group, metric: str, *, max_rows: int = 30, one_per_model: bool = False) -> list[ResultRow]:
    """Return the rows that have a metric, best first; with `one_per_model` only the best run of each model."""
    rows = sorted(
        (row for row in group.rows if metric in row.metrics), key=lambda row: _sign(metric) * row.metrics[metric].mean
    )
    if one_per_model:
        best = {row.run.model: row.run.id for row in reversed(rows)}
        rows = [row for row in rows if best[row.run.model] == row.run.id]
    return rows[:max_rows]


def seed_table(table: SeedTable, metrics: Sequence[str]) -> pd.DataFrame:
    """Return means over seeds as text, best first."""
    import pandas as pd  # lazy: pandas

    shown = seed_tables.available_metrics(table, metrics) or [table.primary]
    rows = []
    for row in table.rows:
        settings = ", ".join(f"{name} {format_setting(value)}" for name, value in row.settings.items())
        names = {"Model": row.title, "Preset": f"{row.preset}, {settings}" if settings else row.preset}
        counts = {"Splits": len(row.split_seeds), "Runs": row.trainings}
        cells = {name: seed_tables.spread_cell(row.metrics.get(name)) for name in shown}
        rows.append({**names, **counts, **cells, "Training time": duration(row.runtime_s)})
    return pd.DataFrame(rows)


def published_table(table: ReferenceTable) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the published figures of one split as a table and its column configuration."""
    import pandas as pd  # lazy: pandas

    rows, names = table.rows, table.metrics
    data: dict[str, list[Any]] = {"Model": [row.title for row in rows]}
    data |= {name: [row.values.get(name) for row in rows] for name in names}
    data |= {"Status": [row.status for row in rows], "Source": [row.source for row in rows]}
    data |= {"Link": [row.url for row in rows]}
    if any(row.note for row in rows):
        data["Note"] = [row.note for row in rows]
    config: dict[str, Any] = {
        name: st.column_config.NumberColumn(glossary.metric(name), help=glossary.metric_help(name), format="%.3f")
        for name in names
    }
    config["Link"] = st.column_config.LinkColumn("Link", display_text="open")
    return pd.DataFrame(data).astype(dict.fromkeys(names, "float64")), config


def not_different_from_best(group: Group, comparison: BestComparison) -> str:
    """Return the escaped names of runs not significantly different from the best; empty if there are none."""
    names = run_labels([row.run for row in group.rows])
    not_different = [
        names[row.run.id]
        for row in group.rows
        if comparison.not_different_from_best(row.run.id) and not comparison.is_best(row.run.id)
    ]
    more = [plural(len(not_different) - MAX_NAMED, "more run")] if len(not_different) > MAX_NAMED else []
    return listed([*map(escape, not_different[:MAX_NAMED]), *more]) if not_different else ""


def direction_label(metric: str) -> str:
    """Return whether higher or lower values of a metric are better, as text."""
    return {True: "higher is better", False: "lower is better", None: "neither direction is better"}[
        higher_is_better(metric)
    ]


def setting_differences(runs: Sequence[RunRecord], everything: bool = False) -> pd.DataFrame:
    """Return one row per setting and one column per run; by default only settings that differ."""
    import pandas as pd  # lazy: pandas

    names = run_labels(runs, one_dataset=False)
    settings: dict[str, Mapping[str, Any]] = {run.id: _all_settings(run) for run in runs}
    table = {
        name: [format_setting(settings[run.id][name]) if name in settings[run.id] else NO_VALUE for run in runs]
        for name in dict.fromkeys(name for values in settings.values() for name in values)
    }
    shown = {name: values for name, values in table.items() if everything or len(set(values)) > 1}
    return pd.DataFrame(list(shown.values()), index=list(shown), columns=[names[run.id] for run in runs])


def _all_settings(run: RunRecord) -> dict[str, Any]:
    settings = {"model": run.model, "dataset": run.dataset, "protocol": run.protocol, "split seed": run.split_seed}
    settings |= {
        "preset": run.preset,
        "seed": run.seed,
        "threads": run.threads,
        "precision": run.details.get("precision"),
    }
    return settings | dict(run.config)


def _sign(metric: str) -> int:
    return 1 if higher_is_better(metric) is False else -1


def _note(row: ResultRow) -> str:
    parameters = row.run.details.get("parameters")
    size = [f"{count(parameters)} parameters"] if parameters else []
    return ", ".join([*size, *row.run.remarks])

"""Tables of results with intervals, of means over seeds, published figures, latest runs and setting differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis.metric_info import NOT_SIGNIFICANT_LEGEND, NOT_SIGNIFICANT_MARK, averaging
from recdash.analysis.run_labels import run_labels
from recdash.evaluation.selection_metric import higher_is_better
from recdash.reporting import seed_tables
from recdash.reporting.formatting import (
    ago,
    count,
    duration,
    escape,
    listed,
    plural,
)
from recdash.runs import run_colours
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

DOT = "●"
NO_VALUE = "–"
VERSUS_BEST = "Difference from best"
REMARKS = "Remarks"
MAX_NAMED = 4  # runs in a sentence; further ones are counted
PUBLISHED_COLUMNS = ("rmse", "precision@100", "recall@100", "ndcg@100")  # of the published table, in its order
EXTRA_COLUMNS = ("recall@20", "recall@50", "mae", "coverage@100")
LATEST_COLUMNS = {
    "Run": st.column_config.TextColumn("Run", width="medium"),
    "Quality": st.column_config.TextColumn(
        "Quality", help="NDCG@100 or RMSE on the test users; * marks a validation value."
    ),
}


def latest_runs(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Return a table of runs: state, data, progress, quality and time."""
    import pandas as pd  # lazy: pandas

    return pd.DataFrame(
        [
            {
                "Run": run.name,
                "State": f"{run.state.value}, {run.warning}" if run.warning else run.state.value,
                "Dataset": run.dataset,
                "Protocol": run.protocol,
                "Epochs": f"{run.epoch} of {run.epochs}" if run.epochs and run.epochs > 1 else "–",
                "Quality": _quality(run),
                "Training time": duration(run.runtime_s if run.runtime_s is not None else run.elapsed_s),
                "Last change": ago(run.finished or run.started or run.created),
            }
            for run in runs
        ]
    )


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


def results_table(
    group: Group,
    metrics: Sequence[str],
    comparisons: Mapping[str, BestComparison] | None = None,
    *,
    with_interval: bool = True,
) -> tuple[Any, dict[str, Any]]:
    """Return the styled table of one group and its column configuration.

    The cells hold numbers, so columns sort numerically; their text is formatted row by row.

    Args:
        group: Comparable runs.
        metrics: Names of the metric columns.
        comparisons: Comparison of each row with the best, by metric.
        with_interval: Whether half the width of the 95% interval follows each mean.
    """
    import pandas as pd  # lazy: pandas

    names, comparisons = run_labels([row.run for row in group.rows]), comparisons or {}
    data: dict[str, list[Any]] = {
        " ": [DOT for _ in group.rows],
        "Model": [names[row.run.id] for row in group.rows],
        "Epochs": [row.epochs_run if (row.run.epochs or 1) > 1 else None for row in group.rows],
    }
    for name in metrics:
        data[name] = [row.metrics[name].mean if name in row.metrics else None for row in group.rows]
    data["Training time"] = [row.run.runtime_s for row in group.rows]
    formatted = [*metrics, "Training time"]
    primary = comparisons.get(group.primary)
    if primary is not None and primary.differences:
        data[VERSUS_BEST] = [_difference_to_best(primary, row.run.id) for row in group.rows]
        formatted.append(VERSUS_BEST)
    if any(row.run.remarks for row in group.rows):
        data[REMARKS] = ["; ".join(row.run.remarks) for row in group.rows]
    table = pd.DataFrame(data).astype(dict.fromkeys(formatted, "float64")).astype({"Epochs": "Int64"})
    styled = table.style.apply(
        lambda _: [f"color: {run_colours.colour_of(row.run.id)}" for row in group.rows], subset=[" "]
    )
    for name in metrics:
        styled = styled.apply(_bold_best(name), subset=[name])
    for index, row in enumerate(group.rows):  # by row, not by value: equal means can have different intervals
        texts: dict[Any, Any] = {name: _mean_text(row, name, comparisons.get(name), with_interval) for name in metrics}
        texts["Training time"] = duration(row.run.runtime_s)
        if primary is not None and VERSUS_BEST in data:
            texts[VERSUS_BEST] = _difference_text(primary, row.run.id)
        styled = styled.format(texts, subset=pd.IndexSlice[[index], formatted], na_rep=NO_VALUE)
    return styled, _columns(metrics, group.primary)


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


def _mean_text(row: ResultRow, metric: str, comparison: BestComparison | None, with_interval: bool) -> str:
    """Return a mean with half the width of its interval, and the mark of no significant difference where it applies."""
    value = row.metrics.get(metric)
    if value is None:
        return NO_VALUE
    text = f"{value.mean:.4f}"
    if with_interval and value.low is not None and value.high is not None:
        text += f" ± {(value.high - value.low) / 2:.4f}"
    if comparison is not None and comparison.not_different_from_best(row.run.id) and not comparison.is_best(row.run.id):
        text += f" {NOT_SIGNIFICANT_MARK}"
    return text


def _difference_to_best(comparison: BestComparison, run_id: str) -> float | None:
    """Return the difference between a run and the best of its table; None if it was not compared."""
    if comparison.is_best(run_id):
        return 0.0
    return comparison.differences[run_id].difference if run_id in comparison.differences else None


def _difference_text(comparison: BestComparison, run_id: str) -> str:
    difference = _difference_to_best(comparison, run_id)
    if difference is None:
        return NO_VALUE
    if difference == 0:
        return "best"
    mark = f"{NOT_SIGNIFICANT_MARK} " if comparison.not_different_from_best(run_id) else ""
    return f"{mark}{'−' if difference < 0 else '+'}{abs(difference):.4f}"


def _columns(metrics: Sequence[str], primary: str) -> dict[str, Any]:
    columns: dict[str, Any] = {
        " ": st.column_config.TextColumn(" ", width=28, help="Colour of the run on every page."),
        "Model": st.column_config.TextColumn("Model", width="medium"),
        "Epochs": st.column_config.NumberColumn(
            "Epochs", help="Epochs trained; the weights are those of the best validation epoch."
        ),
        "Training time": st.column_config.NumberColumn(
            "Training time", help="Training time on the machine that trained the run, without validation and test."
        ),
        VERSUS_BEST: st.column_config.NumberColumn(
            VERSUS_BEST,
            help=f"{glossary.metric(primary)} of the run minus that of the best run, paired by user. "
            f"{NOT_SIGNIFICANT_LEGEND}.",
        ),
    }
    columns[REMARKS] = st.column_config.TextColumn(REMARKS, help=f"Unstable: {glossary.UNSTABLE}")
    for name in metrics:
        meaning, average = glossary.metric_help(name), averaging(name)
        text = (
            f"{meaning} {average[0].upper()}{average[1:]} ± half the width of the 95% bootstrap interval; "
            f"{direction_label(name)}."
        )
        text += (
            f" {NOT_SIGNIFICANT_MARK} not significantly different from the best."
            if higher_is_better(name) is not None
            else ""
        )
        columns[name] = st.column_config.NumberColumn(glossary.metric(name), help=text)
    return columns


def _bold_best(metric: str) -> Callable[[pd.Series[Any]], list[str]]:
    better = higher_is_better(metric)

    def style(column: pd.Series[Any]) -> list[str]:
        if better is None or column.notna().sum() < 2:
            return [""] * len(column)
        best = column.max() if better else column.min()
        return ["font-weight: 700" if value == best else "" for value in column]

    return style


def _sign(metric: str) -> int:
    return 1 if higher_is_better(metric) is False else -1


def _quality(run: RunRecord) -> str:
    return glossary.quality(run.metrics) or (f"{glossary.quality(run.validation)} *" if run.validation else "–")


def _note(row: ResultRow) -> str:
    parameters = row.run.details.get("parameters")
    size = [f"{count(parameters)} parameters"] if parameters else []
    return ", ".join([*size, *row.run.remarks])

"""The results table on the page: which rows are shown, what the best row is, and what a click does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from recdash.analysis import baseline_difference, setting_columns, versus_best
from recdash.analysis.baseline_difference import Verdict
from recdash.analysis.metric_info import COMPARISON_METHOD
from recdash.analysis.row_folding import Fold, fold_rows
from recdash.analysis.run_labels import model_title, run_labels
from recdash.evaluation.selection_metric import higher_is_better
from recdash.reporting.formatting import escape, listed, plural
from recdash.runs import run_colours
from recdash.services import last_values
from recdash.ui import glossary, layout, url_state
from recdash.ui.components import component
from recdash.ui.results import exports, table_options, table_rows
from recdash.ui.results.table_options import TableOptions
from recdash.ui.results.table_rows import Column, Comparison
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.analysis.groups import Group
    from recdash.services.last_values import LastEpoch

MAX_LISTS = 8  # that the Recommend page shows next to each other
LIMIT = 100  # rows shown at once; further ones on request, since each is compared user by user
_OPENED, _VISIT = "_results_opened", "_results_visit"
_REVERSE = ":reverse"


@layout.with_error_boundary
def draw(group: Group, whole: Group) -> None:
    """Draw options, table and what can be done with selected rows; a fragment, so that clicks redraw only this.

    Args:
        group: The runs that the sidebar leaves.
        whole: All runs of the table; a baseline need not be among those shown.
    """
    visit_run()
    runs = [row.run for row in group.rows]
    wants_last = st.session_state.get(url_state.key_of("value"), st.query_params.get("value")) == "last"
    last = last_values.last_values(runs) if wants_last else {}
    options = table_options.draw(group, whole, setting_columns.differing_settings(runs), _last_names(last))
    if options.last and not last:
        last = last_values.last_values(runs)
    folds = fold_rows(group.rows, options.folding)
    names = _names(folds)
    baseline = _baseline_fold(folds, whole, options)
    columns = table_rows.columns_of(group, options, names, last, None if baseline is None else baseline.first)
    column, reverse = _sort(columns, group, options)
    ordered = table_rows.sorted_folds(folds, column, reverse)
    shown = ordered if st.session_state.get("_results_all") else ordered[:LIMIT]
    if baseline is not None and not options.last:
        metric = _compared_metric(column, group)
        comparison = table_rows.compare(shown, baseline, metric, _name(baseline, names))
        if comparison.differences:
            place = next((place for place, one in enumerate(columns) if one.id == metric), len(options.metrics)) + 1
            columns.insert(place, table_rows.difference_column(comparison, options.threshold))
    _best_sentence(group, shown, names, options)
    table_options.cutoff_notes(group, options.metrics)
    component.mount(
        "result_table",
        "results.table",
        _table_data(group, shown, folds, columns, names, (column, reverse)),
        _act,
    )
    _below(group, ordered, shown)
    exports.draw([group], options.metrics)


def visit_run() -> None:
    """Open the page of a run whose name was clicked; called by the page before it draws anything."""
    run_id = st.session_state.pop(_VISIT, None)
    if run_id:
        st.switch_page("pages/run.py", query_params={"id": run_id})


def _act(action: dict[str, Any]) -> None:
    """Handle a click in the table."""
    kind = action["kind"]
    if kind == "sort":
        _sort_by(str(action["column"]))
    elif kind == "open":
        opened: set[str] = st.session_state.setdefault(_OPENED, set())
        opened.symmetric_difference_update({str(action["row"])})
    elif kind == "select":
        selected = url_state.value_list("select")
        wanted = [str(run_id) for run_id in action["runs"]]
        left = [run_id for run_id in selected if run_id not in wanted]
        url_state.set_value("select", [*left, *wanted] if action["on"] else left)
    elif kind == "visit":
        st.session_state[_VISIT] = str(action["run"])


def _sort_by(column: str) -> None:
    """Sort by a column, best first; a second click reverses the order."""
    now = st.session_state.get("_results_sort")
    reverse = now == (column, False)
    st.session_state["_results_sort"] = column, reverse
    url_state.set_value("sort", f"{column}{_REVERSE}" if reverse else column)


def _sort(columns: Sequence[Column], group: Group, options: TableOptions) -> tuple[Column, bool]:
    """Return the column to sort by and whether the order is reversed, from the URL; by default best first."""
    url_state.bind("sort", "")
    text = str(st.session_state[url_state.key_of("sort")] or "")
    by_id = {column.id: column for column in columns}
    column, reverse = by_id.get(text.removesuffix(_REVERSE)), text.endswith(_REVERSE)
    if column is None:
        default = group.primary if group.primary in by_id else next(iter(options.metrics), "name")
        column, reverse = by_id.get(default, columns[0]), False
    st.session_state["_results_sort"] = column.id, reverse
    return column, reverse


def _compared_metric(column: Column, group: Group) -> str:
    """Return the metric of the differences: the one that the table is sorted by, if it has a direction."""
    has_direction = any(column.id in row.metrics for row in group.rows) and higher_is_better(column.id) is not None
    return column.id if has_direction else group.primary


def _last_names(last: Mapping[str, LastEpoch]) -> list[str]:
    """Return the validation metrics of the last epochs."""
    names = dict.fromkeys(name for epoch in last.values() for name in epoch.values)
    return [name for name in names if glossary.is_metric(name)]


def _names(folds: Sequence[Fold]) -> dict[str, str]:
    if folds and folds[0].by == "model":
        return {fold.key: model_title(fold.first.run) for fold in folds}
    by_setting = bool(folds) and folds[0].by == "setting"
    labels = run_labels([fold.first.run for fold in folds], name_seeds=not by_setting)
    return {fold.key: labels[fold.first.run.id] for fold in folds}


def _name(fold: Fold, names: Mapping[str, str]) -> str:
    return names.get(fold.key) or run_labels([fold.first.run])[fold.first.run.id]


def _baseline_fold(folds: Sequence[Fold], whole: Group, options: TableOptions) -> Fold | None:
    """Return the row with the baseline run, or the best row. Of a model's row, only the chosen run is compared."""
    chosen = next((fold for fold in fold_rows(whole.rows, options.folding) if options.baseline in fold.run_ids), None)
    if chosen is None:
        return table_rows.best_fold(folds, whole.primary)
    if chosen.by == "model" and chosen.first.run.id != options.baseline:
        return Fold(rows=tuple(row for row in chosen.rows if row.run.id == options.baseline), by="run")
    return chosen


def _best_sentence(group: Group, shown: Sequence[Fold], names: Mapping[str, str], options: TableOptions) -> None:
    """State the best row and the rows not significantly different from it, and whether there are too few users."""
    metric = group.primary
    best = table_rows.best_fold(shown, metric)
    if best is None:
        return
    comparison = table_rows.compare(shown, best, metric, names[best.key])
    if comparison.differences:
        verdicts = {
            key: found.verdict(higher_is_better=higher_is_better(metric) is True, threshold=options.threshold)
            for key, found in comparison.differences.items()
        }
        similar = [names[key] for key, verdict in verdicts.items() if verdict is Verdict.NOT_SIGNIFICANT]
        more = len(similar) - result_tables.MAX_NAMED
        named = [*map(escape, similar[: result_tables.MAX_NAMED]), *([plural(more, "more row")] if more > 0 else [])]
        others = (
            f"not significantly different: {listed(named)}" if similar else "all others are significantly different"
        )
        note = f" ({best.first.run.trials_note})" if best.first.run.trials_note else ""
        text = f"**{escape(names[best.key])}**{note} is best by {glossary.metric(metric)} on the test part; {others}."
        st.markdown(text, help=COMPARISON_METHOD)
    if note := _few_users(group, best, comparison, len(shown)):
        st.caption(f":material/info: {escape(note)}")


def _few_users(group: Group, best: Fold, comparison: Comparison, n_rows: int) -> str:
    sums = baseline_difference.stored_sums(table_rows.unit_of(best), comparison.metric)
    if sums is None or n_rows < 2:
        return ""
    widths = [(one.high - one.low) / 2 for one in comparison.differences.values()]
    widths = [width for width in widths if np.isfinite(width) and width > 0]
    users, value = int((sums.denominator[:, 0] > 0).sum()), best.mean(comparison.metric) or 0.0
    half_width = float(np.median(widths)) if widths else None
    return versus_best.few_users_note(group.task, comparison.metric, users, value, half_width)


def _table_data(
    group: Group,
    shown: Sequence[Fold],
    folds: Sequence[Fold],
    columns: Sequence[Column],
    names: Mapping[str, str],
    sort: tuple[Column, bool],
) -> dict[str, Any]:
    """Return what the component draws."""
    opened: set[str] = st.session_state.get(_OPENED, set())
    selected = set(url_state.value_list("select"))
    best = {column.id: _best_key(folds, column) for column in columns if column.marks_best}
    rows: list[dict[str, Any]] = []
    for fold in shown:
        is_open = fold.key in opened if len(fold.rows) > 1 else None
        rows.append(_row(fold, fold.key, names[fold.key], columns, best, selected, is_open=is_open))
        if is_open:
            labels = run_labels([row.run for row in fold.rows])
            for row in fold.rows:
                one = Fold(rows=(row,), by="run")
                name = f"seed {row.run.seed}" if fold.by == "setting" else labels[row.run.id]
                rows.append(_row(one, f"{fold.key}/{row.run.id}", name, columns, {}, selected, child=True))
    return {
        "label": f"Results on {group.label}, sorted by {sort[0].title}, {table_rows.order_of(*sort)}",
        "columns": [
            {
                "id": column.id,
                "title": column.title,
                "sub": column.sub,
                "kind": column.kind,
                "help": column.help,
                "sortable": column.kind not in ("tags", "remarks", "difference"),
                "sorted": table_rows.direction_of(*sort) if column.id == sort[0].id else "",
            }
            for column in columns
        ],
        "rows": rows,
    }


def _row(
    fold: Fold,
    row_id: str,
    name: str,
    columns: Sequence[Column],
    best: Mapping[str, str],
    selected: set[str],
    *,
    is_open: bool | None = None,
    child: bool = False,
) -> dict[str, Any]:
    run, chosen = fold.first.run, [run_id in selected for run_id in fold.run_ids]
    n_runs, n_seeds = len(fold.rows), len({row.run.seed for row in fold.rows})
    count = "" if n_runs == 1 else f"best of {n_runs} runs" if fold.by == "model" else plural(n_runs, "run")
    if fold.by == "setting" and n_seeds > 1:
        count = f"{n_seeds} seeds"
    count = ", ".join(filter(None, (count, run.trials_note)))
    cells = [None if child and column.kind == "difference" else column.cell(fold) for column in columns[1:]]
    for place, column in enumerate(columns[1:]):
        cell = cells[place]
        if best.get(column.id) == fold.key and cell is not None:
            cells[place] = {**(cell if isinstance(cell, dict) else {"t": cell}), "m": ["best"]}
        if child and column.kind == "difference":
            cells[place] = ""
    return {
        "id": row_id,
        "run": run.id,
        "runs": list(fold.run_ids),
        "name": name,
        "about": f"{run.name}: open its page",
        "colour": run_colours.colour_of(run.id),
        "count": count,
        "open": is_open,
        "level": int(child),
        "selected": "all" if all(chosen) else "some" if any(chosen) else "none",
        "cells": cells,
    }


def _best_key(folds: Sequence[Fold], column: Column) -> str:
    """Return the key of the row with the best value of a column; "" with fewer than two values."""
    ordered = table_rows.sorted_folds(folds, column, reverse=False)
    measured = [fold for fold in ordered if column.value(fold) is not None]
    return measured[0].key if len(measured) > 1 else ""


def _below(group: Group, ordered: Sequence[Fold], shown: Sequence[Fold]) -> None:
    """Draw the number of rows, and what can be done with the selected ones."""
    hint = "Click a heading to sort, a name to open the run. Select rows to compare settings, curves or lists."
    if len(ordered) > LIMIT:
        everything = bool(st.session_state.get("_results_all"))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{len(shown):,} of {plural(len(ordered), 'row')} shown. {hint}", width="content")
            st.button(
                "Show fewer" if everything else f"Show all {len(ordered):,}",
                key="results.all",
                type="tertiary",
                on_click=lambda: st.session_state.update({"_results_all": not everything}),
            )
    by_id = {row.run.id: row for row in group.rows}
    rows = [by_id[run_id] for run_id in url_state.value_list("select") if run_id in by_id]
    if not rows:
        if len(ordered) <= LIMIT:
            st.caption(hint)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{plural(len(rows), 'run')} selected", width="content")
        with_epochs = [row.run.id for row in rows if (row.run.epochs or 1) > 1]
        if with_epochs:
            layout.link("curves", f"Curves of {plural(len(with_epochs), 'run')}", run=with_epochs)
        lists = [row.run.id for row in rows[:MAX_LISTS]]
        layout.link("recommend", f"Recommendations of {plural(len(lists), 'run')}", list=lists, dataset=group.dataset)
        st.button("Clear", key="results.clear", type="tertiary", on_click=url_state.set_value, args=("select", []))
    if len(rows) > 1:
        _setting_differences([row.run for row in rows])


def _setting_differences(runs: Sequence[Any]) -> None:
    """Show the settings in which the selected runs differ."""
    with st.expander("Differences in settings", icon=":material/difference:", expanded=True, key="results.differences"):
        table = result_tables.setting_differences(runs)
        if table.empty:
            st.caption("None: the runs have the same model, data and settings. Their differences are due to chance.")
        else:
            st.dataframe(
                table, width="stretch", height="content" if len(table) <= 6 else 240, key="results.setting_differences",
                alt="Settings that differ between the selected runs",
            )  # fmt: skip

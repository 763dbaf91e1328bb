"""The table of trials: sorted by any column, named in the URL; selected trials open on the Curves page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.reporting.formatting import duration, plural
from recdash.runs import run_colours
from recdash.settings import format_setting
from recdash.ui import glossary, layout, url_state
from recdash.ui.components import component
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.services.tuning import Study
    from recdash.services.tuning_studies import Trial

LIMIT = 100  # rows shown at once
MOST_CURVES = 12  # trials that the Curves page is opened with unless some are selected
_PARAM, _REVERSE, _VISIT = "trial_sort", ":reverse", "_visit_trial"


@dataclass(frozen=True)
class _Column:
    """A column: its id in the URL, heading, CSS class, sort key (None sorts last) and text of a cell."""

    id: str
    title: str
    kind: str
    value: Callable[[Trial], Any]
    text: Callable[[Trial], Any]
    descending: bool = False
    sub: str = ""
    help: str = ""


def draw(study: Study) -> None:
    """Draw the table; a fragment, so that a click redraws only this."""
    st.fragment(_draw)(study)


@layout.with_error_boundary
def _draw(study: Study) -> None:
    run_id = st.session_state.pop(_VISIT, None)
    if run_id:
        st.switch_page("pages/run.py", query_params={"id": run_id})
    columns = _columns(study)
    column, reverse = _sort(columns)
    ordered = _sorted(study.trials, column, reverse)
    everything = bool(st.session_state.get("_all_trials"))
    shown = ordered if everything else ordered[:LIMIT]
    selected = set(url_state.value_list("trial"))

    def act(action: dict[str, Any]) -> None:
        kind = action["kind"]
        if kind == "sort":
            again = (str(action["column"]), False) == (column.id, reverse)
            url_state.set_value(_PARAM, f"{action['column']}{_REVERSE}" if again else str(action["column"]))
        elif kind == "select":
            wanted = [str(run_id) for run_id in action["runs"]]
            left = [run_id for run_id in url_state.value_list("trial") if run_id not in wanted]
            url_state.set_value("trial", [*left, *wanted] if action["on"] else left)
        elif kind == "visit":
            st.session_state[_VISIT] = str(action["run"])

    direction = "descending" if column.descending != reverse else "ascending"
    component.mount(
        "result_table",
        "trials.table",
        {
            "label": f"Trials of study {study.spec.name}, sorted by {column.title}, {direction}",
            "columns": [
                {
                    "id": one.id,
                    "title": one.title,
                    "sub": one.sub,
                    "kind": one.kind,
                    "help": one.help,
                    "sortable": True,
                    "sorted": direction if one is column else "",
                }
                for one in columns
            ],
            "rows": [_row(trial, study, columns, selected) for trial in shown],
        },
        act,
    )
    _below(study, shown, len(ordered), selected)


def _columns(study: Study) -> list[_Column]:
    metric = study.metric
    better = f"{glossary.metric_help(metric.name)} On the validation part; "
    better += f"{result_tables.direction_label(metric.name)}. Of pruned trials, until they ended."
    columns = [
        _Column("number", "Trial", "name", lambda trial: trial.number, lambda trial: f"Trial {trial.number}"),
        _Column(
            "value",
            glossary.metric(metric.name),
            "number",
            lambda trial: trial.value,
            lambda trial: None if trial.value is None else f"{trial.value:.4f}",
            metric.higher_is_better,
            "validation",
            better,
        ),
        _Column("state", "State", "remarks", lambda trial: trial.state, _state),
    ]
    columns += [_setting_column(dimension.name) for dimension in study.spec.dimensions]
    columns.append(_Column("epochs", "Epochs", "number", lambda trial: trial.epoch or None, _epochs))
    columns.append(
        _Column("time", "Time", "number", lambda trial: trial.seconds, lambda trial: duration(trial.seconds))
    )
    return columns


def _setting_column(name: str) -> _Column:
    def value(trial: Trial) -> Any:
        found = trial.params.get(name)
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None if found is None else (1, 0.0, format_setting(found))
        return (0, float(found), "")

    def text(trial: Trial) -> Any:
        return format_setting(trial.params[name]) if name in trial.params else None

    return _Column(name, name, "setting", value, text)


def _state(trial: Trial) -> Any:
    """Return the state with the reason where a trial ended early."""
    if trial.state == "pruned":
        return {"t": "pruned", "d": f"after epoch {trial.epoch}", "h": "Worse than other trials at the same epoch"}
    if trial.state == "failed":
        reason = trial.error or "its process died again and again"
        return {"t": "failed", "d": reason if len(reason) <= 60 else f"{reason[:59]}…", "h": reason, "m": ["worse"]}
    if trial.state == "stopped":
        return {"t": "stopped", "d": "goes on with the study"}
    return trial.state


def _epochs(trial: Trial) -> Any:
    if (trial.epochs or 1) <= 1 or not trial.epoch:
        return None
    run = trial.run
    return {"t": str(trial.epoch), "d": f"best {run.best_epoch}" if run is not None and run.best_epoch else ""}


def _sort(columns: list[_Column]) -> tuple[_Column, bool]:
    """Return the column to sort by and whether the order is reversed, from the URL; by default the best first."""
    url_state.bind(_PARAM, "")
    text = str(st.session_state[url_state.key_of(_PARAM)] or "")
    by_id = {column.id: column for column in columns}
    found = by_id.get(text.removesuffix(_REVERSE))
    return (by_id["value"], False) if found is None else (found, text.endswith(_REVERSE))


def _sorted(trials: tuple[Trial, ...], column: _Column, reverse: bool) -> list[Trial]:
    known = [trial for trial in trials if column.value(trial) is not None]
    known.sort(key=column.value, reverse=column.descending != reverse)
    return known + [trial for trial in trials if column.value(trial) is None]


def _row(trial: Trial, study: Study, columns: list[_Column], selected: set[str]) -> dict[str, Any]:
    run_id = trial.run.id if trial.run else ""
    is_best = study.best is not None and trial.number == study.best.number
    cells = [column.text(trial) for column in columns[1:]]
    if is_best and cells[0] is not None:
        cells[0] = {"t": cells[0], "m": ["best"]}
    marks = [mark for mark, holds in (("best", is_best), ("preset", trial.number == 0)) if holds]
    return {
        "id": f"trial {trial.number}",
        "run": run_id,
        "runs": [run_id] if run_id else [],
        "name": f"Trial {trial.number}",
        "about": f"{trial.run.name}: open its page" if trial.run else "",
        "colour": run_colours.colour_of(run_id) if run_id else "transparent",
        "count": ", ".join(marks),
        "open": None,
        "level": 0,
        "selected": "all" if run_id and run_id in selected else "none",
        "cells": cells,
    }


def _below(study: Study, shown: list[Trial], n_trials: int, selected: set[str]) -> None:
    """Draw the number of rows, and a link to the curves of the selected trials."""
    runs = [trial.run.id for trial in study.trials if trial.run and trial.run.id in selected]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        hint = "Click a heading to sort, a trial to open its run. Select trials to compare their curves."
        st.caption(f"{plural(len(runs), 'trial')} selected" if runs else hint, width="content")
        if len(shown) < n_trials or n_trials > LIMIT:
            label = "Show fewer" if len(shown) == n_trials else f"Show all {n_trials:,}"
            st.button(label, key="trials.all", type="tertiary", on_click=_toggle)
        with_epochs = [trial.run.id for trial in shown if trial.run and (trial.epochs or 0) > 1 and trial.epoch]
        if runs and with_epochs:
            layout.link("curves", f"Curves of {plural(len(runs), 'trial')}", run=runs)
        elif len(with_epochs) > 1:
            first = with_epochs[:MOST_CURVES]
            which = "all" if len(first) == len(with_epochs) else "the first"
            layout.link("curves", f"Curves of {which} {len(first)} trials", run=first)
        if runs:
            st.button("Clear", key="trials.clear", type="tertiary", on_click=url_state.set_value, args=("trial", []))


def _toggle() -> None:
    st.session_state["_all_trials"] = not st.session_state.get("_all_trials")

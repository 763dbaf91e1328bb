"""The Curves page: selected runs, chart options, live curves, setting differences and export."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import plural
from recdash.services import curves, runs
from recdash.ui import glossary, layout, url_state
from recdash.ui.charts import curve_panels
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

MAX_RUNS = 12
AXES = {"epoch": "Epoch", "seconds": "Time"}
LAUNCH_WINDOW = 60.0  # seconds; runs queued within it count as started together


def choose_runs(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Draw the run selector; by default the active runs, or else the newest ones started together."""
    by_id = {run.id: run for run in records if (run.epochs or 2) > 1}
    names = run_labels(list(by_id.values()), one_dataset=False)
    chosen = st.multiselect(
        "Runs",
        list(by_id),
        format_func=lambda run_id: _option_label(by_id[run_id], names[run_id]),
        placeholder="Choose runs to compare",
        max_selections=MAX_RUNS,
        select_all=False,
        **url_state.bind("run", _default_runs(list(by_id.values())), options=by_id, many=True),
    )
    return [by_id[run_id] for run_id in chosen]


def curve_options() -> curve_panels.CurveOptions:
    """Draw the chart options."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        x = st.segmented_control(
            "X axis",
            list(AXES),
            required=True,
            format_func=AXES.__getitem__,
            **url_state.bind("x", "epoch", options=AXES),
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.95,
            step=0.05,
            width=220,
            help="Weight of past values in an exponential moving average; 0 turns it off. The raw curve stays visible, "
            "faintly.",
            **url_state.bind("smooth", 0.0, read=_parse_smoothing),
        )
        log = st.toggle(
            "Log scale",
            help="Logarithmic Y axis for losses and KL divergence",
            **url_state.bind("log", False, read=url_state.parse_flag),
        )
    return curve_panels.CurveOptions(x=str(x), smoothing=float(smoothing), log=bool(log))


def choose_values(records: Sequence[RunRecord]) -> list[str]:
    """Draw the selector of epoch values."""
    available = curve_panels.epoch_reader("curves", [run.id for run in records]).names()
    default = [name for name in curve_panels.DEFAULT_VALUES if name in available]
    default = default or list(curve_panels.DEFAULT_VALUES[:4])
    offered = available or default
    chosen = st.pills(
        "Curves",
        offered,
        selection_mode="multi",
        format_func=lambda name: glossary.curve(name)[0],
        **url_state.bind("show", default, options=offered, many=True),
    )
    return [name for name in offered if name in chosen]


def live(run_ids: Sequence[str], names: Sequence[str], options: curve_panels.CurveOptions) -> None:
    """Draw the charts; they refresh once a second while a run is active."""
    st.fragment(_live, run_every=layout.refresh_interval())(tuple(run_ids), tuple(names), options)


@layout.with_error_boundary
def _live(run_ids: Sequence[str], names: Sequence[str], options: curve_panels.CurveOptions) -> None:
    by_id = {run.id: run for run in runs.list_runs(ids=run_ids)}
    selected = curve_panels.with_stability("curves", [by_id[run_id] for run_id in run_ids if run_id in by_id])
    curve_panels.legend(selected)
    if any(run.epoch for run in selected):
        curve_panels.draw("curves", selected, names, options)
    else:
        st.info("Waiting for the first epoch. The curves will appear here.", icon=":material/hourglass_empty:")


def differences(records: Sequence[RunRecord]) -> None:
    """Show the settings in which the runs differ."""
    if len(records) < 2:
        return
    st.subheader("Differences in settings", anchor=False)
    table = result_tables.setting_differences(records)
    if table.empty:
        st.caption(
            "None: the runs have the same model, data and settings. Differences between the curves are due to chance."
        )
    else:
        st.dataframe(table, width="stretch", key="differences", alt="Settings that differ between the chosen runs")


def export(records: Sequence[RunRecord]) -> None:
    """Draw the buttons that export the epochs of a run."""
    st.subheader("Export", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        names = run_labels(records, one_dataset=False)
        run_id = st.selectbox(
            "Run",
            [run.id for run in records],
            format_func=names.__getitem__,
            key="export_run",
            label_visibility="collapsed",
            width=300,
        )
        for form in ("csv", "json"):
            st.download_button(
                f"Export {form.upper()}",
                partial(_export, run_id, form),
                file_name=f"{run_id}.{form}",
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
            )


def _export(run_id: str, file_format: str) -> str:
    return curves.export(curves.curves(run_id), file_format)


def _default_runs(records: Sequence[RunRecord]) -> list[str]:
    """Return the active runs, or else the newest ones started together, all of one protocol."""
    active = [run for run in records if run.state.is_active()]
    newest = max((run.created for run in records), default=0.0)
    candidates = active or [run for run in records if newest - run.created < LAUNCH_WINDOW and run.epoch]
    return [run.id for run in candidates if run.protocol == candidates[0].protocol][:6]


def _option_label(run: RunRecord, name: str) -> str:
    details = [plural(run.epoch, "epoch"), "" if run.state == "finished" else run.state.value, run.warning]
    return f"{name} ({', '.join(filter(None, details))})"


def _parse_smoothing(text: str) -> float:
    return round(min(0.95, max(0.0, float(text))) * 20) / 20

"""The training of one run: its curves, what it used, its events and its log; live while it is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import curve_groups
from recdash.reporting.formatting import ago, escape
from recdash.services import runs
from recdash.ui import layout
from recdash.ui.charts import live_curves
from recdash.ui.charts.curve_board import BoardOptions
from recdash.ui.charts.epoch_reader import epoch_reader
from recdash.ui.widgets import live, resource_text

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

BOARD = "run.curves"
LOG_LINES = 200
MAX_CURVES = 6
_FIRST_SAMPLE = 3.0  # seconds; a shorter run may end before its first sample


def draw(run: RunRecord) -> None:
    """Draw the curves and the use of the machine."""
    if not curve_groups.has_curves(run):
        st.caption("This model is solved in one step: it has no epochs, and no curves.")
    elif not run.epoch and not run.state.is_active():
        st.caption("The run ended before its first epoch.")
    else:
        available = live_curves.available_values([run], epoch_reader(BOARD, [run.id]))
        live_curves.draw(BOARD, [run], live_curves.default_values(available)[:MAX_CURVES], BoardOptions(columns=2))
        layout.link("curves", "All curves and options", run=[run.id])
    live.fragment("run.resources", _resources, run.id)


def draw_log(run: RunRecord) -> None:
    """Draw events and the end of the log."""
    live.fragment("run.log", _log, run.id)


def _resources(run_id: str) -> None:
    st.markdown("**Use of the machine** :gray[:small[one sample in two seconds; one busy core is 100%]]")
    st.caption(resource_text.line(run_id) or f"Nothing was recorded: {_why_no_samples(runs.find(run_id))}.")
    resource_text.charts(run_id)


def _why_no_samples(run: RunRecord) -> str:
    if run.started is None:
        return "the run has not started"
    if run.state.is_active():
        return "the run has just started"
    if run.source:
        return "the run was imported"
    if run.finished is not None and run.finished - run.started < _FIRST_SAMPLE:
        return "the run ended before the first sample"
    return "the run is older than this version"


def _log(run_id: str) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("**Events** :gray[:small[newest first]]")
        for event in reversed(runs.events(run_id)[-20:]):
            st.caption(f"{ago(event.time)}: **{escape(event.kind)}** {escape(event.text)}")
    with right:
        st.markdown(f"**Log** :gray[:small[last {LOG_LINES} lines]]")
        st.code(runs.log(run_id, LOG_LINES) or "The log is empty.", language=None, height=380, wrap_lines=True)

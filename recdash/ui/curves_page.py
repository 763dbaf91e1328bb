"""The Curves page: which runs, how they are drawn, what differs between them, and their numbers to take away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import plural
from recdash.ui import glossary, layout, url_state
from recdash.ui.charts import curve_panels
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

MOST_RUNS = 12
AXES = {"epoch": "Epoch", "seconds": "Time"}
AT_ONCE = 60.0  # seconds; runs asked for within it belong together


def choose(found: Sequence[RunRecord]) -> list[RunRecord]:
    """Let somebody choose runs; by default what trains now, or else the newest that were started together."""
    by_id = {run.id: run for run in found if (run.epochs or 2) > 1}
    names = curve_panels.labels(list(by_id.values()))
    chosen = st.multiselect(
        "Runs",
        list(by_id),
        format_func=lambda run_id: _line(by_id[run_id], names[run_id]),
        placeholder="Choose runs to lay over each other",
        max_selections=MOST_RUNS,
        select_all=False,
        **url_state.bind("run", _usual(list(by_id.values())), options=by_id, many=True),
    )
    return [by_id[run_id] for run_id in chosen]


def look() -> curve_panels.Look:
    """Let somebody choose how curves are drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        across = st.segmented_control(
            "Against",
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
            help="Weight of the past in a moving average, 0 for none. The raw line stays, faintly.",
            **url_state.bind("smooth", 0.0, read=_weight),
        )
        log = st.toggle(
            "Logarithmic",
            help="Losses and the KL divergence on a logarithmic axis.",
            **url_state.bind("log", False, read=url_state.flag),
        )
    return curve_panels.Look(x=str(across), smoothing=float(smoothing), log=bool(log))


def values(found: Sequence[RunRecord]) -> list[str]:
    """Let somebody choose which values are drawn."""
    there = curve_panels.feed("curves", [run.id for run in found]).names()
    usual = [name for name in curve_panels.USUAL if name in there] or list(curve_panels.USUAL[:4])
    offered = there or usual
    chosen = st.pills(
        "Values",
        offered,
        selection_mode="multi",
        format_func=lambda name: glossary.curve(name)[0],
        **url_state.bind("show", usual, options=offered, many=True),
    )
    return [name for name in offered if name in chosen]


def live(run_ids: Sequence[str], names: Sequence[str], how: curve_panels.Look) -> None:
    """Draw the charts: once a second while one of the runs trains, at rest otherwise."""
    st.fragment(_live, run_every=layout.pace())(tuple(run_ids), tuple(names), how)


@layout.calm
def _live(run_ids: Sequence[str], names: Sequence[str], how: curve_panels.Look) -> None:
    from recdash.services import runs

    by_id = {run.id: run for run in runs.listing(ids=run_ids)}
    found = curve_panels.judged("curves", [by_id[run_id] for run_id in run_ids if run_id in by_id])
    curve_panels.legend(found)
    if any(run.epoch for run in found):
        curve_panels.draw("curves", found, names, how)
    else:
        st.info("No epoch is finished yet. The curves appear here by themselves.", icon=":material/hourglass_empty:")


def differences(found: Sequence[RunRecord]) -> None:
    """Say in which settings the runs differ."""
    if len(found) < 2:
        return
    st.subheader("What differs", anchor=False)
    table = result_tables.differences(found)
    if table.empty:
        st.caption("Nothing: the same model, data and settings. Whatever the curves differ in is chance.")
    else:
        st.dataframe(table, width="stretch", key="differences", alt="Settings that differ between the chosen runs")


def export(found: Sequence[RunRecord]) -> None:
    """Offer the numbers of each run."""
    st.subheader("Take the numbers along", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        names = curve_panels.labels(found)
        run_id = st.selectbox(
            "Run",
            [run.id for run in found],
            format_func=names.__getitem__,
            key="export_run",
            label_visibility="collapsed",
            width=300,
        )
        for form in ("csv", "json"):
            st.download_button(
                form.upper(),
                partial(_export, run_id, form),
                file_name=f"{run_id}.{form}",
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
            )


def _export(run_id: str, form: str) -> str:
    from recdash.services import curves

    return curves.export(curves.curves(run_id), form)


def _usual(found: Sequence[RunRecord]) -> list[str]:
    """What trains now, or else the newest runs that were asked for together; of one protocol, so that they compare."""
    active = [run for run in found if run.state.is_active()]
    newest = max((run.created for run in found), default=0.0)
    fitting = active or [run for run in found if newest - run.created < AT_ONCE and run.epoch]
    return [run.id for run in fitting if run.protocol == fitting[0].protocol][:6]


def _line(run: RunRecord, name: str) -> str:
    told = [plural(run.epoch, "epoch"), "" if run.state == "finished" else run.state.value, run.warning]
    return f"{name} ({', '.join(filter(None, told))})"


def _weight(text: str) -> float:
    return round(min(0.95, max(0.0, float(text))) * 20) / 20

"""The queue: running, queued and just ended runs with their actions, resource use and logs; live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.analysis import curve_groups
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, plural
from recdash.runs.states import State
from recdash.services import launch, runs
from recdash.ui import layout
from recdash.ui.charts import live_curves, theme_colours
from recdash.ui.charts.curve_board import BoardOptions
from recdash.ui.charts.epoch_reader import epoch_reader
from recdash.ui.widgets import live, run_cards

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

TRAINING_CURVES = ("reconstruction", "kl", "ndcg@100", "loss", "rmse")
_MOST_QUEUED, _MOST_CARDS, _MOST_CURVES = 30, 12, 6


def draw() -> None:
    """Draw the queue and the curves of its runs."""
    live.fragment("queue", _runs)
    _curves()


def _runs() -> None:
    running, queued, ended = _sections()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header("Running", anchor=False, width="stretch")
        watched = [run.id for run in (*running, *ended)]
        if watched:
            layout.link("curves", "Watch these on Curves", run=watched)
        _stop_all(running, queued)
    if not running:
        waiting = "The next run starts in a moment." if queued else "No run is active."
        st.caption(f"{waiting} Training runs in a separate process; closing this page does not stop it.")
    run_cards.cards(running[:_MOST_CARDS])
    if queued:
        st.header("Queued", anchor=False)
        st.caption(f"At most {plural(environment.max_runs(), 'run')} at a time (RECDASH_MAX_RUNS), in this order.")
        for position, run in enumerate(queued[:_MOST_QUEUED]):
            _queued_row(run, position, queued)
        if len(queued) > _MOST_QUEUED:
            st.caption(f"{len(queued) - _MOST_QUEUED} more queued")
    if ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header("Just ended", anchor=False, width="stretch")
            st.button("Hide", icon=":material/visibility_off:", type="tertiary", key="hide_ended", on_click=_hide_ended)
        run_cards.cards(ended[:_MOST_CARDS])


def _sections() -> tuple[list[RunRecord], list[RunRecord], list[RunRecord]]:
    """Return the running runs, the queued ones in their order, and those that ended since this page was opened."""
    active = runs.list_runs(active=True, archived=None)
    watched = list(dict.fromkeys([*st.session_state.get("_watched", ()), *(run.id for run in reversed(active))]))
    st.session_state["_watched"] = watched
    ended = [run for run in runs.list_runs(ids=watched) if not run.state.is_active()]
    running = sorted((run for run in active if run.state is State.RUNNING), key=lambda run: run.started or run.created)
    order = {run.id: position for position, run in enumerate(launch.queued())}
    queued = sorted((run for run in active if run.id in order), key=lambda run: order[run.id])
    return running, queued, ended


def _queued_row(run: RunRecord, position: int, queued: Sequence[RunRecord]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"queued.{run.id}"):
        st.markdown(
            f"{position + 1}. {theme_colours.dot(run.id)} **{escape(run.name)}** :gray[:small[{run_cards.facts(run)}]]",
            width="stretch",
        )
        if environment.read_only():
            return
        ids = [one.id for one in queued]
        before_up = ids[position - 1] if position else None
        before_down = ids[position + 2] if position + 2 < len(ids) else None
        last = position == len(ids) - 1
        for label, icon, before, disabled in (
            ("First", ":material/vertical_align_top:", ids[0], position == 0),
            ("Up", ":material/arrow_upward:", before_up, position == 0),
            ("Down", ":material/arrow_downward:", before_down, last),
        ):
            st.button(
                label,
                icon=icon,
                key=f"{label}.{run.id}",
                type="tertiary",
                disabled=disabled,
                on_click=_move,
                args=(run.id, before),
            )
        run_cards.action_button(
            run, "Remove", ":material/close:", launch.stop, f"{escape(run.name)} removed from the queue"
        )
        run_cards.clone_button(run)


def _move(run_id: str, before: str | None) -> None:
    try:
        launch.move(run_id, before)
    except RecdashError as error:  # it started in the meantime
        st.toast(escape(str(error)), icon=":material/error:", duration="long")


def _stop_all(running: Sequence[RunRecord], queued: Sequence[RunRecord]) -> None:
    if environment.read_only() or not (running or queued):
        return
    with st.popover("Stop all", icon=":material/stop:", type="tertiary", key="ask_stop_all"):
        about = f"{plural(len(running), 'run')} running, {len(queued)} queued. Stopped runs can be resumed."
        st.markdown(about)
        st.button(
            "Stop all runs",
            icon=":material/stop:",
            key="stop_all",
            on_click=_stop,
            args=([run.id for run in (*queued, *running)],),  # the queue first, so that no place is taken again
        )
        if queued:
            st.button(
                "Clear the queue only",
                icon=":material/clear_all:",
                key="clear_queue",
                on_click=_stop,
                args=([run.id for run in queued],),
            )


def _stop(run_ids: Sequence[str]) -> None:
    stopped = 0
    for run_id in run_ids:
        try:
            launch.stop(run_id)
            stopped += 1
        except RecdashError as error:
            st.toast(escape(str(error)), icon=":material/error:", duration="long")
    st.toast(f"Stopping {plural(stopped, 'run')}", icon=":material/check_circle:")


def _hide_ended() -> None:
    st.session_state["_watched"] = []


def _curves() -> None:
    shown = runs.list_runs(ids=st.session_state.get("_watched", ()))
    shown = [run for run in shown if curve_groups.has_curves(run) and run.state is not State.QUEUED][:_MOST_CURVES]
    if not any(run.epoch or run.state.is_active() for run in shown):
        return
    st.header("Learning curves", anchor=False)
    available = live_curves.available_values(shown, epoch_reader("train", [run.id for run in shown]))
    names = [
        name for name in TRAINING_CURVES if name in available and (name != "loss" or "reconstruction" not in available)
    ]
    live_curves.draw("train", shown, names, BoardOptions(height=200, columns=3))

"""Runs as cards: how far they are, how long it will take, what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import paths
from recdash.errors import RecdashError
from recdash.reporting.formatting import ago, duration, escape
from recdash.runs.run_records import STILL_IMPROVING
from recdash.splits.split_options import options_in_words
from recdash.ui import glossary
from recdash.ui.charts import run_colours

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord


def compact(found: Sequence[RunRecord]) -> None:
    """Show runs as one line each, with progress."""
    for run in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(_name(run), width="content")
            st.markdown(glossary.badges(run), width="content")
            st.caption(_when(run), width="content")
        if run.state == "running":
            st.progress(_share(run), text=_progress(run))


def cards(found: Sequence[RunRecord]) -> None:
    """Show runs as cards with everything that can be done."""
    for run in found:
        with st.container(border=True, key=f"card.{run.id}", gap="small"):
            _card(run)


def act(function: Callable[..., Any], *args: Any, said: str) -> None:
    """Do something to a run from a callback, say how it went, and show the page anew."""
    try:
        function(*args)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.toast(said, icon=":material/check_circle:")
    st.rerun()


def _card(run: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{_name(run)} {glossary.badges(run)}", help=glossary.badge_help(run), width="stretch")
        _buttons(run)
    st.caption(_facts(run))
    if run.state.is_active():
        st.progress(_share(run), text=_progress(run))
    if run.error:
        say = st.error if run.state == "failed" else st.warning
        say(escape(run.error), icon=":material/error:" if run.state == "failed" else ":material/warning:")
    if run.note:
        st.markdown(f":gray[:material/notes:] {escape(run.note)}")
    more = st.expander("Log, history and name", key=f"more.{run.id}", on_change="rerun", type="compact")
    if more.open:
        with more:
            _details(run)


def _buttons(run: RunRecord) -> None:
    from recdash.services import launch

    if paths.read_only():
        return
    name = escape(run.name)
    if run.state.is_active():
        _button(run, "Stop", ":material/stop:", launch.stop, f"{name} keeps a checkpoint and stops", run.stopping)
    if run.state.can_resume():
        _button(run, "Resume", ":material/play_arrow:", launch.resume, f"{name} goes on")
    if not run.state.is_active():
        _button(run, "Retry", ":material/replay:", launch.retry, f"{name} is trained afresh, as a new run")
        with st.popover("Delete", icon=":material/delete:", type="tertiary", key=f"ask.{run.id}"):
            st.markdown("Its weights, curves and results go for good.")
            _button(run, "Delete it", ":material/delete_forever:", launch.delete, f"{name} is deleted")


def _button(
    run: RunRecord, label: str, icon: str, function: Callable[..., Any], said: str, disabled: bool = False
) -> None:
    shown = "Stopping" if disabled else label
    st.button(
        shown,
        icon=icon,
        key=f"{label}.{run.id}",
        type="tertiary",
        disabled=disabled,
        on_click=act,
        args=(function, run.id),
        kwargs={"said": said},
    )


def _details(run: RunRecord) -> None:
    from recdash.services import launch, runs

    device = escape(str(run.details.get("device", run.device)))
    st.markdown(f"`{run.id}` :gray[:small[attempt {run.attempts}, {run.threads or '–'} threads, device {device}]]")
    for event in runs.events(run.id)[-8:]:
        st.caption(f"{ago(event.time)}: {escape(event.kind)} {escape(event.text)}")
    st.code(runs.log(run.id, 40) or "The log is empty.", language=None, height=200, wrap_lines=True)
    if paths.read_only():
        return
    with st.form(f"edit.{run.id}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", run.name, max_chars=120, key=f"name.{run.id}")
        note = st.text_input("Note", run.note, max_chars=4000, key=f"note.{run.id}")
        if st.form_submit_button("Keep"):
            if name != run.name:
                launch.rename(run.id, name)
            launch.annotate(run.id, note)
            st.rerun()


def _name(run: RunRecord) -> str:
    return f"{run_colours.dot(run.id)} **{escape(run.name)}**"


def _facts(run: RunRecord) -> str:
    parts = [escape(run.dataset), escape(run.protocol), f"preset {escape(run.preset)}", f"seed {run.seed}"]
    if run.settings:
        parts.append(glossary.differs(dict(run.settings)))
    if run.options:
        parts.append(escape(options_in_words(run.options)))
    if run.state == "finished":
        parts += [glossary.quality(run.metrics), f"trained in {duration(run.runtime_s)}"]
    if run.still_improving:
        parts.append(STILL_IMPROVING)
    return " · ".join([*parts, _when(run)])


def _when(run: RunRecord) -> str:
    if run.state == "queued":
        return f"asked for {ago(run.created)}"
    if run.state == "running":
        return f"started {ago(run.started)}"
    return ago(run.finished or run.created)


def _share(run: RunRecord) -> float:
    return min(1.0, run.epoch / run.epochs) if run.epochs else 0.0


def _progress(run: RunRecord) -> str:
    from recdash.services import runs

    if run.state == "queued":
        return "Waiting for a free place"
    if run.stopping:
        return "Stopping: the checkpoint is being written"
    if not run.epoch:
        return "Starting: reading the data and cutting the split"
    if run.epochs and run.epoch >= run.epochs:
        return "Scoring the test users"
    left = runs.remaining_s(run)
    patience = "" if left is None else f", at most {duration(left)} left"
    best = f", best {run.best_value:.4f} in epoch {run.best_epoch}" if run.best_value is not None else ""
    return f"Epoch {run.epoch} of at most {run.epochs}{patience}{best}"

"""Cards of runs: progress, remaining time, and buttons to stop, resume, retry and delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.reporting.formatting import ago, duration, escape
from recdash.runs.run_records import STILL_IMPROVING
from recdash.services import launch, runs
from recdash.splits.split_options import describe_options
from recdash.ui import glossary
from recdash.ui.charts import theme_colours

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord


def compact_list(selected: Sequence[RunRecord]) -> None:
    """Show one line per run, with a progress bar while it trains."""
    for run in selected:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(_name(run), width="content")
            st.markdown(glossary.badges(run), width="content")
            st.caption(_age(run), width="content")
        if run.state == "running":
            st.progress(_progress_share(run), text=_progress_text(run))


def cards(selected: Sequence[RunRecord]) -> None:
    """Show one card per run, with all its actions."""
    for run in selected:
        with st.container(border=True, key=f"card.{run.id}", gap="small"):
            _card(run)


def run_action(function: Callable[..., Any], *args: Any, done: str) -> None:
    """Call a service from a button and show the outcome as a toast: `done`, or the error."""
    try:
        function(*args)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.toast(done, icon=":material/check_circle:")
    st.rerun()


def _card(run: RunRecord) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{_name(run)} {glossary.badges(run)}", help=glossary.badge_help(run), width="stretch")
        _buttons(run)
    st.caption(_facts(run))
    if run.state.is_active():
        st.progress(_progress_share(run), text=_progress_text(run))
    if run.error:
        show = st.error if run.state == "failed" else st.warning
        show(escape(run.error), icon=":material/error:" if run.state == "failed" else ":material/warning:")
    if run.note:
        st.markdown(f":gray[:material/notes:] {escape(run.note)}")
    more = st.expander("Details", key=f"more.{run.id}", on_change="rerun", type="compact")
    if more.open:
        with more:
            _details(run)


def _buttons(run: RunRecord) -> None:
    if environment.read_only():
        return
    name = escape(run.name)
    if run.state.is_active():
        _button(run, "Stop", ":material/stop:", launch.stop, f"Stopping {name} after a checkpoint", run.stopping)
    if run.state.can_resume():
        _button(run, "Resume", ":material/play_arrow:", launch.resume, f"{name} resumed")
    if not run.state.is_active():
        _button(run, "Retry", ":material/replay:", launch.retry, f"{name} queued as a new run")
        with st.popover("Delete", icon=":material/delete:", type="tertiary", key=f"ask.{run.id}"):
            st.markdown("Deletes weights, curves and results permanently.")
            _button(run, "Delete run", ":material/delete_forever:", runs.delete, f"{name} deleted")


def _button(
    run: RunRecord, label: str, icon: str, function: Callable[..., Any], done: str, disabled: bool = False
) -> None:
    st.button(
        "Stopping" if disabled else label,
        icon=icon,
        key=f"{label}.{run.id}",
        type="tertiary",
        disabled=disabled,
        on_click=run_action,
        args=(function, run.id),
        kwargs={"done": done},
    )


def _details(run: RunRecord) -> None:
    device = escape(str(run.details.get("device", run.device)))
    st.markdown(f"`{run.id}` :gray[:small[attempt {run.attempts}, {run.threads or '–'} threads, device {device}]]")
    for event in runs.events(run.id)[-8:]:
        st.caption(f"{ago(event.time)}: {escape(event.kind)} {escape(event.text)}")
    st.code(runs.log(run.id, 40) or "The log is empty", language=None, height=200, wrap_lines=True)
    if environment.read_only():
        return
    with st.form(f"edit.{run.id}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", run.name, max_chars=120, key=f"name.{run.id}")
        note = st.text_input("Note", run.note, max_chars=4000, key=f"note.{run.id}")
        if st.form_submit_button("Save"):
            if name != run.name:
                runs.rename(run.id, name)
            runs.annotate(run.id, note)
            st.rerun()


def _name(run: RunRecord) -> str:
    return f"{theme_colours.dot(run.id)} **{escape(run.name)}**"


def _facts(run: RunRecord) -> str:
    parts = [escape(run.dataset), escape(run.protocol), f"preset {escape(run.preset)}", f"seed {run.seed}"]
    if run.settings:
        parts.append(glossary.settings_text(dict(run.settings)))
    if run.options:
        parts.append(escape(describe_options(run.options)))
    if run.state == "finished":
        parts += [glossary.quality(run.metrics), f"trained in {duration(run.runtime_s)}"]
    if run.still_improving:
        parts.append(STILL_IMPROVING)
    return " · ".join([*parts, _age(run)])


def _age(run: RunRecord) -> str:
    if run.state == "queued":
        return f"queued {ago(run.created)}"
    if run.state == "running":
        return f"started {ago(run.started)}"
    return ago(run.finished or run.created)


def _progress_share(run: RunRecord) -> float:
    return min(1.0, run.epoch / run.epochs) if run.epochs else 0.0


def _progress_text(run: RunRecord) -> str:
    if run.state == "queued":
        return "Queued; starts automatically"
    if run.stopping:
        return "Stopping: writing a checkpoint"
    if not run.epoch:
        return "Starting: loading the data and building the split"
    if run.epochs and run.epoch >= run.epochs:
        return "Evaluating on the test users"
    seconds = runs.remaining_s(run)
    left = "" if seconds is None else f", at most {duration(seconds)} left"
    best = (
        f", best validation value {run.best_value:.4f} in epoch {run.best_epoch}" if run.best_value is not None else ""
    )
    return f"Epoch {run.epoch} of at most {run.epochs}{left}{best}"
